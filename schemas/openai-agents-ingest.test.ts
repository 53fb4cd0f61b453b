import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeOpenaiAgentsIngest } from './openai-agents-ingest.ts';
import { decodeLogs, decodeTraces } from './otlp/decode.ts';
import { encodeLogs, encodeTraces } from './otlp/encode.ts';

const TRACE = `trace_${'ab'.repeat(16)}`;
const SPAN = {
  object: 'trace.span',
  id: 'span_0123456789abcdef01234567',
  trace_id: TRACE,
  parent_id: null,
  started_at: '2026-11-21T01:46:53.330Z',
  ended_at: '2026-11-21T01:46:54.000001+00:00',
  span_data: { type: 'function', name: 'look_up', input: '{"id":1}', output: 'ok', mcp_data: null },
  error: null,
};

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const decode = (...items: readonly unknown[]) => {
  const request = decodeOpenaiAgentsIngest(bytesOf({ data: items }));
  if (request.kind === 'refused') throw new Error(request.detail);
  return request.value;
};

describe('a span', () => {
  test('keeps the trace id its text holds, its times to the nanosecond, and every member under its own name', () => {
    const [entry] = decode(SPAN).spans;
    expect(entry?.item).toMatchObject({
      traceId: 'ab'.repeat(16),
      parentSpanId: '',
      name: 'look_up',
      startUnixNano: 1_795_225_613_330_000_000n,
      endUnixNano: 1_795_225_614_000_001_000n,
      statusCode: 0,
    });
    expect(entry?.item.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(Object.fromEntries(entry?.item.attributes ?? [])).toEqual({
      'openai_agents.trace_id': TRACE,
      'openai_agents.span_id': SPAN.id,
      'openai_agents.type': 'function',
      'openai_agents.name': 'look_up',
      'openai_agents.input': '{"id":1}',
      'openai_agents.output': 'ok',
    });
  });

  test('is below the span its parent id names, whichever comes first', () => {
    const child = { ...SPAN, id: 'span_child', parent_id: SPAN.id };
    const [below, above] = decode(child, SPAN).spans;
    expect(below?.item.parentSpanId).toBe(above?.item.spanId);
  });

  test('of a trace id an application chose gets one of the right length, the same each time', () => {
    const odd = decode({ ...SPAN, trace_id: 'my run 7' }, { ...SPAN, trace_id: 'my run 7', id: 'b' }).spans;
    expect(new Set(odd.map(({ item }) => item.traceId)).size).toBe(1);
    expect(odd[0]?.item.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  test('that failed says so, with the words of the error', () => {
    const error = { message: 'Error running tool', data: { tool_name: 'x', error: 'boom' } };
    const [entry] = decode({ ...SPAN, error }).spans;
    expect(entry?.item).toMatchObject({ statusCode: 2, statusMessage: 'Error running tool' });
    expect(entry?.item.attributes.get('openai_agents.error')).toBeInstanceOf(Map);
  });

  test('cannot claim ids through its data', () => {
    const [entry] = decode({ ...SPAN, span_data: { type: 'custom', span_id: 'forged', trace_id: 'forged' } }).spans;
    expect(entry?.item.attributes.get('openai_agents.span_id')).toBe(SPAN.id);
    expect(entry?.item.attributes.get('openai_agents.trace_id')).toBe(TRACE);
  });

  test.each(['yesterday', '2026-13-45T99:99:99Z', '2554-07-21T23:34:33.710Z', '1969-01-01T00:00:00Z', 12, null, ''])(
    'with the time %s has none',
    (started_at) => {
      expect(decode({ ...SPAN, started_at }).spans[0]?.item.startUnixNano).toBe(0n);
    },
  );
});

test('a trace, which has no times, is a log record of its trace', () => {
  const { spans, logs } = decode({
    object: 'trace',
    id: TRACE,
    workflow_name: 'support',
    group_id: 's1',
    metadata: { a: 1 },
  });
  expect(spans).toEqual([]);
  expect(logs[0]?.item).toMatchObject({
    eventName: 'openai_agents.trace',
    traceId: 'ab'.repeat(16),
    spanId: '',
    timeUnixNano: 0n,
  });
  expect(logs[0]?.item.attributes.get('openai_agents.workflow_name')).toBe('support');
});

test('a trace is given the time of its first span in the same body, wherever that stands', () => {
  const trace = { object: 'trace', id: TRACE, workflow_name: 'support' };
  const later = { ...SPAN, id: 'later', started_at: '2026-11-21T01:47:00Z' };
  const open = { ...SPAN, id: 'open', started_at: null };
  const other = { ...SPAN, trace_id: 'trace_x', started_at: '2020-01-01T00:00:00Z' };
  expect(decode(open, later, trace, SPAN, other).logs[0]?.item.timeUnixNano).toBe(1_795_225_613_330_000_000n);
});

describe('a bad body', () => {
  test.each([
    ['no JSON', Buffer.from('hello')],
    ['a list', bytesOf([])],
    ['OTLP', bytesOf({ resourceSpans: [] })],
    ['data that is no list', bytesOf({ data: {} })],
  ])('of %s is refused as a whole', (_, bytes) => {
    expect(decodeOpenaiAgentsIngest(bytes)).toMatchObject({ kind: 'refused', reason: 'malformed_json' });
  });

  test('loses only its bad items, each told with its place and why', () => {
    let deep: unknown = 'x';
    for (let level = 0; level < 200; level += 1) deep = { deep };
    const { spans, refusals } = decode(
      7,
      SPAN,
      { object: 'batch' },
      { ...SPAN, id: '' },
      { ...SPAN, span_data: { type: 'custom', data: deep } },
    );
    expect(spans.length).toBe(1);
    expect(refusals.map(({ index, reason }) => [index, reason])).toEqual([
      [0, 'malformed_json'],
      [2, 'malformed_json'],
      [3, 'missing_ids'],
      [4, 'too_deep'],
    ]);
  });
});

test('whatever JSON an item holds, what is made of it is OTLP that reads back the same', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          object: fc.constantFrom('trace', 'trace.span'),
          id: fc.string({ minLength: 1 }),
          trace_id: fc.string({ minLength: 1 }),
          parent_id: fc.option(fc.string()),
          started_at: fc.oneof(
            fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
            fc.string(),
          ),
          span_data: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()),
          error: fc.jsonValue(),
        }),
      ),
      (items) => {
        const { spans, logs, refusals } = decode(...items);
        expect(spans.length + logs.length + refusals.length).toBe(items.length);
        const backSpans = decodeTraces(encodeTraces(spans), 'protobuf');
        const backLogs = decodeLogs(encodeLogs(logs), 'protobuf');
        if (backSpans.kind === 'refused' || backLogs.kind === 'refused') throw new Error('what was made is no OTLP');
        expect([...backSpans.value.refusals, ...backLogs.value.refusals]).toEqual([]);
        expect(backSpans.value.items.map(({ item }) => item.spanId)).toEqual(spans.map(({ item }) => item.spanId));
        expect(backSpans.value.items.map(({ item }) => [...item.attributes.keys()])).toEqual(
          spans.map(({ item }) => [...item.attributes.keys()]),
        );
        expect(backLogs.value.items.length).toBe(logs.length);
      },
    ),
    { numRuns: 200 },
  );
});
