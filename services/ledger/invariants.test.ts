import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LedgerEntry, TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { arrivals, split } from './arrivals-fixture.ts';
import { COST_DECIMALS, parseScaled } from './money.ts';
import { runBatches } from './step-fixture.ts';

/** What must hold of the ledger's entries after every batch, whatever arrives in whatever order and how often. */

const SEED = Number(process.env['SEED'] ?? 20_261_122);
const MONEY = ['cost_usd', 'reported_cost_usd'] as const;
/** Said of the writing of an entry, not of its call. */
const CIRCUMSTANCES: ReadonlySet<string> = new Set([
  ...['entry_id', 'reason', 'reverses_entry_id', 'booked_at', 'batch_id', 'logged_at', 'price_book'],
]);
const FIGURES: ReadonlySet<string> = new Set<string>([...TOKEN_COLUMNS, ...MONEY, 'calls', 'quantities']);

const scaled = (cost: string | null): bigint => parseScaled(cost ?? '0', COST_DECIMALS) ?? 0n;
const sumOf = (entries: readonly LedgerEntry[], column: (typeof TOKEN_COLUMNS)[number] | 'calls'): number =>
  entries.reduce((sum, entry) => sum + (entry[column] ?? 0), 0);

/** What is written of one call after each of the batches that touched it. */
const momentsOf = (entries: readonly LedgerEntry[]): readonly (readonly LedgerEntry[])[] =>
  entries.flatMap(({ batch_id }, at) => (entries[at + 1]?.batch_id === batch_id ? [] : [entries.slice(0, at + 1)]));

const everyCall = (check: (ofOneCall: readonly LedgerEntry[]) => void, numRuns = 300): void =>
  fc.assert(
    fc.property(arrivals, ({ order, copied, cuts }) => {
      const copies = copied.map((step) => ({ ...step, log_partition: 1, agent_name: 'copied', session_id: null }));
      const { entries } = runBatches(split([...order, ...copies], cuts));
      for (const ofOneCall of Map.groupBy(entries, ({ call_id }) => call_id).values()) check(ofOneCall);
    }),
    { seed: SEED, numRuns },
  );

describe(`at every moment (seed ${SEED})`, () => {
  test('a call is counted not at all, or as often as it stands for', () => {
    everyCall((entries) => {
      for (const soFar of momentsOf(entries)) {
        const taken = new Set(soFar.map(({ reverses_entry_id }) => reverses_entry_id));
        const standing = soFar.filter((entry) => entry.reverses_entry_id === null && !taken.has(entry.entry_id));
        expect(standing.length).toBeLessThanOrEqual(1);
        const [booked] = standing;
        expect(sumOf(soFar, 'calls')).toBe(booked?.calls ?? 0);
        if (booked !== undefined) expect(booked.calls).toBeGreaterThanOrEqual(1);
      }
    });
  });

  test('no bucket is below zero, and what was taken back leaves nothing behind', () => {
    everyCall((entries) => {
      for (const soFar of momentsOf(entries)) {
        const sums = sumsOf(soFar);
        expect(sums.filter((sum) => sum < 0n)).toEqual([]);
        if (sumOf(soFar, 'calls') === 0) expect(sums.filter((sum) => sum !== 0n)).toEqual([]);
      }
    });
  });
});

const sumsOf = (entries: readonly LedgerEntry[]): readonly bigint[] => [
  ...TOKEN_COLUMNS.map((column) => BigInt(sumOf(entries, column))),
  ...MONEY.map((money) => entries.reduce((total, entry) => total + scaled(entry[money]), 0n)),
];

test('what takes an entry back repeats every dimension of it, and turns every figure', () => {
  everyCall((entries) => {
    const byId = new Map(entries.map((entry) => [entry.entry_id, entry]));
    for (const reversal of entries) {
      const origin = byId.get(reversal.reverses_entry_id ?? '');
      expect(origin === undefined).toBe(reversal.reverses_entry_id === null);
      if (origin !== undefined) expectTakenBack(origin, reversal);
    }
  });
});

const expectTakenBack = (origin: LedgerEntry, reversal: LedgerEntry): void => {
  expect(origin.reverses_entry_id).toBeNull();
  const dimensions = Object.entries(origin).filter(([name]) => !FIGURES.has(name) && !CIRCUMSTANCES.has(name));
  expect(dimensions.length).toBeGreaterThan(20);
  expect(reversal).toMatchObject(Object.fromEntries(dimensions));
  expect(nullsOf(reversal)).toEqual(nullsOf(origin));
  expect(sumOf([origin, reversal], 'calls')).toBe(0);
  expect(sumsOf([origin, reversal]).filter((sum) => sum !== 0n)).toEqual([]);
  const quantities = Object.entries(origin.quantities).map(([name, count]) => [name, count === 0 ? 0 : -count]);
  expect(reversal.quantities).toEqual(Object.fromEntries(quantities));
};

/** Figures that are unknown. */
const nullsOf = (entry: LedgerEntry): readonly string[] =>
  [...TOKEN_COLUMNS, ...MONEY].filter((column) => entry[column] === null);

test('what nobody told is null in every entry and never 0, and unknown cost says why', () => {
  fc.assert(
    fc.property(arrivals, ({ order, cuts }) => {
      const { entries } = runBatches(split(order, cuts));
      const untold = TOKEN_COLUMNS.filter((column) => order.every(({ call }) => (call?.[column] ?? null) === null));
      // The steps are drawn so that some buckets are told by none of them, ever.
      expect(untold).toContain('cache_write_tokens');
      for (const entry of entries) {
        for (const column of untold) expect(entry[column], column).toBeNull();
        expect(entry.cost_usd === null).toBe(entry.unpriced_reason !== null);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
});
