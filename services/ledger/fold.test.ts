import { describe, expect, test } from 'vitest';
import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { createLedgerFold } from './fold.ts';
import { contextOf, llmOf, TEST_KEY, TEST_PRICES } from './step-fixture.ts';

const fold = createLedgerFold(TEST_PRICES);
const recordOf = (value: Uint8Array) => ({ offset: 0, timestampMs: 0, key: null, value, headers: {} });

describe('the ledger as a fold', () => {
  test('reads what the normalizer writes, and keys it by tenant and run', () => {
    const decoded = fold.decode(recordOf(encodeAgentStep(llmOf('a', 100, 10, { labels: { team: 'x' } }))));
    if (decoded.kind === 'refused') throw new Error(decoded.detail);
    expect(fold.keyOf(decoded.value)).toBe(TEST_KEY);
    const { tables, hours } = fold.step(fold.empty(TEST_KEY), [decoded.value], contextOf(0));
    expect(tables.map(({ table, rows }) => [table, rows.length])).toEqual([
      ['ledger_entries', 1],
      ['span_duplicates', 0],
      ['runs', 1],
      ['run_links', 0],
      ['scores', 0],
    ]);
    expect(tables[0]?.rows[0]).toMatchObject({ cost_usd: '0.000225000000', labels: { team: 'x' } });
    expect(hours).toEqual([1_794_999_600]);
  });

  test('refuses bytes that are no step', () => {
    expect(fold.decode(recordOf(new Uint8Array([0, 0, 0, 0, 9, 1])))).toMatchObject({ kind: 'refused' });
  });

  test('the same batch over the same state gives the same rows and the same text, and leaves the state as it was', () => {
    const before = fold.step(fold.empty(TEST_KEY), [llmOf('a', 100, 10)], contextOf(0)).state;
    const text = fold.serialise(before);
    const steps = [llmOf('b', 200, 20, { parent_span_id: 'a' }), llmOf('a', 100, 10, { log_partition: 3 })];
    const once = fold.step(before, steps, contextOf(1));
    const again = fold.step(fold.parse(text), steps, contextOf(1));
    expect(again.tables).toEqual(once.tables);
    expect(fold.serialise(again.state)).toBe(fold.serialise(once.state));
    expect(fold.serialise(before)).toBe(text);
  });

  test('a new price list alone corrects nothing: repricing is asked for', () => {
    const before = fold.step(fold.empty(TEST_KEY), [llmOf('a', 100, 10)], contextOf(0)).state;
    const other = createLedgerFold({ hash: 'h', find: () => ({ reason: 'no_price' }) });
    const after = other.step(before, [llmOf('b', null, null, { parent_span_id: 'x' })], contextOf(1));
    expect(after.tables[0]?.rows).toMatchObject([{ span_id: 'b', reason: 'booked' }]);
  });

  test('text of another version is a bug, not a fresh start', () => {
    expect(() => fold.parse('{"v":99}')).toThrow(/version 99/);
  });
});
