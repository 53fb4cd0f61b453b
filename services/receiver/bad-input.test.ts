import { request as httpRequest } from 'node:http';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { GOOD, JSON_TYPE, jsonSpans, PROTOBUF, post, span, start } from '../../test/support/receiver.ts';
import { TransportError } from '../runtime/errors.ts';
import type { EventLog } from '../runtime/ports.ts';

describe('a bad request', () => {
  const nothing = async (log: EventLog) =>
    expect((await log.ranges('otlp_spans')).reduce((sum, range) => sum + range.end, 0)).toBe(0);

  test.each<[string, Uint8Array | string, string, number, string]>([
    [
      'truncated protobuf',
      encodeTraces([span(0)]).subarray(0, 60),
      'application/x-protobuf',
      400,
      'malformed_protobuf',
    ],
    [
      'random bytes',
      Uint8Array.from({ length: 64 }, (_, i) => (i * 97 + 255) % 256),
      'application/protobuf',
      400,
      'malf',
    ],
    ['JSON that is not OTLP', '{"data":[]}', 'application/json', 400, 'malformed_json'],
    ['text that is not JSON', 'hello', 'application/json', 400, 'malformed_json'],
    ['brackets without end', '['.repeat(1_500_000), 'application/json', 400, 'too_deep'],
    ['logs on the trace path', '{"resourceLogs":[]}', 'application/json', 400, 'unsupported_signal'],
    ['a lone span without ids', jsonSpans({ name: 'x' }), 'application/json', 400, 'missing_ids'],
    ['a negative time', jsonSpans({ ...GOOD, startTimeUnixNano: '-1' }), 'application/json', 400, 'startTimeUnixNano'],
    ['an unknown content type', 'a=b', 'application/x-www-form-urlencoded', 415, 'Content-Type'],
  ])('of %s gets a clear answer and leaves nothing behind', async (_, body, type, status, detail) => {
    const { url, log } = await start();
    const answer = await post(`${url}/v1/traces`, body, { 'content-type': type });
    expect(answer.status).toBe(status);
    expect(await answer.text()).toContain(detail);
    await nothing(log);
    expect((await post(`${url}/v1/traces`, encodeTraces([span(0)]), PROTOBUF)).status).toBe(200);
  });

  test('is told so by a google.rpc.Status in its own encoding', async () => {
    const { url } = await start();
    const json = await post(`${url}/v1/traces`, '[]', JSON_TYPE);
    expect(await json.json()).toEqual({ code: 3, message: 'malformed_json: JSON, but not an OTLP request' });
    const protobuf = await post(`${url}/v1/traces`, Uint8Array.of(0xff), PROTOBUF);
    expect(protobuf.headers.get('content-type')).toBe('application/x-protobuf');
    const bytes = Buffer.from(await protobuf.arrayBuffer());
    expect([bytes[0], bytes[1], bytes[2], bytes[3]]).toEqual([0x08, 3, 0x12, bytes.length - 4]);
  });

  test('with a wrong path, method, tenant or compression is refused by name', async () => {
    const { url } = await start();
    expect((await post(`${url}/v1/profiles`, '{}', JSON_TYPE)).status).toBe(404);
    const get = await fetch(`${url}/v1/traces`);
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await post(`${url}/v1/traces`, '{}', { ...JSON_TYPE, 'x-tacho-tenant': 'a b' })).status).toBe(400);
    expect((await post(`${url}/v1/traces`, '{}', { ...JSON_TYPE, 'content-encoding': 'lzma' })).status).toBe(415);
    expect((await post(`${url}/v1/traces`, 'not gzip', { ...JSON_TYPE, 'content-encoding': 'gzip' })).status).toBe(400);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['br', brotliCompressSync],
  ])('that unpacks without end (%s) is refused before it is unpacked', async (name, compress) => {
    const { url, metrics } = await start();
    const bomb = compress(Buffer.alloc(60_000_000, 0x20));
    const answer = await post(`${url}/v1/traces`, bomb, { ...JSON_TYPE, 'content-encoding': name });
    expect(answer.status).toBe(413);
    expect(await metrics.expose()).toContain('tacho_receiver_in_flight_bytes 0');
  });

  test('of 100 MB is answered after its head, and after 20 MiB when no length was told', async () => {
    const { url } = await start();
    for (const headers of [{ 'content-length': '100000000' }, { 'transfer-encoding': 'chunked' }]) {
      const sent = await pushWithoutEnd(`${url}/v1/traces`, { ...PROTOBUF, ...headers });
      expect(sent.status).toBe(413);
      expect(sent.bytes).toBeLessThan(60_000_000);
    }
    expect((await post(`${url}/v1/traces`, encodeTraces([span(0)]), PROTOBUF)).status).toBe(200);
  });
});

/** Sends up to 100 MB for as long as nobody answers. */
const pushWithoutEnd = (url: string, headers: Record<string, string>): Promise<{ status: number; bytes: number }> =>
  new Promise((resolve, reject) => {
    const chunk = Buffer.alloc(256 * 1024);
    let bytes = 0;
    let isAnswered = false;
    const request = httpRequest(url, { method: 'POST', headers }, (response) => {
      isAnswered = true;
      response.resume();
      resolve({ status: response.statusCode ?? 0, bytes });
      request.destroy();
    });
    request.on('error', (error) => (isAnswered ? undefined : reject(error)));
    const push = (): void => {
      if (isAnswered || bytes >= 99_000_000) return;
      bytes += chunk.length;
      if (request.write(chunk)) setImmediate(push);
      else request.once('drain', push);
    };
    push();
  });

describe('when the log takes nothing', () => {
  const gated = () => {
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const wrap = (log: EventLog): EventLog => ({
      ...log,
      append: async (records, signal) => {
        entered.resolve();
        await gate.promise;
        return log.append(records, signal);
      },
    });
    return { gate, entered, wrap };
  };

  test.each(['LOG_FULL', 'LOG_UNAVAILABLE'] as const)('%s is answered 503 until it does', async (code) => {
    let isDown = true;
    const wrap = (log: EventLog): EventLog => ({
      ...log,
      append: (records, signal) => {
        if (isDown) throw new TransportError(code, 'down', { retryable: true });
        return log.append(records, signal);
      },
    });
    const { url, receiver } = await start({ wrap });
    const answer = await post(`${url}/v1/traces`, jsonSpans(GOOD), JSON_TYPE);
    expect(answer.status).toBe(503);
    const seconds = Number(answer.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(0);
    expect(await answer.json()).toMatchObject({ code: 14, details: [{ retryDelay: `${seconds}s` }] });
    const protobuf = await post(`${url}/v1/traces`, encodeTraces([span(0)]), PROTOBUF);
    expect([protobuf.status, Number(protobuf.headers.get('retry-after')) > 0]).toEqual([503, true]);
    expect(receiver.health().state).toBe('degraded');
    isDown = false;
    expect((await post(`${url}/v1/traces`, jsonSpans(GOOD), JSON_TYPE)).status).toBe(200);
    expect(receiver.health().state).toBe('ok');
  });

  test('senders beyond the bytes in flight are told to come back, and nothing is held afterwards', async () => {
    const { gate, wrap } = gated();
    const body = encodeTraces([span(0, { name: 'x'.repeat(5000) })]);
    const { url, receiver, metrics } = await start({ wrap, settings: { inFlightBytesMax: 12_000 } });
    const answers = Array.from({ length: 4 }, () => post(`${url}/v1/traces`, body, PROTOBUF));
    const first = await Promise.race(answers);
    expect(first.status).toBe(503);
    gate.resolve();
    const statuses = (await Promise.all(answers)).map((answer) => answer.status);
    expect(statuses).toContain(200);
    await receiver.drain();
    expect(receiver.openRequests()).toBe(0);
    expect(await metrics.expose()).toContain('tacho_receiver_in_flight_bytes 0');
  });

  test('a request open at drain is answered before the receiver stops', async () => {
    const { gate, entered, wrap } = gated();
    const { url, receiver } = await start({ wrap });
    const answer = post(`${url}/v1/traces`, encodeTraces([span(0)]), PROTOBUF);
    await entered.promise;
    const drained = receiver.drain();
    gate.resolve();
    expect((await answer).status).toBe(200);
    await drained;
    await expect(post(`${url}/v1/traces`, '{}', JSON_TYPE)).rejects.toThrow();
  });
});
