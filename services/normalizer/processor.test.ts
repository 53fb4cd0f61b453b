import { describe, expect, test } from 'vitest';
import {
  attributeList,
  batchOf,
  freshOptions,
  logRequest,
  normalize,
  recordOf,
  rowsOf,
  sourceOf,
  span,
  spanRequest,
  stepsOf,
  textOfOutput,
} from './batch-fixture.ts';
import { normalizeBatch } from './processor.ts';

const LLM = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-5' };
const rowOf = (spans: readonly object[]) => rowsOf(normalize([recordOf(spanRequest(spans))]), 'spans')[0] ?? {};

describe('times', () => {
  test('keeps nanoseconds exactly', () => {
    const row = rowOf([span({}, { startTimeUnixNano: '1795228839342000123', endTimeUnixNano: '1795228839342000999' })]);
    expect(row).toMatchObject({ ts: '2026-11-21 02:40:39.342000123', duration_ns: '876', flags: [] });
  });

  test.each([
    ['before 1971', '1000', '1971-01-01 00:00:00.000000000'],
    ['after 2261', '10400000000000000000', '2261-12-31 23:59:59.999999999'],
  ])('clamps a time %s, says so and keeps what was sent', (_name, nano, ts) => {
    const batch = normalize([recordOf(spanRequest([span({}, { startTimeUnixNano: nano, endTimeUnixNano: nano })]))]);
    const [row = {}] = rowsOf(batch, 'spans');
    expect(row).toMatchObject({ ts, duration_ns: '0', flags: ['ts_clamped'] });
    expect(row['attributes']).toMatchObject({ 'tacho.original_ts_unix_nano': nano });
    expect(stepsOf(batch)).toHaveLength(1);
    expect(Math.max(...batch.output.counts.hours)).toBeLessThan(2 ** 32);
  });

  test('an end before its start is a duration of 0, flagged', () => {
    const row = rowOf([span({}, { startTimeUnixNano: '1795228839342000000', endTimeUnixNano: '1795228839341000000' })]);
    expect(row).toMatchObject({ duration_ns: '0', flags: ['negative_duration'] });
  });

  test('a log record without a time takes the one it was observed at, else the one of the log', () => {
    const batch = normalize(
      [recordOf(logRequest([{ observedTimeUnixNano: '1795228839342000000' }, { body: { stringValue: 'x' } }]))],
      'logs',
    );
    expect(rowsOf(batch, 'spans').map((row) => row['ts'])).toEqual([
      '2026-11-21 02:40:39.342000000',
      '2026-11-21 22:26:40.123000000',
    ]);
  });

  test('the time shift of a demo import moves times and no identity', () => {
    const request = spanRequest([span(LLM)]);
    const plain = rowsOf(normalize([recordOf(request)]), 'spans')[0] ?? {};
    const shifted =
      rowsOf(normalize([recordOf(request, 0, { 'x-tacho-time-shift-ms': '-86400000' })]), 'spans')[0] ?? {};
    expect(plain['ts']).toBe('2026-11-21 02:40:39.342000000');
    expect(shifted).toEqual({ ...plain, ts: '2026-11-20 02:40:39.342000000' });
  });

  test('lists each touched hour once, ascending', () => {
    const at = (nano: string, spanId: string) => span({}, { startTimeUnixNano: nano, endTimeUnixNano: nano, spanId });
    const batch = normalize([
      recordOf(
        spanRequest([
          at('1795232439342000000', '00000000000000a1'),
          at('1795228839342000000', '00000000000000a2'),
          at('1795228839342000001', '00000000000000a3'),
        ]),
      ),
    ]);
    expect(batch.output.counts.hours).toEqual([1795226400, 1795230000]);
  });
});

describe('dead letters', () => {
  test('a record that is no request goes whole, with where it came from', () => {
    const value = new Uint8Array([0x0a, 0xff, 0xff]);
    const batch = normalize([recordOf(value, 7, { 'x-tacho-tenant': 'acme' })]);
    expect(batch.output.deadLetters).toMatchObject([
      {
        topic: 'otlp_spans.dlq',
        value,
        headers: { log_id: 'log-1', topic: 'otlp_spans', partition: '0', offset: '7', reason: 'malformed_protobuf' },
      },
    ]);
    expect(rowsOf(batch, 'dead_letters')).toMatchObject([
      { tenant_id: 'acme', log_offset: 7, log_index: 0, bytes: 3, reason: 'malformed_protobuf' },
    ]);
    expect(rowsOf(batch, 'spans')).toEqual([]);
  });

  test('a bad span beside good ones: the good are stored, the record is kept once', () => {
    const batch = normalize([
      recordOf(
        spanRequest([
          span({}),
          span({}, { traceId: 'xyz' }),
          span({}, { spanId: '' }),
          span({}, { spanId: '00000000000000a1' }),
        ]),
      ),
    ]);
    expect(rowsOf(batch, 'spans').map((row) => row['log_index'])).toEqual([0, 3]);
    expect(rowsOf(batch, 'dead_letters').map((row) => [row['log_index'], row['reason']])).toEqual([
      [1, 'missing_ids'],
      [2, 'missing_ids'],
    ]);
    expect(batch.output.deadLetters).toHaveLength(1);
  });

  test.each([
    ['no bytes', new Uint8Array(), {}, 'empty_record'],
    ['a tenant that could not be a key', spanRequest([span({})]), { 'x-tacho-tenant': 'a|b' }, 'invalid_tenant'],
  ])('refuses %s', (_name, value, headers, reason) => {
    const batch = normalize([recordOf(value, 0, headers)]);
    expect(rowsOf(batch, 'dead_letters')).toMatchObject([{ reason, tenant_id: 'default' }]);
    expect(batch.output.counts.empty).toBe(0);
  });

  test('a request without items is counted as empty', () => {
    const batch = normalize([recordOf(spanRequest([]))]);
    expect(batch.output.counts).toMatchObject({ empty: 1, duplicates: 0 });
    expect(batch.output.deadLetters).toEqual([]);
  });
});

describe('identity', () => {
  test('the same batch gives the same bytes', () => {
    const records = [recordOf(spanRequest([span(LLM), span({ ...LLM, x: 1 }, { spanId: '00000000000000a1' })]))];
    expect(textOfOutput(normalize(records).output)).toBe(textOfOutput(normalize(records).output));
    // A redactor that has seen the texts before changes nothing either.
    const options = freshOptions();
    normalize(records, 'spans', options);
    expect(textOfOutput(normalize(records, 'spans', options).output)).toBe(textOfOutput(normalize(records).output));
  });

  test('a span sent twice in a batch is stored once, content included', () => {
    const request = spanRequest([span({ ...LLM, 'gen_ai.system_instructions': 'Be kind.' })]);
    const batch = normalize([recordOf(request, 0), recordOf(request, 1)]);
    expect(batch.output.counts.duplicates).toBe(1);
    expect(rowsOf(batch, 'spans')).toHaveLength(1);
    expect(rowsOf(batch, 'span_content')).toHaveLength(1);
    expect(batch.output.produce).toHaveLength(1);
  });

  test('the same span of two tenants is two steps', () => {
    const request = spanRequest([span(LLM)]);
    const batch = normalize([
      recordOf(request, 0, { 'x-tacho-tenant': 'a' }),
      recordOf(request, 1, { 'x-tacho-tenant': 'b' }),
    ]);
    expect(rowsOf(batch, 'spans').map((row) => row['tenant_id'])).toEqual(['a', 'b']);
  });

  test('equal log records of one request are all kept; the same request again adds none', () => {
    const request = logRequest([{ body: { stringValue: 'x' } }, { body: { stringValue: 'x' } }]);
    const batch = normalize([recordOf(request, 0), recordOf(request, 1)], 'logs');
    expect(rowsOf(batch, 'spans')).toHaveLength(2);
    expect(batch.output.counts.duplicates).toBe(2);
  });

  test('what is stored before the batch is a duplicate', () => {
    const batch = normalizeBatch(
      batchOf([recordOf(spanRequest([span(LLM)]))]),
      sourceOf('spans'),
      () => true,
      freshOptions(),
    );
    expect(batch.output.counts.duplicates).toBe(1);
    expect(batch.stored).toEqual([]);
    expect(rowsOf(batch, 'spans')).toEqual([]);
  });

  test('steps are keyed by tenant and run; records without a trace run with their conversation', () => {
    const log = (conversation: string) => ({ attributes: attributeList({ 'conversation.id': conversation }) });
    const batch = normalize([recordOf(logRequest([log('a'), log('b'), { ...log('a'), severityNumber: 9 }]))], 'logs');
    const [a, b, again] = rowsOf(batch, 'spans').map((row) => row['run_id']);
    expect(a).toMatch(/^[0-9a-f]{32}$/);
    expect(again).toBe(a);
    expect(b).not.toBe(a);
    expect(batch.output.produce.map((record) => record.key)).toEqual([`default|${a}`, `default|${b}`, `default|${a}`]);
  });
});

describe('settings', () => {
  const request = spanRequest([
    span({ ...LLM, 'gen_ai.system_instructions': 'Card 4111 1111 1111 1111.', 'x.y': 'AKIAIOSFODNN7EXAMPLE' }),
  ]);

  test.each([
    ['full', 'Card [redacted:card_number].'],
    ['hash', ''],
  ] as const)('content: %s', (mode, content) => {
    const batch = normalize([recordOf(request)], 'spans', { ...freshOptions(), mode });
    expect(rowsOf(batch, 'span_content')).toMatchObject([{ content, content_bytes: 28, pii_classes: ['card_number'] }]);
    expect(rowsOf(batch, 'spans')[0]?.['attributes']).toMatchObject({
      'tacho.moved.gen_ai.system_instructions': 'len=25',
      'x.y': '[redacted:aws_key]',
    });
    expect(stepsOf(batch)[0]?.facts).toEqual({ 'pii.input': 'card_number' });
  });

  test('content: off stores none, and long attributes keep nothing inline', () => {
    const long = spanRequest([span({ ...LLM, 'gen_ai.system_instructions': 'Be kind.', 'x.y': 'z'.repeat(9_000) })]);
    const batch = normalize([recordOf(long)], 'spans', { ...freshOptions(), mode: 'off' });
    expect(rowsOf(batch, 'span_content')).toEqual([]);
    expect(rowsOf(batch, 'spans')[0]).toMatchObject({ attributes: { 'x.y': '' } });
  });

  test('the sender is who its source says it is', () => {
    const claims = { 'x-tacho-vantage': 'operator' };
    const vantage = (over: object) =>
      rowsOf(
        normalizeBatch(
          batchOf([recordOf(request, 0, claims)]),
          { ...sourceOf('spans'), ...over },
          () => false,
          freshOptions(),
        ),
        'spans',
      )[0]?.['vantage'];
    expect(vantage({})).toBe('agent');
    expect(vantage({ vantage: 'proxy' })).toBe('proxy');
    expect(vantage({ vantage_from: 'header' })).toBe('operator');
  });
});
