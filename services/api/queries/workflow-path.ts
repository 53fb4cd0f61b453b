import { PATH_SPANS_MAX, type PathSpanRow } from './critical-path.ts';
import { type Query, READ_SETTINGS, type TimeRange, tenantIs, timeWithin, whereOf } from './query.ts';
import { runWithin } from './runs.ts';

/** Tenants that have runs of a workflow in a range. */
export const workflowTenantsQuery = (input: {
  readonly tenant: string | null;
  readonly workflow: string;
  readonly range: TimeRange;
}): Query => {
  const where = whereOf([
    tenantIs(input.tenant),
    runWithin(input.range),
    { sql: 'workflow = {workflow:String}', params: { workflow: input.workflow } },
  ]);
  return {
    sql: `SELECT tenant_id\nFROM runs FINAL\n${where.sql}\nGROUP BY tenant_id\nORDER BY tenant_id\nLIMIT 10\n${READ_SETTINGS}`,
    params: where.params,
  };
};

/** A span of one of several runs, as their critical paths need it. */
export interface WorkflowSpanRow
  extends Pick<
    PathSpanRow,
    'trace_id' | 'span_id' | 'parent_span_id' | 'start' | 'end' | 'name' | 'step_kind' | 'agent_name' | 'tool_name'
  > {
  readonly run_id: string;
}

/** The spans of some runs that began in a range; one row more than is looked at tells that there are others. */
export const workflowSpansQuery = (input: {
  readonly tenant: string;
  readonly runIds: readonly string[];
  readonly range: TimeRange;
}): Query => {
  const where = whereOf([
    tenantIs(input.tenant),
    timeWithin('ts', input.range),
    {
      sql: "run_id IN {run_ids:Array(String)} AND signal = 'span' AND span_id != ''",
      params: { run_ids: input.runIds },
    },
  ]);
  return {
    sql: `SELECT run_id, trace_id, span_id, parent_span_id,
  toUnixTimestamp64Micro(toDateTime64(ts, 6, 'UTC')) AS start, start + intDiv(duration_ns, 1000) AS end,
  name, step_kind, agent_name, tool_name
FROM spans
${where.sql}
ORDER BY run_id, start, span_id
LIMIT ${PATH_SPANS_MAX + 1}
${READ_SETTINGS}`,
    params: where.params,
  };
};

/** What is booked for a span; '' for what no span tells. */
export interface SpanCostRow {
  readonly run_id: string;
  readonly trace_id: string;
  readonly span_id: string;
  /** Decimal text; null: nothing priced was booked. */
  readonly cost_usd: string | null;
  /** Calls whose cost is not known, whatever the reason. */
  readonly calls_without_cost: number;
}

/** What is booked for the spans of some runs, reversals counted. */
export const spanCostsQuery = (input: { readonly tenant: string; readonly runIds: readonly string[] }): Query => ({
  sql: `SELECT run_id, trace_id, span_id,
  toString(if(sumIf(e.calls, e.cost_usd IS NOT NULL) = 0 AND ifNull(sum(e.cost_usd), 0) = 0, NULL, sum(e.cost_usd))) AS cost_usd,
  sumIf(e.calls, e.cost_usd IS NULL) AS calls_without_cost
FROM ledger_entries AS e
WHERE tenant_id = {tenant:String} AND run_id IN {run_ids:Array(String)}
GROUP BY run_id, trace_id, span_id
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_ids: input.runIds },
});
