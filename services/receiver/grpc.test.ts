import { Writer } from 'protobufjs';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeLogs, encodeTraces } from '../../schemas/otlp/encode.ts';
import { captures } from '../../test/support/captures.ts';
import { type GrpcClient, grpcClient, PATHS } from '../../test/support/grpc.ts';
import { PROTOBUF, post, recordsOf, span, spansIn, start } from '../../test/support/receiver.ts';
import { hashToken, type TokenEntry } from '../runtime/access-tokens.ts';
import { TransportError } from '../runtime/errors.ts';
import type { EventLog } from '../runtime/ports.ts';

const clients: GrpcClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

const startGrpc = async (setup: Parameters<typeof start>[0] = {}, options: object = {}) => {
  const started = await start(setup);
  const client = grpcClient(`127.0.0.1:${started.grpcPort}`, options);
  clients.push(client);
  return { ...started, client };
};

/** Topic, key, headers and value of each record, in an order of its own. */
const contentOf = async (log: EventLog, topic: string): Promise<readonly string[]> =>
  (await recordsOf(log, topic))
    .map(
      ({ key, headers, value }) =>
        `${Buffer.from(key ?? [])} ${JSON.stringify(headers)} ${Buffer.from(value).toString('hex')}`,
    )
    .sort();

describe('a good call', () => {
  test('is answered OK with the position of what is durable', async () => {
    const { client, log, receiver, metrics } = await startGrpc();
    const answer = await client.call(PATHS.traces, encodeTraces([span(0), span(1), span(2)]));
    expect(answer).toEqual({
      code: 0,
      message: '',
      response: {},
      position: expect.stringMatching(/^otlp_spans\/\d\/\d(,otlp_spans\/\d\/\d)?$/),
      status: null,
      retrySeconds: null,
    });
    expect((await spansIn(log)).map((s) => s.name).sort()).toEqual(['span 0', 'span 1', 'span 2']);
    expect(receiver.lastAcceptedMs()).not.toBeNull();
    expect(receiver.openRequests()).toBe(0);
    expect(await metrics.expose()).toContain(
      'tacho_receiver_requests_total{protocol="grpc",signal="spans",status="0"} 1',
    );
  });

  test('of every recorded emitter leaves the records that HTTP leaves', async () => {
    const overHttp = await start();
    const { client, log } = await startGrpc();
    let calls = 0;
    for (const capture of captures()) {
      const route = capture.signal === 'traces' ? 'traces' : 'logs';
      if (capture.signal !== route || !capture.contentType.includes('protobuf')) continue;
      const http = await post(`${overHttp.url}/v1/${route}`, capture.bytes, PROTOBUF);
      const grpc = await client.call(PATHS[route], capture.bytes);
      expect([http.status, grpc.code], capture.name).toEqual([200, 0]);
      calls += 1;
    }
    expect(calls).toBeGreaterThan(10);
    for (const topic of ['otlp_spans', 'otlp_logs'])
      expect(await contentOf(log, topic)).toEqual(await contentOf(overHttp.log, topic));
  });

  test.each([
    ['deflate', 1],
    ['gzip', 2],
  ])('may come compressed with %s', async (_, algorithm) => {
    const { client, log } = await startGrpc({}, { 'grpc.default_compression_algorithm': algorithm });
    expect((await client.call(PATHS.traces, encodeTraces([span(0)]))).code).toBe(0);
    expect(await spansIn(log)).toEqual([span(0).item]);
  });

  test('of metrics is counted as over HTTP and not stored', async () => {
    const { client, log, metrics } = await startGrpc();
    // ResourceMetrics 1 / ScopeMetrics 2 / Metric 2 / Gauge 5 / two data points 1.
    const nested = (field: number, bytes: Uint8Array): Uint8Array =>
      Writer.create()
        .uint32(field * 8 + 2)
        .bytes(bytes)
        .finish();
    const points = Buffer.concat([nested(1, Uint8Array.of()), nested(1, Uint8Array.of())]);
    const answer = await client.call(PATHS.metrics, nested(1, nested(2, nested(2, nested(5, points)))));
    const told = { partialSuccess: { errorMessage: expect.stringContaining('counted and not stored') } };
    expect([answer.code, answer.response, answer.position]).toEqual([0, told, '']);
    expect(await metrics.expose()).toContain('tacho_receiver_items_total{signal="metrics",outcome="accepted"} 2');
    expect(await recordsOf(log, 'otlp_spans')).toEqual([]);
  });

  test('of nothing is a good call', async () => {
    const { client } = await startGrpc();
    for (const path of Object.values(PATHS)) expect((await client.call(path, Uint8Array.of())).code).toBe(0);
  });

  test('keeps its good spans, and says in the response which are refused', async () => {
    const { client, log } = await startGrpc();
    const answer = await client.call(PATHS.traces, encodeTraces([span(0), span(1, { traceId: '' }), span(2)]));
    expect(answer.code).toBe(0);
    expect(answer.response?.partialSuccess).toEqual({
      rejected: 1,
      errorMessage: expect.stringContaining('missing_ids'),
    });
    expect((await spansIn(log)).length).toBe(2);
  });
});

describe('who calls', () => {
  const TOKENS: readonly TokenEntry[] = [
    { name: 'gw', sha256: hashToken('gateway-secret'), tenant: 'acme', vantage: 'gateway', grants: ['ingest'] },
    { name: 'reader', sha256: hashToken('reader-secret'), tenant: null, vantage: 'agent', grants: ['read'] },
  ];
  const body = encodeTraces([span(0)]);

  test('is told by metadata: tenant, and the vantage of the token whatever is claimed', async () => {
    const { client, log } = await startGrpc({ tokens: TOKENS });
    const metadata = { authorization: 'Bearer gateway-secret', 'x-tacho-vantage': 'operator' };
    expect((await client.call(PATHS.traces, body, metadata)).code).toBe(0);
    const [record] = await recordsOf(log, 'otlp_spans');
    expect(record?.headers).toEqual({ 'x-tacho-tenant': 'acme', 'x-tacho-vantage': 'gateway' });
  });

  test('without tokens may name any tenant, from this machine', async () => {
    const { client, log } = await startGrpc();
    expect((await client.call(PATHS.logs, encodeLogs([]), { 'x-tacho-tenant': 'beta' })).code).toBe(0);
    expect((await client.call(PATHS.traces, body, { 'x-tacho-tenant': 'beta' })).code).toBe(0);
    const [record] = await recordsOf(log, 'otlp_spans');
    expect(record?.headers).toEqual({ 'x-tacho-tenant': 'beta', 'x-tacho-vantage': 'agent' });
  });

  test.each<[string, Record<string, string>, number]>([
    ['no token', {}, 16],
    ['a wrong token', { authorization: 'Bearer x' }, 16],
    ['another scheme', { authorization: 'Basic eDp4' }, 16],
    ['no grant', { authorization: 'Bearer reader-secret' }, 7],
    ['another tenant', { authorization: 'Bearer gateway-secret', 'x-tacho-tenant': 'other' }, 7],
    ['a tenant of two words', { authorization: 'Bearer gateway-secret', 'x-tacho-tenant': 'a b' }, 3],
    ['a web page', { authorization: 'Bearer gateway-secret', origin: 'https://evil.example' }, 7],
    ['a bad time shift', { authorization: 'Bearer gateway-secret', 'x-tacho-time-shift-ms': 'soon' }, 3],
  ])('with %s is refused for good, before the message is read', async (_, metadata, code) => {
    const { client, log, metrics } = await startGrpc({ tokens: TOKENS });
    const answer = await client.call(PATHS.traces, body, metadata);
    expect(answer).toMatchObject({ code, retrySeconds: null, status: { code, message: answer.message } });
    expect(await recordsOf(log, 'otlp_spans')).toEqual([]);
    expect(await metrics.expose()).not.toContain('tacho_receiver_bytes_total{');
  });
});

describe('when the log takes nothing', () => {
  test.each(['LOG_FULL', 'LOG_UNAVAILABLE'] as const)(
    '%s is UNAVAILABLE with RetryInfo until it does',
    async (code) => {
      let isDown = true;
      const wrap = (log: EventLog): EventLog => ({
        ...log,
        append: (records, signal) => {
          if (isDown) throw new TransportError(code, 'down', { retryable: true });
          return log.append(records, signal);
        },
      });
      const { client, receiver } = await startGrpc({ wrap });
      const answer = await client.call(PATHS.traces, encodeTraces([span(0)]));
      expect(answer).toMatchObject({ code: 14, status: { code: 14, message: answer.message } });
      expect(answer.retrySeconds).toBeGreaterThan(0);
      expect(receiver.health().state).toBe('degraded');
      isDown = false;
      expect((await client.call(PATHS.traces, encodeTraces([span(0)]))).code).toBe(0);
    },
  );

  test('a record that can never be taken is refused for good, and a bug of ours is no reason to come back', async () => {
    const thrown: Error[] = [
      new TransportError('LOG_RECORD_TOO_LARGE', 'large', { retryable: false }),
      new Error('a bug'),
    ];
    const wrap = (log: EventLog): EventLog => ({
      ...log,
      append: async () => {
        throw thrown.shift() ?? new Error('one more');
      },
    });
    const { client } = await startGrpc({ wrap });
    expect(await client.call(PATHS.traces, encodeTraces([span(0)]))).toMatchObject({ code: 3, retrySeconds: null });
    const bug = await client.call(PATHS.traces, encodeTraces([span(0)]));
    expect(bug).toMatchObject({ code: 13, message: 'internal error', retrySeconds: null });
  });

  test('HTTP and gRPC share one budget of bytes in flight', async () => {
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
    const { client, url, receiver, metrics } = await startGrpc({ wrap, settings: { inFlightBytesMax: 12_000 } });
    const body = encodeTraces([span(0, { name: 'x'.repeat(8000) })]);
    const held = post(`${url}/v1/traces`, body, PROTOBUF);
    await entered.promise;
    expect(receiver.openRequests()).toBe(1);
    const refused = await client.call(PATHS.traces, body);
    expect(refused.code).toBe(14);
    expect(refused.retrySeconds).toBeGreaterThan(0);
    gate.resolve();
    expect((await held).status).toBe(200);
    expect((await client.call(PATHS.traces, body)).code).toBe(0);
    expect(await metrics.expose()).toContain('tacho_receiver_in_flight_bytes 0');
  });

  test('a call open at drain is answered before the receiver stops, and no new one is taken', async () => {
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
    const { client, receiver, grpcPort } = await startGrpc({ wrap });
    const open = client.call(PATHS.traces, encodeTraces([span(0)]));
    await entered.promise;
    expect(receiver.openRequests()).toBe(1);
    const drained = receiver.drain();
    const late = grpcClient(`127.0.0.1:${grpcPort}`);
    clients.push(late);
    expect((await late.call(PATHS.traces, encodeTraces([span(1)]))).code).toBe(14);
    gate.resolve();
    expect((await open).code).toBe(0);
    await drained;
    expect(receiver.openRequests()).toBe(0);
  });
});

describe('a port that is taken', () => {
  test('is named with the key that changes it, and leaves nothing listening', async () => {
    const { grpcPort } = await startGrpc();
    const second = start({ settings: { grpcPort } });
    await expect(second).rejects.toMatchObject({
      problems: [{ key: 'receiver.grpc_port (TACHO_RECEIVER_GRPC_PORT)', value: `${grpcPort} (in use)` }],
    });
  });
});
