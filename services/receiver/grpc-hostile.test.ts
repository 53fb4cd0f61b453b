import { request as httpRequest } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { frame, grpcClient, PATHS, type RawCall, rawConnection } from '../../test/support/grpc.ts';
import { recordsOf, span, start } from '../../test/support/receiver.ts';
import { until } from '../../test/support/tacho.ts';

const MIB = 1024 * 1024;
const GOOD = encodeTraces([span(0)]);
const raw = { open: [] as ReturnType<typeof rawConnection>[] };
afterEach(() => {
  for (const { session } of raw.open.splice(0)) session.destroy();
});

const startRaw = async (setup: Parameters<typeof start>[0] = {}) => {
  const started = await start(setup);
  const connection = rawConnection(started.grpcPort);
  raw.open.push(connection);
  return { ...started, ...connection };
};

/** After whatever happened: a stock client is served, nothing is held, nothing was left in the log but its span. */
const servesOn = async ({ grpcPort, log, receiver, metrics }: Awaited<ReturnType<typeof startRaw>>): Promise<void> => {
  await until('nothing is open', async () => (receiver.openRequests() === 0 ? true : null));
  const client = grpcClient(`127.0.0.1:${grpcPort}`);
  expect((await client.call(PATHS.traces, GOOD)).code).toBe(0);
  client.close();
  expect((await recordsOf(log, 'otlp_spans')).length).toBe(1);
  expect(await metrics.expose()).toContain('tacho_receiver_in_flight_bytes 0');
};

const noise = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => (i * 97 + 255) % 256);
const prefixOf = (length: number): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(length, 1);
  return prefix;
};

describe('a bad call gets a clear status, no invitation to come back, and leaves nothing behind', () => {
  test.each<[string, RawCall, string, string]>([
    ['noise as a message', { chunks: [frame(noise(64))] }, '3', 'malformed_protobuf'],
    ['a truncated request', { chunks: [frame(encodeTraces([span(0)]).subarray(0, 60))] }, '3', 'malformed_protobuf'],
    ['noise without a prefix', { chunks: [Uint8Array.of(0, 0, 0, 0, 9, 1)] }, '3', 'not one whole message'],
    ['half a prefix', { chunks: [Uint8Array.of(0, 0, 0)] }, '3', 'ended before its message'],
    ['no message', {}, '3', 'ended before its message'],
    ['a message cut short', { chunks: [frame(GOOD).subarray(0, 50)] }, '3', 'not one whole message'],
    ['two messages', { chunks: [frame(GOOD), frame(GOOD)] }, '3', 'not one whole message'],
    ['a flag nobody knows', { chunks: [Buffer.concat([Buffer.of(7), frame(GOOD).subarray(1)])] }, '3', 'prefix'],
    ['a compression nobody named', { chunks: [frame(gzipSync(GOOD), true)] }, '3', 'no grpc-encoding'],
    ['gzip that is none', { headers: { 'grpc-encoding': 'gzip' }, chunks: [frame(GOOD, true)] }, '3', 'not gzip'],
    ['a compression nobody knows', { headers: { 'grpc-encoding': 'lzma' } }, '12', 'grpc-encoding must be one of'],
    ['an unknown service', { headers: { ':path': '/a.b.C/Export' } }, '12', 'TraceService'],
    ['an unknown method', { headers: { ':path': `${PATHS.traces}s` } }, '12', 'TraceService'],
    ['a length above the limit', { chunks: [prefixOf(0xffff_ffff)], isEnded: false }, '3', 'larger than'],
  ])('%s', async (_, call, status, told) => {
    const started = await startRaw();
    const { fields } = await started.call(call);
    expect(fields).toMatchObject({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': status });
    expect(decodeURIComponent(fields['grpc-message'] ?? '')).toContain(told);
    expect(fields['grpc-accept-encoding']).toContain('gzip');
    expect(Buffer.from(fields['grpc-status-details-bin'] ?? '', 'base64').toString('latin1')).not.toContain(
      'RetryInfo',
    );
    await servesOn(started);
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
    ['br', brotliCompressSync],
  ])('a message that unpacks without end (%s) is refused before it is unpacked', async (name, compress) => {
    const started = await startRaw();
    const bomb = frame(compress(Buffer.alloc(60_000_000, 0x20)), true);
    const { fields } = await started.call({ headers: { 'grpc-encoding': name }, chunks: [bomb] });
    expect(fields['grpc-status']).toBe('3');
    await servesOn(started);
  });

  test('a message whose length comes byte by byte is refused at the limit', async () => {
    const started = await startRaw({ settings: { bodyBytesMax: MIB } });
    const prefix = prefixOf(40 * MIB);
    const chunks = [...[...prefix].map((byte) => Uint8Array.of(byte)), ...Array(20).fill(Buffer.alloc(MIB / 4))];
    const { fields } = await started.call({ chunks, isEnded: false });
    expect(fields['grpc-status']).toBe('3');
    await servesOn(started);
  });

  test('a refusal in any language arrives as it is, and a long one is cut to what clients take', async () => {
    const started = await startRaw();
    const client = grpcClient(`127.0.0.1:${started.grpcPort}`);
    const items = (name: string) => encodeTraces([span(0, { traceId: 'zz', name }), span(1, { traceId: '' })]);
    const answer = await client.call(PATHS.traces, items('日本\u0000%\r\n'));
    expect([answer.code, answer.message]).toEqual([3, answer.status?.message]);
    client.close();
    await servesOn(started);
  });

  test.each<[string, Record<string, string>, string]>([
    ['another content type', { 'content-type': 'application/x-protobuf' }, '415'],
    ['gRPC of another encoding', { 'content-type': 'application/grpc+json' }, '415'],
    ['another method', { ':method': 'GET' }, '405'],
  ])('%s is answered in HTTP', async (_, headers, status) => {
    const started = await startRaw();
    const { fields, text } = await started.call({ headers });
    expect(fields[':status']).toBe(status);
    expect(text).toContain('OTLP/gRPC');
    await servesOn(started);
  });
});

describe('a connection that is no good', () => {
  test('HTTP/1 on the port ends with an error at the sender, and nowhere else', async () => {
    const started = await startRaw();
    const failed = new Promise<Error>((resolve) => {
      const request = httpRequest(`http://127.0.0.1:${started.grpcPort}/v1/traces`, { method: 'POST' });
      request.on('error', resolve);
      request.end(GOOD);
    });
    expect(await failed).toBeInstanceOf(Error);
    await servesOn(started);
  });

  test('noise on the port is hung up on', async () => {
    const started = await startRaw();
    const closed = new Promise((resolve) => {
      const socket = connectTcp(started.grpcPort, '127.0.0.1', () => socket.write(noise(10_000)));
      socket.on('error', () => undefined);
      socket.once('close', resolve);
      socket.resume();
    });
    await closed;
    await servesOn(started);
  });

  test('metadata without end is refused', async () => {
    const started = await startRaw();
    const { rstCode, fields } = await started.call({ headers: { 'x-noise': 'x'.repeat(300_000) } });
    expect(rstCode !== 0 || fields[':status'] !== '200').toBe(true);
    await servesOn(started);
  });

  test('streams opened and cancelled at once, by thousands, end with their connection at the worst', async () => {
    const started = await startRaw();
    for (let i = 0; i < 3000 && !started.session.destroyed; i++) {
      const stream = started.session.request({
        ':method': 'POST',
        ':path': PATHS.traces,
        'content-type': 'application/grpc',
      });
      stream.on('error', () => undefined);
      stream.close(8);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    await servesOn(started);
  });

  test('refused calls give their bytes back to the connection: the hundredth is answered like the first', async () => {
    const started = await startRaw();
    const headers = { 'x-tacho-tenant': 'two words' };
    for (let i = 0; i < 100; i++) {
      const { fields } = await started.call({ headers, chunks: [frame(noise(200_000))] });
      expect(fields['grpc-status']).toBe('3');
    }
    expect((await started.call({ chunks: [frame(noise(2 * MIB))] })).fields['grpc-status']).toBe('3');
    await servesOn(started);
  });
});

describe('senders that go away', () => {
  test('half-open calls hold no more bytes than the budget has, and none once their connection is gone', async () => {
    const started = await startRaw({ settings: { inFlightBytesMax: 16 * MIB } });
    const chunk = Buffer.alloc(MIB);
    const calls = Array.from({ length: 40 }, () =>
      started.call({ chunks: [prefixOf(8 * MIB), ...Array(4).fill(chunk)], isEnded: false }),
    );
    const first = await Promise.race(calls);
    expect(first.fields['grpc-status']).toBe('14');
    expect(Buffer.from(first.fields['grpc-status-details-bin'] ?? '', 'base64').toString('latin1')).toContain(
      'RetryInfo',
    );
    const held = Number(/in_flight_bytes (\d+)/.exec(await started.metrics.expose())?.[1]);
    expect(held).toBeLessThanOrEqual(16 * MIB);
    started.session.destroy();
    await Promise.all(calls);
    await servesOn(started);
  });

  test('a call cancelled while it is read or written is closed and counted', async () => {
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    let appends = 0;
    const started = await startRaw({
      wrap: (log) => ({
        ...log,
        append: async (records, signal) => {
          appends += 1;
          if (appends > 1) return log.append(records, signal);
          entered.resolve();
          await gate.promise;
          return [];
        },
      }),
    });
    const client = grpcClient(`127.0.0.1:${started.grpcPort}`);
    expect((await client.cancelled(PATHS.traces, GOOD, entered.promise)).code).toBe(1);
    const reading = started.call({ chunks: [prefixOf(1000)], isEnded: false });
    await until('both are open', async () => (started.receiver.openRequests() === 2 ? true : null));
    started.session.destroy();
    await reading;
    gate.resolve();
    await servesOn(started);
    client.close();
    expect(await started.metrics.expose()).toContain('protocol="grpc",signal="spans",status="1"} 1');
  });

  test('a sender that sends and vanishes loses nothing of what it sent whole', async () => {
    const { call, session, log, receiver } = await startRaw();
    const gone = call({ chunks: [frame(encodeTraces([span(0)]))] });
    await until('the call is here', async () => (receiver.lastAcceptedMs() !== null ? true : null));
    session.destroy();
    await gone;
    expect((await recordsOf(log, 'otlp_spans')).length).toBe(1);
  });
});
