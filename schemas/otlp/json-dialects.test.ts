import { describe, expect, test } from 'vitest';
import { decodeLogs, decodeTraces } from './decode.ts';
import { quoteBigIntegers } from './json-text.ts';

const IDS = { traceId: 'a1'.repeat(16), spanId: 'b2'.repeat(8) };
const bytesOf = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const request = (span: object) => ({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...IDS, ...span }] }] }] });
const decodeSpan = (span: object) => {
  const outcome = decodeTraces(bytesOf(request(span)));
  if (outcome.kind === 'refused') throw new Error(outcome.detail);
  return outcome.value;
};
const spanOf = (span: object) => decodeSpan(span).items[0]?.item;
const valueOfAttribute = (value: unknown) => spanOf({ attributes: [{ key: 'k', value }] })?.attributes.get('k');

describe('OTLP/JSON as its emitters write it', () => {
  test.each<[string, unknown, unknown]>([
    ['an integer as text', { intValue: '2101' }, 2101],
    ['an integer as a number', { intValue: 2101 }, 2101],
    ['zero', { intValue: 0 }, 0],
    ['the largest integer', { intValue: '9223372036854775807' }, 9223372036854775807n],
    ['the smallest integer', { intValue: '-9223372036854775808' }, -9223372036854775808n],
    ['an empty text', { stringValue: '' }, ''],
    ['false', { boolValue: false }, false],
    ['not a number', { doubleValue: 'NaN' }, Number.NaN],
    ['infinity', { doubleValue: '-Infinity' }, Number.NEGATIVE_INFINITY],
    ['a double as text', { doubleValue: '0.25' }, 0.25],
    ['a double that is whole', { doubleValue: 2 }, 2],
    ['bytes', { bytesValue: '/+8=' }, Uint8Array.of(0xff, 0xef)],
    ['an empty array', { arrayValue: {} }, []],
    ['an array', { arrayValue: { values: [{ intValue: 1 }, {}, { stringValue: 'x' }] } }, [1, undefined, 'x']],
    ['a map', { kvlistValue: { values: [{ key: 'a', value: { boolValue: true } }] } }, new Map([['a', true]])],
    ['snake case', { kvlist_value: { values: [{ key: 'a', value: { int_value: '7' } }] } }, new Map([['a', 7]])],
    ['no value', {}, undefined],
    ['null for a value', null, undefined],
    ['null beside a value', { stringValue: null, intValue: 3 }, 3],
    ['half of a surrogate pair', { stringValue: 'a\ud800b' }, 'a\ufffdb'],
  ])('%s', (_, value, expected) => {
    expect(valueOfAttribute(value)).toEqual(expected);
  });

  test('times and integers beyond 2^53 are exact, as text and as bare numbers', () => {
    const text = JSON.stringify(
      request({ startTimeUnixNano: '@', attributes: [{ key: 'k', value: { intValue: '#' } }] }),
    )
      .replace('"@"', '1795225600123456789')
      .replace('"#"', '-1234567890123456789');
    const outcome = decodeTraces(bytesOf(text));
    const span = outcome.kind === 'ok' ? outcome.value.items[0]?.item : undefined;
    expect(span?.startUnixNano).toBe(1795225600123456789n);
    expect(span?.attributes.get('k')).toBe(-1234567890123456789n);
    expect(spanOf({ startTimeUnixNano: '1795225600123456789' })?.startUnixNano).toBe(1795225600123456789n);
  });

  test('digits inside of strings stay as they are', () => {
    const text = String.raw`{"a":"x\":1234567890123456789,\\","b":1234567890123456789,"c":[-1234567890123456789,1.5e300]}`;
    expect(quoteBigIntegers(text)).toBe(
      String.raw`{"a":"x\":1234567890123456789,\\","b":"1234567890123456789","c":["-1234567890123456789",1.5e300]}`,
    );
  });

  test('enums by number and by name; ids in either case; names in snake case', () => {
    expect(spanOf({ kind: 'SPAN_KIND_CLIENT', status: { code: 'STATUS_CODE_ERROR', message: 'm' } })).toMatchObject({
      kind: 3,
      statusCode: 2,
      statusMessage: 'm',
    });
    expect(spanOf({ kind: 3, traceId: 'AB'.repeat(16), parentSpanId: '0'.repeat(16) })).toMatchObject({
      kind: 3,
      traceId: 'ab'.repeat(16),
      parentSpanId: '',
    });
    const snake = {
      resource_spans: [
        { scope_spans: [{ spans: [{ trace_id: IDS.traceId, span_id: IDS.spanId, end_time_unix_nano: '5' }] }] },
      ],
    };
    const outcome = decodeTraces(bytesOf(snake));
    expect(outcome.kind === 'ok' && outcome.value.items[0]?.item.endUnixNano).toBe(5n);
  });

  test('unknown fields, nulls, empty lists, pretty printing and a byte order mark change nothing', () => {
    const plain = decodeTraces(bytesOf(request({ name: 'n' })));
    const decorated = request({ name: 'n', links: [], events: null, attributes: null, entityRefs: [{}], x: { y: [] } });
    expect(decodeTraces(bytesOf(`\ufeff \n${JSON.stringify(decorated, null, 2)}\n`))).toEqual(plain);
  });

  test.each<[string, object, string]>([
    ['base64 for an id', { traceId: Buffer.alloc(16, 1).toString('base64') }, 'missing_ids'],
    ['a zero span id', { spanId: '0'.repeat(16) }, 'missing_ids'],
    ['a number for a name', { name: 5 }, 'malformed_json'],
    ['an object for attributes', { attributes: { a: 1 } }, 'malformed_json'],
    [
      'an integer beyond 64 bits',
      { attributes: [{ key: 'k', value: { intValue: '9223372036854775808' } }] },
      'malformed_json',
    ],
    ['half an integer', { attributes: [{ key: 'k', value: { intValue: 1.5 } }] }, 'malformed_json'],
    ['a made-up kind', { kind: 'SPAN_KIND_PARTY' }, 'malformed_json'],
  ])('%s is refused, for that span alone', (_, span, reason) => {
    expect(decodeSpan(span)).toMatchObject({ items: [], refusals: [{ index: 0, reason }] });
  });

  test('a null byte for an attribute key that objects have by nature is just a key', () => {
    const span = spanOf({ attributes: [{ key: '__proto__', value: { stringValue: 'x' } }, { key: 'constructor' }] });
    expect([...(span?.attributes ?? [])]).toEqual([
      ['__proto__', 'x'],
      ['constructor', undefined],
    ]);
  });
});

describe('the content hash of a log record', () => {
  const hashOf = (record: object): string => {
    const outcome = decodeLogs(bytesOf({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] }));
    return outcome.kind === 'ok' ? (outcome.value.items[0]?.item.contentHash ?? '') : '';
  };
  const a = { key: 'a', value: { intValue: 1 } };
  const b = { key: 'b', value: { stringValue: '1' } };

  test('does not depend on the order of attributes or on how a number was written', () => {
    expect(hashOf({ attributes: [a, b] })).toMatch(/^[0-9a-f]{32}$/);
    expect(hashOf({ attributes: [b, { key: 'a', value: { intValue: '1' } }] })).toBe(hashOf({ attributes: [a, b] }));
  });

  test('differs for every part of the record', () => {
    const records = [
      {},
      { timeUnixNano: '1' },
      { observedTimeUnixNano: '1' },
      { severityNumber: 1 },
      { severityText: '1' },
      { eventName: '1' },
      { body: { stringValue: '1' } },
      { body: { intValue: '1' } },
      { body: { stringValue: '' } },
      { body: { arrayValue: {} } },
      { body: { kvlistValue: {} } },
      { body: { bytesValue: '' } },
      { body: { boolValue: true } },
      { attributes: [a] },
      { attributes: [b] },
      { traceId: IDS.traceId },
      { traceId: IDS.traceId, spanId: IDS.spanId },
    ];
    expect(new Set(records.map(hashOf)).size).toBe(records.length);
  });
});
