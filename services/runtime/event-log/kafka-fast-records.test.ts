import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRecord, type KafkaRecord } from './kafka-fast-records.ts';

// Loaded here first and under its own name: the original, whatever stands in its place later.
const original = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/record/v0') as (
  record: KafkaRecord,
) => { readonly buffer: Buffer };

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const value = fc.oneof(bytes, fc.string(), fc.constant(null));
// A header without a value is one that kafkajs cannot write.
const header = fc.oneof(bytes, fc.string(), fc.array(fc.string(), { maxLength: 3 }));
const records = fc.record(
  {
    offsetDelta: fc.nat(1_000_000),
    timestampDelta: fc.oneof(fc.constant(0), fc.nat(2 ** 31 - 1), fc.integer({ min: 0, max: 2 ** 51 })),
    key: value,
    value,
    headers: fc.dictionary(fc.string(), header, { maxKeys: 4, noNullPrototype: true }),
  },
  { requiredKeys: ['value'] },
);

test('a record has the bytes that kafkajs itself gives it', () => {
  fc.assert(
    fc.property(records, (record) => {
      expect(encodeRecord(record).buffer.toString('hex')).toBe(original(record).buffer.toString('hex'));
    }),
    { numRuns: 1_000 },
  );
});

test('a record larger than any before it, and the small one after it, are whole', () => {
  for (const size of [10, 3_000_000, 10]) {
    const record = { value: Buffer.alloc(size, 7), key: 'k' };
    expect(encodeRecord(record).buffer.equals(original(record).buffer)).toBe(true);
  }
});
