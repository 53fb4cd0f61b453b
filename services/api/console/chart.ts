import { COST_STEPS, type CostRow, type CostStep } from '../queries/costs.ts';
import type { TimeRange } from '../queries/query.ts';
import { coloursOf } from './colour.ts';
import { msOf } from './format.ts';

/** A chart as the script draws it: bucket starts in seconds, one value a bucket and series, in USD. */
export interface SpendChart {
  readonly bucketSeconds: number;
  readonly times: readonly number[];
  readonly series: readonly SpendSeries[];
  /** Calls without a cost, by bucket: what the bars do not show. */
  readonly unknownCalls: readonly number[];
}

export interface SpendSeries {
  readonly name: string;
  /** Number of the colour; null for what is gathered under "other". */
  readonly colour: number | null;
  readonly values: readonly number[];
}

/** More series than this cannot be told apart; the rest is one series "other". */
const SERIES_MAX = 8;
export const NO_MODEL = 'no model told';

/**
 * Spend by bucket and model, dearest first, empty buckets filled. Drawing only: doubles are exact enough for pixels,
 * and every figure in words comes from the store's decimals.
 */
export const spendChart = (rows: readonly CostRow[], range: TimeRange, step: CostStep): SpendChart => {
  const stepMs = COST_STEPS[step].ms ?? COST_STEPS.day.ms;
  const startMs = Math.floor(range.fromMs / stepMs) * stepMs;
  const length = Math.ceil((range.toMs - startMs) / stepMs);
  const times = Array.from({ length }, (_, index) => (startMs + index * stepMs) / 1000);
  const slotOf = (row: CostRow): number => Math.floor((msOf(row.bucket ?? '') - startMs) / stepMs);
  const isInside = (slot: number): boolean => slot >= 0 && slot < length;

  const totals = new Map<string, number>();
  const unknownCalls = times.map(() => 0);
  for (const row of rows) {
    const name = row.model ?? NO_MODEL;
    totals.set(name, (totals.get(name) ?? 0) + Number(row.cost_usd ?? 0));
    const slot = slotOf(row);
    if (isInside(slot)) unknownCalls[slot] = (unknownCalls[slot] ?? 0) + row.calls - row.known_calls;
  }
  const ranked = [...totals].filter(([, total]) => total > 0).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const shown = ranked.slice(0, ranked.length > SERIES_MAX + 1 ? SERIES_MAX : SERIES_MAX + 1).map(([name]) => name);
  const colours = coloursOf(shown);
  const valuesOf = (isIn: (name: string) => boolean): readonly number[] => {
    const values = times.map(() => 0);
    for (const row of rows) {
      const slot = slotOf(row);
      if (isInside(slot) && isIn(row.model ?? NO_MODEL)) values[slot] = (values[slot] ?? 0) + Number(row.cost_usd ?? 0);
    }
    return values;
  };
  const series: SpendSeries[] = shown.map((name) => ({
    name,
    colour: colours.get(name) ?? null,
    values: valuesOf((candidate) => candidate === name),
  }));
  if (ranked.length > shown.length) {
    series.push({ name: 'other', colour: null, values: valuesOf((name) => !shown.includes(name)) });
  }
  return { bucketSeconds: stepMs / 1000, times, series, unknownCalls };
};
