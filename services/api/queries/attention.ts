import { type Condition, type Query, READ_SETTINGS, tenantIs, whereOf } from './query.ts';

/** What wants somebody, in numbers. */
export interface AttentionRow {
  readonly open_incidents: number;
  readonly acknowledged_incidents: number;
  readonly worst_rank: number;
  readonly violations: number;
  readonly unreviewed_violations: number;
  readonly budgets: number;
  readonly tight_budgets: number;
  readonly exceeded_budgets: number;
}

const now = (nowMs: number): Condition => ({
  sql: "period_start <= fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC') AND period_end > fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC')",
  params: { now_ms: nowMs },
});

/**
 * Open incidents, violations of the last 24 hours, and budgets whose spend with its unknown part is over 80 % of the
 * limit: one small read, for every page shows it. Violations are counted by uniqCombined (exact while they are few, within
 * half a per cent in a storm of hundreds of thousands) at a fifth of the time of an exact count.
 */
export const attentionQuery = (input: { readonly tenant: string | null; readonly nowMs: number }): Query => {
  const tenant = tenantIs(input.tenant);
  const incidents = whereOf([tenant, { sql: "state != 'resolved'", params: {} }]);
  const violations = whereOf([
    tenant,
    {
      sql: "ts >= fromUnixTimestamp64Milli({now_ms:Int64} - 86400000, 'UTC') AND ts <= fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC')",
      params: { now_ms: input.nowMs },
    },
  ]);
  const reviews = whereOf([tenant]);
  const budgets = whereOf([tenant, now(input.nowMs)]);
  return {
    sql: `SELECT *
FROM (SELECT countIf(state = 'open') AS open_incidents, countIf(state = 'acknowledged') AS acknowledged_incidents,
    max(if(state = 'open', indexOf(['info', 'low', 'medium', 'high', 'critical'], severity), 0)) AS worst_rank
  FROM incidents FINAL ${incidents.sql}) AS i
CROSS JOIN (SELECT uniqCombined(tenant_id, violation_id) AS violations,
    uniqCombinedIf(tenant_id, violation_id, violation_id NOT IN (SELECT violation_id FROM violation_reviews ${reviews.sql})) AS unreviewed_violations
  FROM policy_violations ${violations.sql}) AS v
CROSS JOIN (SELECT count() AS budgets, countIf(5 * (spent_usd + unknown_ceiling_usd) >= 4 * limit_usd) AS tight_budgets,
    countIf(spent_usd + unknown_ceiling_usd >= limit_usd) AS exceeded_budgets
  FROM budget_status FINAL ${budgets.sql}) AS b
${READ_SETTINGS}`,
    params: { ...violations.params, ...budgets.params, ...incidents.params },
  };
};
