import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { captures } from '../../test/support/captures.ts';
import {
  GOOD,
  JSON_TYPE,
  jsonSpans,
  PROTOBUF,
  post,
  recordsOf,
  span,
  spansIn,
  start,
} from '../../test/support/receiver.ts';
import { hashToken, type TokenEntry } from '../runtime/access-tokens.ts';

describe('a good request', () => {
  test('is answered 200 with the position of what is durable', async () => {
    const { url, log, receiver } = await start();
    const answer = await post(`${url}/v1/traces`, encodeTraces([span(0), span(1), span(2)]), PROTOBUF);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/x-protobuf');
    expect((await answer.arrayBuffer()).byteLength).toBe(0);
    expect(answer.headers.get('x-tacho-position')).toMatch(/^otlp_spans\/\d\/\d(,otlp_spans\/\d\/\d)?$/);
    expect((await spansIn(log)).map((s) => s.name).sort()).toEqual(['span 0', 'span 1', 'span 2']);
    expect(receiver.lastAcceptedMs()).not.toBeNull();
    expect(receiver.openRequests()).toBe(0);
  });

  test('in JSON is answered in JSON and stored as protobuf, keyed by its trace', async () => {
    const { url, log } = await start();
    const answer = await post(`${url}/v1/traces`, jsonSpans(GOOD), { ...JSON_TYPE, 'x-tacho-tenant': 'acme' });
    expect([answer.status, await answer.text()]).toEqual([200, '{}']);
    const [record] = await recordsOf(log, 'otlp_spans');
    expect(Buffer.from(record?.key ?? []).toString()).toBe('1'.repeat(32));
    expect(record?.value[0]).toBe(0x0a);
    expect(record?.headers).toEqual({ 'x-tacho-tenant': 'acme', 'x-tacho-vantage': 'agent' });
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['zstd', zstdCompressSync],
    ['br', brotliCompressSync],
  ])('may come compressed with %s', async (name, compress) => {
    const { url, log } = await start();
    const body = compress(encodeTraces([span(0)]));
    const answer = await post(`${url}/v1/traces`, body, { ...PROTOBUF, 'content-encoding': name });
    expect(answer.status).toBe(200);
    expect(await spansIn(log)).toEqual([span(0).item]);
  });

  test('gives the same records when it is sent again', async () => {
    const { url, log } = await start();
    const body = encodeTraces([span(0), span(1), span(0)]);
    for (let i = 0; i < 2; i++) await post(`${url}/v1/traces`, body, PROTOBUF);
    const records = await recordsOf(log, 'otlp_spans');
    const texts = records.map((r) => `${Buffer.from(r.key ?? [])} ${Buffer.from(r.value).toString('hex')}`);
    expect(texts.length).toBe(4);
    expect(new Set(texts).size).toBe(2);
  });

  test('is taken from every recorded emitter of OTLP/HTTP, at the path it uses', async () => {
    const { url, log } = await start();
    let items = 0;
    for (const { name, signal, path, contentType, bytes } of captures().filter((c) => c.path.includes('/v1/'))) {
      const answer = await post(`${url}${path}`, bytes, {
        'content-type': contentType,
      });
      expect(answer.status, `${name} ${path} ${await answer.text()}`).toBe(200);
      const decoded = signal === 'traces' ? decodeTraces(bytes) : signal === 'logs' ? decodeLogs(bytes) : null;
      if (decoded?.kind === 'ok') items += decoded.value.items.length;
    }
    const spans = await spansIn(log);
    const logs = (await recordsOf(log, 'otlp_logs')).flatMap(({ value }) => {
      const request = decodeLogs(value);
      return request.kind === 'ok' ? request.value.items : [];
    });
    expect(spans.length + logs.length).toBe(items);
  });

  test('of metrics is counted, and its sender is told once an hour that nothing is stored of it', async () => {
    const { url, metrics } = await start();
    const body = JSON.stringify({
      resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'm', sum: { dataPoints: [{}, {}] } }] }] }],
    });
    const answer = await post(`${url}/v1/metrics`, body, JSON_TYPE);
    const told = (await answer.json()) as unknown;
    expect([answer.status, told]).toEqual([
      200,
      { partialSuccess: { rejectedDataPoints: '0', errorMessage: expect.stringContaining('counted and not stored') } },
    ]);
    const again = await post(`${url}/v1/metrics`, body, JSON_TYPE);
    expect([again.status, await again.text()]).toEqual([200, '{}']);
    expect(await metrics.expose()).toContain('tacho_receiver_items_total{signal="metrics",outcome="accepted"} 4');
  });

  test('may be empty', async () => {
    const { url } = await start();
    expect((await post(`${url}/v1/traces`, '', PROTOBUF)).status).toBe(200);
    expect((await post(`${url}/v1/logs`, '{}', JSON_TYPE)).status).toBe(200);
  });
});

describe('a request that is partly bad', () => {
  test('keeps the good items and says how many were refused and why, in JSON', async () => {
    const { url, log } = await start();
    const answer = await post(`${url}/v1/traces`, jsonSpans(GOOD, { name: 'no ids' }), JSON_TYPE);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      partialSuccess: { rejectedSpans: '1', errorMessage: 'item 1: missing_ids: the trace id is absent' },
    });
    expect((await spansIn(log)).map((s) => s.name)).toEqual(['good']);
  });

  test('and in protobuf', async () => {
    const { url, log } = await start();
    const body = encodeTraces([span(0), span(1, { spanId: '' })]);
    const answer = await post(`${url}/v1/traces`, body, PROTOBUF);
    expect(answer.status).toBe(200);
    const text = Buffer.from(await answer.arrayBuffer());
    expect(text.subarray(0, 4)).toEqual(Buffer.from([0x0a, text.length - 2, 0x08, 1]));
    expect(text.toString()).toContain('item 1: missing_ids: the span id is absent');
    expect((await spansIn(log)).length).toBe(1);
  });

  test('nested 200,000 deep beside a good span keeps the good span', async () => {
    const { url, log } = await start();
    const depth = 200_000;
    const deep = `${'{"arrayValue":{"values":['.repeat(depth)}{}${']}}'.repeat(depth)}`;
    const bad = `{"traceId":"${'1'.repeat(32)}","spanId":"${'3'.repeat(16)}","attributes":[{"key":"a","value":${deep}}]}`;
    const body = `{"resourceSpans":[{"scopeSpans":[{"spans":[${bad},${JSON.stringify(GOOD)}]}]}]}`;
    const answer = await post(`${url}/v1/traces`, body, JSON_TYPE);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('item 0: too_deep');
    expect((await spansIn(log)).length).toBe(1);
  });
});

describe('odd but valid data is kept', () => {
  test('times of 1970 and 2299, ten thousand attributes, text that is not UTF-8', async () => {
    const { url, log } = await start();
    const attributes = new Map(Array.from({ length: 10_000 }, (_, i): [string, number] => [`key.${i}`, i]));
    const body = encodeTraces([
      span(0, { startUnixNano: 1n, endUnixNano: 10_413_792_000_000_000_000n }),
      span(1, { attributes }),
      span(2, { name: 'caf\u00e9' }),
    ]);
    const broken = Buffer.from(body);
    broken[broken.lastIndexOf(0xc3)] = 0xff;
    expect((await post(`${url}/v1/traces`, broken, PROTOBUF)).status).toBe(200);
    const spans = await spansIn(log);
    expect(spans.find((s) => s.startUnixNano === 1n)?.endUnixNano).toBe(10_413_792_000_000_000_000n);
    expect(spans.find((s) => s.name === 'span 1')?.attributes.size).toBe(10_000);
    expect(spans.some((s) => s.name === 'caf\ufffd\ufffd')).toBe(true);
  });
});

describe('a token', () => {
  const tokens: readonly TokenEntry[] = [
    { name: 'gw', sha256: hashToken('secret'), tenant: 'acme', vantage: 'gateway', grants: ['ingest'] },
    { name: 'reader', sha256: hashToken('other'), tenant: null, vantage: 'agent', grants: ['read'] },
  ];
  const send = (url: string, headers: Record<string, string>) =>
    post(`${url}/v1/traces`, jsonSpans(GOOD), { ...JSON_TYPE, ...headers });

  test('gives its sender tenant and vantage, and no other tenant', async () => {
    const { url, log } = await start({ tokens });
    expect((await send(url, { authorization: 'Bearer secret' })).status).toBe(200);
    expect((await send(url, { authorization: 'Bearer secret', 'x-tacho-tenant': 'other' })).status).toBe(403);
    const [record] = await recordsOf(log, 'otlp_spans');
    expect(record?.headers).toEqual({ 'x-tacho-tenant': 'acme', 'x-tacho-vantage': 'gateway' });
  });

  test('that is missing, wrong or without the grant is refused', async () => {
    const { url } = await start({ tokens });
    const missing = await send(url, {});
    expect([missing.status, missing.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect((await send(url, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await send(url, { authorization: 'Bearer other' })).status).toBe(403);
  });

  test('does not help a page of another site', async () => {
    const { url } = await start();
    expect((await send(url, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await send(url, { origin: url })).status).toBe(200);
  });
});
