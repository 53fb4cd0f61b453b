import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { arrivals, split } from './arrivals-fixture.ts';
import { COST_DECIMALS, parseScaled } from './money.ts';
import { parseState, serialiseState } from './state.ts';
import { netBookings, runBatches, sumsBy } from './step-fixture.ts';

const DIMENSIONS = ['model', 'agent_name', 'session_id', 'outcome', 'service'] as const;

describe('whatever the order, the repetitions and the batches', () => {
  test('the sums of every slice, the bookings in force and the row of the run are the same', () => {
    fc.assert(
      fc.property(arrivals, ({ steps, order, copied, cuts }) => {
        const copies = copied.map((step) => ({ ...step, log_partition: 1, agent_name: 'copied', session_id: null }));
        const plain = runBatches([[...steps, ...copies]]);
        const shuffled = runBatches(split([...copies, ...order], cuts));
        expect(netBookings(shuffled.entries)).toEqual(netBookings(plain.entries));
        expect(sumsBy(shuffled.entries, DIMENSIONS)).toEqual(sumsBy(plain.entries, DIMENSIONS));
        const { version: _v, batch_id: _b, logged_at: _l, ...run } = shuffled.run;
        expect(plain.run).toMatchObject(run);
        expect(shuffled.duplicates).toHaveLength(copies.length);
      }),
      { numRuns: 500 },
    );
  });

  test('entries add up to what the books hold, and every reversal takes back exactly one entry', () => {
    fc.assert(
      fc.property(arrivals, ({ order, cuts }) => {
        const { entries, state } = runBatches(split(order, cuts));
        const byId = new Map(entries.map((entry) => [entry.entry_id, entry]));
        expect(byId.size).toBe(entries.length);
        const held = [...state.books.values()].flatMap(({ booking }) => (booking === null ? [] : [booking]));
        expect(sum(entries)).toEqual(sum(held));
        const reversals = entries.filter((entry) => entry.reverses_entry_id !== null);
        expect(new Set(reversals.map((entry) => entry.reverses_entry_id)).size).toBe(reversals.length);
        for (const reversal of reversals) {
          const origin = byId.get(reversal.reverses_entry_id ?? '');
          expect(origin).toBeDefined();
          if (origin === undefined) continue;
          expect(sum([origin, reversal]).every((figure) => figure === 0n)).toBe(true);
          const dimensions = [...DIMENSIONS, 'ts', 'trace_id', 'labels', 'untold', 'unpriced_reason'] as const;
          for (const dimension of dimensions) expect(reversal[dimension]).toEqual(origin[dimension]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a state reads back from its text, and equal states give equal text', () => {
    fc.assert(
      fc.property(arrivals, ({ order, cuts }) => {
        const { state } = runBatches(split(order, cuts));
        const text = serialiseState(state);
        expect(parseState(text)).toEqual(state);
        expect(serialiseState(parseState(text))).toBe(text);
      }),
      { numRuns: 200 },
    );
  });
});

type Summed = Parameters<typeof sumsBy>[0][number];
const sum = (bookings: readonly Pick<Summed, 'calls' | 'cost_usd' | (typeof TOKEN_COLUMNS)[number]>[]): bigint[] =>
  bookings.reduce<bigint[]>(
    (total, booking) =>
      [
        BigInt(booking.calls),
        parseScaled(booking.cost_usd ?? '0', COST_DECIMALS) ?? 0n,
        ...TOKEN_COLUMNS.map((column) => BigInt(booking[column] ?? 0)),
      ].map((figure, at) => figure + (total[at] ?? 0n)),
    new Array<bigint>(TOKEN_COLUMNS.length + 2).fill(0n),
  );
