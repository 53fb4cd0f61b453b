import type { StoredPrice, StoredUsage } from '../../schemas/stored-usage.ts';
import { decimalText, parseDecimal } from './decimal.ts';
import { type UsageRow, usageOfRow } from './queries/usages.ts';

/** Ways to price the same history: as booked, by today's book at the time of each call, at the prices of this moment. */
export const PRICED_AS = ['recorded', 'effective', 'today'] as const;
export type PricedAs = (typeof PRICED_AS)[number];

/** What a group comes to one way. */
export interface PricedFigures {
  readonly cost_usd: string | null;
  readonly priced_calls: number;
  readonly unpriced_calls: number;
}

/** Prices one usage as of a moment, µs. */
export type PriceUsage = (usage: StoredUsage, tsMicros: number) => StoredPrice;

interface Tally {
  cost: bigint;
  priced: number;
  unpriced: number;
}

/**
 * Sums by group what the rows cost at their own time, or all at `atMicros`. Fees and capacity belong to no call: they stand
 * as they are booked. `keyOf` names a row's group. The sum of equal calls is the cost of one times their number: exact.
 */
export const sumPriced = (
  rows: readonly UsageRow[],
  price: PriceUsage,
  atMicros: number | null,
  keyOf: (row: UsageRow) => string,
): ReadonlyMap<string, PricedFigures> => {
  const tallies = new Map<string, Tally>();
  for (const row of rows) {
    const key = keyOf(row);
    const tally = tallies.get(key) ?? { cost: 0n, priced: 0, unpriced: 0 };
    tallies.set(key, tally);
    const cost = row.u_kind === 'call' ? costOf(row, price, atMicros) : bookedCost(row);
    const calls = Number(row['u_calls']) * row.u_count;
    if (cost === null) tally.unpriced += calls;
    else tally.priced += calls;
    tally.cost += cost ?? 0n;
  }
  return new Map([...tallies].map(([key, tally]) => [key, figuresOf(tally)]));
};

const costOf = (row: UsageRow, price: PriceUsage, atMicros: number | null): bigint | null => {
  const { cost_usd } = price(usageOfRow(row), atMicros ?? row.u_micros ?? 0);
  const one = cost_usd === null ? null : parseDecimal(cost_usd);
  return one === null ? null : one * BigInt(row.u_count);
};

const bookedCost = ({ u_cost }: UsageRow): bigint | null => (u_cost === null ? null : parseDecimal(u_cost));

const figuresOf = ({ cost, priced, unpriced }: Tally): PricedFigures => ({
  cost_usd: priced === 0 && cost === 0n ? null : decimalText(cost),
  priced_calls: priced,
  unpriced_calls: unpriced,
});
