import { given, type Query, READ_SETTINGS, tenantIs, whereOf } from './query.ts';

/** Spend of one budget in one of its periods, as last computed. Money in USD as decimal strings. */
export interface BudgetPeriodRow {
  readonly tenant_id: string;
  readonly budget_id: string;
  readonly title: string;
  readonly scope: Readonly<Record<string, string>>;
  readonly period: string;
  readonly timezone: string;
  readonly period_start: string;
  readonly period_end: string;
  readonly limit_usd: string;
  readonly spent_usd: string;
  readonly unknown_calls: number;
  /** The most that those calls count for; spent_usd + unknown_ceiling_usd is what counts against the limit. */
  readonly unknown_ceiling_usd: string;
  /** What one call of unknown cost counts for. */
  readonly unknown_call_ceiling_usd: string;
  readonly calls: number;
  readonly thresholds: readonly number[];
  readonly reached: readonly number[];
  readonly state: string;
  readonly incident_id: string;
  readonly computed_at: string;
}

/** Budgets one answer carries. */
const BUDGETS_MAX = 500;
/** The current period and the one before; one more, should the clock of the alerter be ahead of ours. */
const PERIODS = 3;

/** The newest periods of every budget, newest first. */
export const budgetsQuery = (input: {
  readonly tenant: string | null;
  readonly budget?: string | undefined;
}): Query => {
  const where = whereOf([tenantIs(input.tenant), given(input.budget, 'budget', 'budget_id = {budget:String}')]);
  return {
    sql: `SELECT tenant_id, budget_id, title, scope, period, timezone, period_start, period_end,
  toString(limit_usd) AS limit_usd, toString(spent_usd) AS spent_usd, unknown_calls,
  toString(unknown_ceiling_usd) AS unknown_ceiling_usd,
  toString(unknown_call_ceiling_usd) AS unknown_call_ceiling_usd, calls, thresholds, reached, state, incident_id, computed_at
FROM budget_status FINAL
${where.sql}
ORDER BY tenant_id, budget_id, period_start DESC
LIMIT ${PERIODS} BY tenant_id, budget_id
LIMIT ${BUDGETS_MAX * PERIODS}
${READ_SETTINGS}`,
    params: where.params,
  };
};
