import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import {
  attr,
  badPages,
  hex,
  llmOf,
  post,
  provesAlive,
  requestOf,
  sendSpans,
  spanOf,
  untilPassed,
  XSS,
} from '../support/hostile.ts';
import { span } from '../support/receiver.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, untilReady } from '../support/tacho.ts';

let site: Site;
let up: Tacho;
beforeAll(async () => {
  site = await createSite();
  up = startTacho(site, ['up']);
  await untilReady(site, up);
});
afterAll(async () => {
  up.kill('SIGKILL');
  await up.exited;
  site.remove();
});
afterEach(() => {
  expect(up.child.exitCode, up.output()).toBeNull();
});
/** After whatever was sent, good data is taken through to its row. */
const takesGoodDataAfterwards = () => afterAll(() => provesAlive(site));

const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const rows = <T = Record<string, string>>(tenant: string, columns: string, table = 'spans', rest = '') =>
  sql<T>(site, `SELECT ${columns} FROM ${table} WHERE tenant_id = '${tenant}' ${rest}`);

describe('a request that is no OTLP', () => {
  takesGoodDataAfterwards();
  const whole = encodeTraces([span(0), span(1)]);
  test.each<[string, string | Uint8Array, Record<string, string>, number]>([
    ['truncated protobuf', whole.subarray(0, whole.length - 5), PROTOBUF, 400],
    ['random bytes as protobuf', Uint8Array.from({ length: 300 }, (_, i) => (i * 167 + 255) % 256), PROTOBUF, 400],
    ['random bytes as JSON', Uint8Array.from({ length: 300 }, (_, i) => (i * 167 + 255) % 256), {}, 400],
    ['other JSON', '{"data":[1,2,3]}', {}, 400],
    ['brackets without end', '['.repeat(1_000_000), {}, 400],
    ['a gzip bomb', gzipSync(Buffer.alloc(100_000_000)), { ...PROTOBUF, 'content-encoding': 'gzip' }, 413],
    ['a zstd bomb', zstdCompressSync(Buffer.alloc(100_000_000)), { ...PROTOBUF, 'content-encoding': 'zstd' }, 413],
    ['100 MB', Buffer.alloc(100_000_000), PROTOBUF, 413],
    ['a tenant of two words', requestOf([spanOf()]), { 'x-tacho-tenant': 'a b' }, 400],
    ['a tenant with a bar', requestOf([spanOf()]), { 'x-tacho-tenant': 'a|b' }, 400],
    ['a tenant that is SQL', requestOf([spanOf()]), { 'x-tacho-tenant': "x' OR 1=1 --" }, 400],
    ['a time shift of centuries', requestOf([spanOf()]), { 'x-tacho-time-shift-ms': '9'.repeat(30) }, 400],
  ])('is refused with the reason: %s', async (_, body, headers, status) => {
    const answer = await post(site, body, headers);
    expect(answer.status).toBe(status);
    expect(answer.text.length).toBeGreaterThan(10);
  });
});

describe('good spans beside bad ones', () => {
  takesGoodDataAfterwards();
  test('are stored, and the bad ones are counted in the answer', async () => {
    const good = spanOf({ name: 'good' });
    const bad = [{ name: 'no ids' }, { ...spanOf(), traceId: '0'.repeat(32) }, { ...spanOf(), name: 5 }, null, 'x', []];
    const answer = await sendSpans(site, 'mixed', [...bad, good]);
    expect(JSON.parse(answer.text)).toMatchObject({ partialSuccess: { rejectedSpans: String(bad.length) } });
    expect(await rows('mixed', 'name')).toEqual([{ name: 'good' }]);
  });

  test('stay when one is nested 200,000 deep', async () => {
    const deep = `${'{"arrayValue":{"values":['.repeat(200_000)}{}${']}}'.repeat(200_000)}`;
    const body = requestOf([spanOf({ attributes: ['deep'] }), spanOf({ name: 'good' })]);
    const answer = await post(site, body.replace('"deep"', `{"key":"a","value":${deep}}`), {
      'x-tacho-tenant': 'nested',
    });
    expect(answer.text).toContain('too_deep');
    await untilPassed(site, answer.position);
    expect(await rows('nested', 'name')).toEqual([{ name: 'good' }]);
  });

  test('a span id told twice is stored once, as it first came', async () => {
    const twin = { traceId: hex(32), spanId: hex(16) };
    await sendSpans(site, 'twins', [llmOf({ ...twin, name: 'first' }), llmOf({ ...twin, name: 'second' })]);
    await sendSpans(site, 'twins', [llmOf({ ...twin, name: 'third' })]);
    expect(await rows('twins', 'name')).toEqual([{ name: 'first' }]);
    expect(await rows('twins', 'sum(calls) AS calls', 'ledger_entries')).toEqual([{ calls: '1' }]);
  });
});

describe('odd values are stored, visible, and shown as text', () => {
  takesGoodDataAfterwards();
  test('times of 0, 1970, 2299 and the end of 64 bits, and ends before their start', async () => {
    const traceId = hex(32);
    const times = ['0', '1', '10413792000000000000', '18446744073709551615', '9223372036854775808'];
    await sendSpans(
      site,
      'times',
      times.flatMap((time) => [
        llmOf({ traceId, startTimeUnixNano: time, endTimeUnixNano: time }),
        llmOf({ traceId, startTimeUnixNano: time, endTimeUnixNano: '0' }),
        llmOf({ traceId, endTimeUnixNano: time }),
      ]),
    );
    const columns = `count() AS n, min(toYear(ts)) AS first, max(toYear(ts)) AS last, countIf(has(flags, 'ts_clamped')) AS clamped`;
    expect(await rows('times', columns)).toEqual([{ n: '15', first: 1971, last: 2261, clamped: '10' }]);
    expect(await badPages(site, 'times', traceId)).toEqual([]);
  });

  test('token counts that are none are unknown, not 0 and not the end of the process', async () => {
    const traceId = hex(32);
    const counts: readonly object[] = [
      ...['-5', '9007199254740991', '4503599627370496', '9223372036854775807'].map((intValue) => ({ intValue })),
      ...['NaN', 'Infinity', 1e300, -1e300, 1.5].map((doubleValue) => ({ doubleValue })),
      ...['', 'many', '1e400', '999999999999999'].map((stringValue) => ({ stringValue })),
      ...[{ boolValue: true }, { arrayValue: { values: [{ intValue: '1' }] } }, {}],
    ];
    const keys = ['gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens', 'gen_ai.usage.cost', 'attempt'];
    const spans = counts.map((count) => llmOf({ traceId }, [...keys.map((key) => attr(key, count))]));
    await sendSpans(site, 'counts', [...spans, llmOf({ traceId }, [attr('gen_ai.usage.input_tokens', '12')])]);
    const columns = 'count() AS n, groupUniqArray(reported_input_tokens) AS told, groupUniqArray(attempt) AS attempts';
    expect(await rows('counts', columns)).toEqual([{ n: '17', told: ['12'], attempts: [] }]);
    expect(await rows('counts', 'sum(calls) AS calls', 'ledger_entries')).toEqual([{ calls: '17' }]);
    expect(await badPages(site, 'counts', traceId)).toEqual([]);
  });

  test('markup in every name stays text', async () => {
    const traceId = hex(32);
    const agent = spanOf({
      ...{ traceId, name: XSS, status: { code: 2, message: XSS } },
      attributes: [
        ...['gen_ai.agent.name', 'gen_ai.conversation.id', 'user.id', 'error.type', XSS].map((key) => attr(key, XSS)),
        attr('gen_ai.operation.name', 'invoke_agent'),
      ],
    });
    const message = JSON.stringify([
      {
        role: XSS,
        parts: [
          { type: XSS, content: XSS },
          { type: 'text', content: XSS },
        ],
      },
    ]);
    const call = llmOf({ traceId, parentSpanId: agent.spanId, name: XSS }, [
      ...['gen_ai.request.model', 'gen_ai.response.model', 'gen_ai.tool.name'].map((key) => attr(key, XSS)),
      ...['gen_ai.input.messages', 'gen_ai.output.messages'].map((key) => attr(key, message)),
    ]);
    await sendSpans(site, 'markup', [agent, call]);
    expect(await badPages(site, 'markup', traceId)).toEqual([]);
  });

  test('hostile keys, empty names, NUL, half surrogates, megabytes and 10,000 attributes', async () => {
    const traceId = hex(32);
    const odd = ['__proto__', 'constructor', 'toString', '', '\0', 'k'.repeat(100_000), '\ud800', 'metadata.__proto__'];
    const many = Array.from({ length: 10_000 }, (_, i) => attr(`key.${i}`, 'v'));
    await sendSpans(site, 'keys', [
      llmOf(
        { traceId },
        odd.map((key) => attr(key, key)),
      ),
      ...odd.map((name) =>
        llmOf({ traceId, name }, [attr('gen_ai.agent.name', name), attr('gen_ai.request.model', name)]),
      ),
      spanOf({ traceId, name: 'many', attributes: many }),
      llmOf({ traceId, name: 'n'.repeat(1_000_000) }, [
        attr(
          'gen_ai.input.messages',
          JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'z '.repeat(2_500_000) }] }]),
        ),
        attr('deep', `${'['.repeat(200_000)}${']'.repeat(200_000)}`),
      ]),
    ]);
    expect(await rows('keys', 'count() AS n, max(length(name)) AS longest, max(length(attributes)) AS widest')).toEqual(
      [{ n: '11', longest: '512', widest: '513' }],
    );
    expect(await rows('keys', 'maxIf(length(content), is_cut) AS longest', 'span_content')).toEqual([
      { longest: '1048576' },
    ]);
    expect(await badPages(site, 'keys', traceId)).toEqual([]);
  });

  test('text that is not UTF-8 is kept with the replacement character', async () => {
    const body = Buffer.from(
      encodeTraces([span(7, { name: 'caf\u00e9', attributes: new Map([['k\u00e9', 'v\u00e9']]) })]),
    );
    for (let at = body.indexOf('\u00e9'); at >= 0; at = body.indexOf('\u00e9')) body[at] = 0xff;
    const answer = await post(site, body, { ...PROTOBUF, 'x-tacho-tenant': 'utf8' });
    await untilPassed(site, answer.position);
    expect(await rows('utf8', 'name, attributes')).toEqual([
      { name: 'caf\ufffd\ufffd', attributes: { 'k\ufffd\ufffd': 'v\ufffd\ufffd' } },
    ]);
  });
});

describe('odd shapes are stored whole and shown', () => {
  takesGoodDataAfterwards();
  test('a span that is its own parent, and parents in circles, with and without figures', async () => {
    const traceId = hex(32);
    const [alone, a, b, c, d, e] = [hex(16), hex(16), hex(16), hex(16), hex(16), hex(16)];
    const told = [
      [alone, alone],
      [a, b],
      [b, c],
      [c, a],
    ].map(([spanId, parentSpanId], i) =>
      llmOf({ traceId, spanId, parentSpanId }, [attr('gen_ai.usage.input_tokens', 10 ** i)]),
    );
    const silent = [
      [d, e],
      [e, d],
    ].map(([spanId, parentSpanId]) => llmOf({ traceId: hex(32), spanId, parentSpanId }));
    const silentTrace = silent[0]?.traceId ?? '';
    await sendSpans(site, 'circles', [...told, ...silent.map((span) => ({ ...span, traceId: silentTrace }))]);
    const columns = 'run_id, sum(calls) AS calls, sum(input_tokens) AS input';
    const booked = await rows<{ run_id: string }>('circles', columns, 'ledger_entries', 'GROUP BY run_id');
    expect(new Map(booked.map((row) => [row.run_id, row]))).toEqual(
      new Map([
        [traceId, { run_id: traceId, calls: '4', input: '1111' }],
        [silentTrace, { run_id: silentTrace, calls: '1', input: null }],
      ]),
    );
    expect(await badPages(site, 'circles', traceId)).toEqual([]);
  });

  test('a chain of 3,000 parents, the deepest first', async () => {
    const traceId = hex(32);
    const ids = Array.from({ length: 3_000 }, () => hex(16));
    const chain = ids.map((spanId, i) => spanOf({ traceId, spanId, parentSpanId: ids[i - 1] ?? '' }));
    await sendSpans(site, 'chain', chain.reverse());
    expect(await rows('chain', 'steps', 'runs FINAL')).toEqual([{ steps: '3000' }]);
    expect(await badPages(site, 'chain', traceId)).toEqual([]);
  });

  test('5,000 traces in one request', async () => {
    await sendSpans(
      site,
      'many',
      Array.from({ length: 5_000 }, () => llmOf({}, [attr('gen_ai.usage.input_tokens', 5)])),
    );
    expect(await rows('many', 'count() AS n, uniqExact(run_id) AS runs')).toEqual([{ n: '5000', runs: '5000' }]);
    expect(await rows('many', 'sum(calls) AS calls, count() AS n', 'ledger_entries')).toEqual([
      { calls: '5000', n: '5000' },
    ]);
  });

  test('a run of 20,000 steps', async () => {
    const traceId = hex(32);
    const root = spanOf({ traceId, name: 'agent', attributes: [attr('gen_ai.operation.name', 'invoke_agent')] });
    const children = () => Array.from({ length: 1_000 }, () => llmOf({ traceId, parentSpanId: root.spanId }));
    for (let i = 0; i < 20; i++) await post(site, requestOf(children()), { 'x-tacho-tenant': 'long' });
    await sendSpans(site, 'long', [root]);
    expect(await rows('long', 'sum(calls) AS calls', 'ledger_entries')).toEqual([{ calls: '20000' }]);
    expect(await badPages(site, 'long', traceId)).toEqual([]);
  });
});

describe('afterwards', () => {
  test('the audit is clean and no service is degraded', async () => {
    const audited = await runTacho(site, ['audit']);
    expect(audited.output).toContain('nothing lost, nothing doubled');
    expect(audited.code).toBe(0);
    const health = (await (await fetch(`${site.api}/readyz`)).json()) as object;
    expect(JSON.stringify(health)).not.toContain('degraded');
  });
});
