import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Column, encodeBlock } from '../../services/runtime/native/block.ts';
import { parseColumnType } from '../../services/runtime/native/column-type.ts';
import { UnfitValueError } from '../../services/runtime/native/unfit-value.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
});
afterAll(() => engine.close());

const columnsOf = (types: Readonly<Record<string, string>>): readonly Column[] =>
  Object.entries(types).map(([name, typeText]) => {
    const type = parseColumnType(typeText);
    if (type === null) throw new Error(typeText);
    return { name, typeText, type };
  });

const send = async (sql: string, body?: Uint8Array): Promise<string> => {
  const response = await fetch(`${engine.url}/?query=${encodeURIComponent(sql)}`, {
    method: 'POST',
    headers: { 'x-clickhouse-user': engine.user, 'x-clickhouse-key': engine.password },
    ...(body === undefined ? {} : { body: new Uint8Array(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
};

/** What the engine makes of the same rows, written in its own JSON form and in ours. */
const readBack = async (
  types: Readonly<Record<string, string>>,
  rows: readonly Readonly<Record<string, unknown>>[],
) => {
  const columns = Object.entries(types).map(([name, type]) => `${name} ${type}`);
  const answers: string[] = [];
  for (const format of ['JSONEachRow', 'Native']) {
    await send('DROP TABLE IF EXISTS native_test');
    await send(`CREATE TABLE native_test (${columns.join(', ')}, nr UInt32) ENGINE = Memory`);
    const numbered = rows.map((row, nr) => ({ ...row, nr }));
    const body =
      format === 'Native'
        ? encodeBlock(columnsOf({ ...types, nr: 'UInt32' }), numbered)
        : Buffer.from(numbered.map((row) => JSON.stringify(row)).join('\n'));
    await send(`INSERT INTO native_test SETTINGS input_format_json_read_bools_as_numbers = 1 FORMAT ${format}`, body);
    answers.push(await send('SELECT * FROM native_test ORDER BY nr FORMAT JSONCompactEachRow'));
  }
  return answers;
};

const text = fc.string({ unit: 'binary', maxLength: 60 }).map((one) => one.toWellFormed());
const word = fc.constantFrom('', 'a', 'llm', 'Zürich', '🦀', 'x'.repeat(300));
const orNull = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: null });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const time = fc
  .date({ min: new Date('1900-01-02'), max: new Date('2261-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 23).replace('T', ' '));
const late = fc
  .date({ min: new Date('1971-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 19).replace('T', ' '));
const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), fc.integer({ min: 0, max: 999_999_999_999 }))
  .map(([whole, part]) => `${whole}.${String(part).padStart(12, '0')}`);
const share = fc
  .tuple(fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n }), fc.bigInt({ min: 0n, max: 10n ** 18n - 1n }))
  .map(([whole, part]) => `${whole}.${String(part).padStart(18, '0')}`);

/** Every type of our tables, with values at its edges. */
const TYPES: Readonly<Record<string, readonly [string, fc.Arbitrary<unknown>]>> = {
  text: ['String', text],
  maybe_text: ['Nullable(String)', orNull(text)],
  low: ['LowCardinality(String)', word],
  maybe_low: ['LowCardinality(Nullable(String))', orNull(word)],
  i8: ['Int8', fc.integer({ min: -128, max: 127 })],
  u16: ['UInt16', fc.integer({ min: 0, max: 65_535 })],
  u32: ['UInt32', fc.integer({ min: 0, max: 4_294_967_295 })],
  maybe_u32: ['Nullable(UInt32)', orNull(fc.integer({ min: 0, max: 4_294_967_295 }))],
  u64: ['UInt64', fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)],
  i64: ['Int64', fc.oneof(int64, fc.maxSafeInteger())],
  maybe_i64: ['Nullable(Int64)', orNull(int64)],
  maybe_u64: ['Nullable(UInt64)', orNull(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String))],
  f64: ['Float64', fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => (Object.is(one, -0) ? 0 : one))],
  maybe_f64: ['Nullable(Float64)', orNull(fc.integer())],
  is: ['Bool', fc.boolean()],
  seconds: ["DateTime('UTC')", late],
  millis: ["DateTime64(3, 'UTC')", time],
  maybe_millis: ["Nullable(DateTime64(3, 'UTC'))", orNull(time)],
  micros: ["DateTime64(6, 'UTC')", fc.tuple(time, fc.nat(999)).map(([a, b]) => a + String(b).padStart(3, '0'))],
  maybe_micros: ["Nullable(DateTime64(6, 'UTC'))", orNull(time)],
  nanos: ["DateTime64(9, 'UTC')", time],
  money: ['Decimal(38, 12)', decimal],
  maybe_money: ['Nullable(Decimal(38, 12))', orNull(decimal)],
  maybe_share: ['Nullable(Decimal(38, 18))', orNull(share)],
  rates: ['Map(LowCardinality(String), Decimal(38, 18))', fc.dictionary(word, share, { maxKeys: 4 })],
  list: ['Array(String)', fc.array(text, { maxLength: 4 })],
  words: ['Array(LowCardinality(String))', fc.array(word, { maxLength: 4 })],
  hours: ["Array(DateTime('UTC'))", fc.array(late, { maxLength: 3 })],
  floats: ['Array(Float64)', fc.array(fc.integer(), { maxLength: 3 })],
  links: ['Array(Tuple(trace_id String, span_id String))', fc.array(fc.record({ trace_id: text, span_id: word }))],
  labels: ['Map(LowCardinality(String), String)', fc.dictionary(word, text, { maxKeys: 5 })],
  counts: ['Map(LowCardinality(String), UInt64)', fc.dictionary(word, fc.nat(), { maxKeys: 5 })],
  weights: ['Map(LowCardinality(String), Float64)', fc.dictionary(word, fc.integer(), { maxKeys: 5 })],
  files: ['Map(String, String)', fc.dictionary(word, text, { maxKeys: 3 })],
};
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

describe('a block in Native', () => {
  test(`is read as the engine reads the same rows in JSON, for every type of our tables (seed ${SEED})`, async () => {
    const types = Object.fromEntries(Object.entries(TYPES).map(([name, [type]]) => [name, type]));
    const row = fc.record(Object.fromEntries(Object.entries(TYPES).map(([name, [, some]]) => [name, some])));
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), async (rows) => {
        const [json, native] = await readBack(types, rows);
        expect(native).toBe(json);
      }),
      { numRuns: 40, seed: SEED },
    );
  });

  test.each([200, 256, 257, 70_000])('holds a dictionary of %i words', async (count) => {
    const types = { low: 'LowCardinality(String)', maybe: 'LowCardinality(Nullable(String))' };
    const rows = Array.from({ length: count + 3 }, (_, n) => ({
      low: `w${n % count}`,
      maybe: n % 3 === 0 ? null : `m${n % (count - 1)}`,
    }));
    const [json, native] = await readBack(types, rows);
    expect(native).toBe(json);
  });

  test('covers every column of every table that rows are written to', async () => {
    // Roll-ups and views are made inside the engine, from what stands there.
    const columns = await engine.adminStore.query<{ type: string }>(
      `SELECT DISTINCT type FROM system.columns WHERE database = 'tacho' AND table NOT LIKE 'rollup%' AND table IN (
         SELECT name FROM system.tables WHERE database = 'tacho' AND engine LIKE '%MergeTree')`,
    );
    expect(columns.filter(({ type }) => parseColumnType(type) === null)).toEqual([]);
    expect(
      columns.map(({ type }) => type).filter((type) => !Object.values(TYPES).some(([one]) => one === type)),
    ).toEqual([]);
  });
});

describe('a value that does not fit', () => {
  test.each<[string, unknown]>([
    ['String', null],
    ['String', undefined],
    ['String', { a: 1 }],
    ['LowCardinality(String)', null],
    ['Int8', 128],
    ['UInt16', -1],
    ['UInt32', 4_294_967_296],
    ['UInt64', '-1'],
    ['UInt64', '18446744073709551616'],
    ['Int64', 2 ** 53],
    ['Int64', '12.5'],
    ['Int64', ''],
    ['Float64', Number.NaN],
    ['Float64', '1'],
    ['Bool', 'true'],
    ["DateTime64(3, 'UTC')", '2026-02-30 00:00:00'],
    ["DateTime64(3, 'UTC')", '2026-02-03 24:00:00'],
    ["DateTime64(3, 'UTC')", 'yesterday'],
    ["DateTime('UTC')", '1969-12-31 23:59:59'],
    ['Decimal(38, 12)', '0.0000000000001'],
    ['Decimal(38, 12)', '1e5'],
    ['Decimal(38, 12)', '100000000000000000000000000'],
    ['Decimal(38, 12)', 0.1],
    ['Array(String)', 'a'],
    ['Map(LowCardinality(String), String)', { a: null }],
  ])('%s refuses %j, by the name of the column', (type, value) => {
    const block = () => encodeBlock(columnsOf({ fine: 'String', broken: type }), [{ fine: '', broken: value }]);
    expect(block).toThrow(UnfitValueError);
    expect(block).toThrow('column broken: ');
  });
});
