import fc from 'fast-check';
import { AttributeList } from '../../schemas/otlp/attribute-list.ts';
import type { AnyMap, AnyValue, OtlpItem, OtlpLogRecord, OtlpSpan } from '../../schemas/otlp/types.ts';

/** Text that UTF-8 can carry (no lone surrogates). */
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const hex = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((id) => Buffer.from(id).toString('hex'))
    .filter((id) => /[1-9a-f]/.test(id));
const nanos = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bigInteger = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  .map((n): AnyValue => (n > BigInt(Number.MAX_SAFE_INTEGER) || n < -BigInt(Number.MAX_SAFE_INTEGER) ? n : Number(n)));

const { value } = fc.letrec<{ value: AnyValue; map: AnyMap }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.boolean(),
    fc.double(),
    fc.maxSafeInteger(),
    bigInteger,
    fc.uint8Array({ maxLength: 20 }),
    fc.constant(undefined),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('map'),
  ),
  map: fc.array(fc.tuple(text, tie('value')), { maxLength: 4 }).map((entries) => new Map(entries)),
}));
const attributes = fc.array(fc.tuple(text, value), { maxLength: 8 }).map((entries): AnyMap => new Map(entries));

const around = {
  resource: fc.record({ attributes }),
  scope: fc.record({ name: text, version: text, attributes }),
};

const span: fc.Arbitrary<OtlpSpan> = fc.record({
  traceId: hex(16),
  spanId: hex(8),
  parentSpanId: fc.oneof(hex(8), fc.constant('')),
  name: text,
  kind: fc.integer(),
  startUnixNano: nanos,
  endUnixNano: nanos,
  attributes,
  events: fc.array(fc.record({ timeUnixNano: nanos, name: text, attributes }), { maxLength: 3 }),
  links: fc.array(fc.record({ traceId: hex(16), spanId: hex(8), attributes }), { maxLength: 3 }),
  statusCode: fc.integer({ min: 0, max: 2 }),
  statusMessage: text,
});

const log: fc.Arbitrary<OtlpLogRecord> = fc.record({
  timeUnixNano: nanos,
  observedUnixNano: nanos,
  severityNumber: fc.nat(24),
  severityText: text,
  eventName: text,
  body: value,
  attributes,
  traceId: fc.oneof(hex(16), fc.constant('')),
  spanId: fc.oneof(hex(8), fc.constant('')),
  contentHash: fc.constant(''),
});

const requestOf = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<readonly OtlpItem<T>[]> =>
  fc
    .array(fc.record({ ...around, item }), { maxLength: 6 })
    .map((items) => items.map((entry, index) => ({ index, ...entry })));

/** Whole requests, for property tests. */
export const arbitraryTraces = requestOf(span);
export const arbitraryLogs = requestOf(log);

/** Whatever was decoded, with plain Maps where attribute lists stand: to be compared with what was written. */
export const withMaps = (value: unknown): unknown => {
  if (value instanceof AttributeList) return new Map(value);
  if (Array.isArray(value)) return value.map(withMaps);
  const isPlain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isPlain ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withMaps(inner)])) : value;
};
