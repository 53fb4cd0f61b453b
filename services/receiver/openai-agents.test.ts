import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decodeLogs } from '../../schemas/otlp/decode.ts';
import { JSON_TYPE, PROTOBUF, post, recordsOf, spansIn, start } from '../../test/support/receiver.ts';
import { hashToken } from '../runtime/access-tokens.ts';
import { TransportError } from '../runtime/errors.ts';

const CAPTURE = new Uint8Array(
  readFileSync(new URL('../../test/fixtures/captures/openai-agents-native/001.json', import.meta.url)),
);
const PATH = '/v1/traces/ingest';
const SPAN = { object: 'trace.span', id: 'span_1', trace_id: 'trace_1', span_data: { type: 'agent', name: 'a' } };
const bodyOf = (...data: readonly unknown[]): string => JSON.stringify({ data });

describe('the own export of the OpenAI Agents SDK', () => {
  test('is durable when it is answered: spans by trace, and its traces as log records, with both positions', async () => {
    const { url, log, receiver } = await start();
    const answer = await post(`${url}${PATH}`, CAPTURE, { ...JSON_TYPE, 'x-tacho-tenant': 'acme' });
    expect([answer.status, await answer.text()]).toEqual([200, '{}']);
    expect(answer.headers.get('x-tacho-position')).toMatch(/otlp_spans\/.*otlp_logs\//);
    expect((await spansIn(log)).length).toBe(69);
    const logs = await recordsOf(log, 'otlp_logs');
    expect(logs.flatMap(({ value }) => (decodeLogs(value).kind === 'ok' ? [1] : [])).length).toBe(3);
    const records = [...(await recordsOf(log, 'otlp_spans')), ...logs];
    expect(new Set(records.map(({ key }) => Buffer.from(key ?? []).toString())).size).toBe(3);
    for (const { headers } of records) expect(headers).toMatchObject({ 'x-tacho-tenant': 'acme' });
    expect(receiver.lastAcceptedMs()).not.toBeNull();
  });

  test('may come compressed and behind a prefix, and gives the same records when it is sent again', async () => {
    const { url, log } = await start();
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
    for (const prefix of ['', '/some/proxy'])
      expect((await post(`${url}${prefix}${PATH}`, gzipSync(CAPTURE), headers)).status).toBe(200);
    const texts = [...(await recordsOf(log, 'otlp_spans')), ...(await recordsOf(log, 'otlp_logs'))].map(({ value }) =>
      Buffer.from(value).toString('hex'),
    );
    expect(texts.length).toBe(2 * new Set(texts).size);
  });

  test('keeps the good items beside bad ones and says which were refused', async () => {
    const { url, log } = await start();
    const answer = await post(`${url}${PATH}`, bodyOf(SPAN, { object: 'span' }), JSON_TYPE);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      partialSuccess: {
        rejectedSpans: '1',
        errorMessage: 'item 1: malformed_json: neither a trace nor a trace.span',
      },
    });
    expect((await spansIn(log)).length).toBe(1);
  });

  test.each<[string, string, Record<string, string>, number, string]>([
    ['OTLP', '{"resourceSpans":[]}', JSON_TYPE, 400, 'malformed_json'],
    ['no JSON', 'hello', JSON_TYPE, 400, 'malformed_json'],
    ['nothing that can be taken', bodyOf(1, 2), JSON_TYPE, 400, 'malformed_json'],
    ['protobuf', 'x', PROTOBUF, 415, 'application/json'],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'Content-Type'],
    ['another tenant’s name', bodyOf(SPAN), { ...JSON_TYPE, 'x-tacho-tenant': 'a b' }, 400, 'tenant'],
  ])('as %s gets a clear answer and leaves nothing behind', async (_, body, headers, status, detail) => {
    const { url, log } = await start();
    const answer = await post(`${url}${PATH}`, body, headers);
    expect([answer.status, (await answer.text()).includes(detail)]).toEqual([status, true]);
    for (const topic of ['otlp_spans', 'otlp_logs']) expect((await recordsOf(log, topic)).length).toBe(0);
  });

  test('that is too large, not a POST, or without a token where one is asked for is refused as everywhere', async () => {
    const small = await start({ settings: { bodyBytesMax: 1000 } });
    expect((await post(`${small.url}${PATH}`, CAPTURE, JSON_TYPE)).status).toBe(413);
    expect((await fetch(`${small.url}${PATH}`)).status).toBe(405);
    const { url, log } = await start({
      tokens: [{ name: 'sdk', sha256: hashToken('key'), tenant: 'acme', vantage: 'agent', grants: ['ingest'] }],
    });
    expect((await post(`${url}${PATH}`, CAPTURE, JSON_TYPE)).status).toBe(401);
    expect((await post(`${url}${PATH}`, CAPTURE, { ...JSON_TYPE, authorization: 'Bearer key' })).status).toBe(200);
    const [record] = await recordsOf(log, 'otlp_spans');
    expect(record?.headers['x-tacho-tenant']).toBe('acme');
  });

  test('may carry an OpenAI key where nobody needs a token, and only there, only at its own path', async () => {
    const key = { ...JSON_TYPE, authorization: 'Bearer sk-of-another-house' };
    const open = await start();
    expect((await post(`${open.url}${PATH}`, CAPTURE, key)).status).toBe(200);
    expect((await post(`${open.url}/v1/traces`, '{}', key)).status).toBe(401);
    const forwarded = { ...key, 'x-forwarded-for': '203.0.113.7' };
    expect((await post(`${open.url}${PATH}`, CAPTURE, forwarded)).status).toBe(401);
    const closed = await start({
      tokens: [{ name: 'sdk', sha256: hashToken('key'), tenant: 'acme', vantage: 'agent', grants: ['read'] }],
    });
    expect((await post(`${closed.url}${PATH}`, CAPTURE, key)).status).toBe(401);
    expect((await post(`${closed.url}${PATH}`, CAPTURE, { ...JSON_TYPE, authorization: 'Bearer key' })).status).toBe(
      403,
    );
  });

  test('is answered 503 with a time to come back while the log takes nothing', async () => {
    const away = () => Promise.reject(new TransportError('LOG_FULL', 'full', { retryable: true }));
    const { url } = await start({ wrap: (log) => ({ ...log, append: away }) });
    const answer = await post(`${url}${PATH}`, CAPTURE, JSON_TYPE);
    expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true]);
  });
});
