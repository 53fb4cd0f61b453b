import { decimalText, parseDecimal } from './decimal.ts';
import type { BudgetPeriodRow } from './queries/budgets.ts';
import { isoOf, parseIso } from './time.ts';

/** What a period ends at if spend goes on as it did on average since the period began. An estimate, and says so. */
export interface BudgetForecast {
  readonly is_estimate: true;
  readonly method: 'linear_burn';
  /** Known spend alone, USD. */
  readonly spent_usd: string;
  /** With every call of unknown cost at its ceiling, USD. Equal when nothing is unknown. */
  readonly counted_usd: string;
  /** When that, with the unknown part at its ceiling, reaches the limit; null: not within the period, or it has. */
  readonly limit_reached_at: string | null;
}

/**
 * Share of a period that must have passed before it is stretched to the whole: before a fiftieth (half an hour of a
 * day, 14 hours of a month) one busy hour would be the forecast.
 */
const ELAPSED_SHARE_MIN = 50;

/**
 * Forecast of a period to its end. null when it cannot be known: the period is over or has barely begun, no call was
 * counted in it, or its row does not hold money and times.
 */
export const budgetForecast = (row: BudgetPeriodRow, nowMs: number): BudgetForecast | null => {
  const [start, end] = [row.period_start, row.period_end].map((text) => parseIso(text));
  const [spent, ceiling, limit] = [row.spent_usd, row.unknown_ceiling_usd, row.limit_usd].map(parseDecimal);
  if (start == null || end == null || spent == null || ceiling == null || limit == null) return null;
  // The row is written when it changes, so what it says is true now, however old it is.
  const elapsed = nowMs - start;
  const length = end - start;
  if (nowMs >= end || row.calls <= 0 || elapsed <= 0 || elapsed * ELAPSED_SHARE_MIN < length) return null;
  const stretched = (value: bigint): bigint => (value * BigInt(length)) / BigInt(elapsed);
  const counted = spent + ceiling;
  const reachesAt = counted > 0n && counted < limit ? start + Number((limit * BigInt(elapsed)) / counted) : null;
  return {
    is_estimate: true,
    method: 'linear_burn',
    spent_usd: decimalText(stretched(spent)),
    counted_usd: decimalText(stretched(counted)),
    limit_reached_at: reachesAt !== null && reachesAt < end ? isoOf(reachesAt) : null,
  };
};

/** A budget with the period that runs and the one before it; null where the alerter has computed none. */
export interface Budget {
  readonly tenant_id: string;
  readonly budget_id: string;
  readonly title: string;
  readonly scope: Readonly<Record<string, string>>;
  readonly period: string;
  readonly timezone: string;
  readonly current: BudgetPeriodRow | null;
  readonly previous: BudgetPeriodRow | null;
}

/** Periods, newest first, gathered by budget. */
export const budgetsOf = (rows: readonly BudgetPeriodRow[], nowMs: number): readonly Budget[] =>
  [...Map.groupBy(rows, (row) => `${row.tenant_id}|${row.budget_id}`).values()].flatMap((periods) => {
    const [newest] = periods;
    if (newest === undefined) return [];
    const current = periods.find((row) => startOf(row) <= nowMs && nowMs < endOf(row)) ?? null;
    const previous = periods.find((row) => row !== current && endOf(row) <= nowMs) ?? null;
    const { tenant_id, budget_id, title, scope, period, timezone } = current ?? newest;
    return [{ tenant_id, budget_id, title, scope, period, timezone, current, previous }];
  });

const startOf = (row: BudgetPeriodRow): number => parseIso(row.period_start) ?? 0;
const endOf = (row: BudgetPeriodRow): number => parseIso(row.period_end) ?? 0;
