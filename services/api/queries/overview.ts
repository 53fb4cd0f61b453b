import { FIGURES, type Figures } from './figures.ts';
import { type Query, READ_SETTINGS, type TimeRange, tenantIs, timeWithin, whereOf } from './query.ts';

/** `part` names the grouping: 'total', or the dimension whose value `key` is. */
export type BreakdownRow = Figures & {
  readonly part: 'total' | 'model' | 'agent_name' | 'service';
  readonly key: string | null;
};

/** Rows of each breakdown beyond the dearest of this many are left out: the page is an answer, not a report. */
const BREAKDOWN_ROWS_MAX = 12;

/** Figures in total, by model, by agent and by service, in one pass over the range. */
export const breakdownQuery = (input: { readonly tenant: string | null; readonly range: TimeRange }): Query => {
  const where = whereOf([tenantIs(input.tenant), timeWithin('ts', input.range)]);
  return {
    sql: `SELECT
  multiIf(grouping(e.model) = 0, 'model', grouping(e.agent_name) = 0, 'agent_name', grouping(e.service) = 0, 'service', 'total') AS part,
  multiIf(part = 'model', toString(e.model), part = 'agent_name', toString(e.agent_name), part = 'service', toString(e.service), NULL) AS key,
  ${FIGURES}
FROM ledger_entries AS e
${where.sql}
GROUP BY GROUPING SETS ((), (e.model), (e.agent_name), (e.service))
HAVING calls != 0
ORDER BY part, sum(e.cost_usd) DESC NULLS LAST, calls DESC
LIMIT ${BREAKDOWN_ROWS_MAX} BY part
${READ_SETTINGS}`,
    params: where.params,
  };
};

/** Tenants with anything in the store, for the switch. Runs are few against spans. */
export const tenantsQuery = (): Query => ({
  sql: `SELECT tenant_id, count() AS runs\nFROM runs\nGROUP BY tenant_id\nORDER BY tenant_id\nLIMIT 100\n${READ_SETTINGS}`,
  params: {},
});

export interface AgentRow {
  readonly agent_name: string;
  readonly runs: number;
  readonly failed_runs: number;
  readonly last_active_at: string;
}

/** Agents that took part in runs of the range: how many runs, how many with errors, when last. */
export const agentsQuery = (input: { readonly tenant: string | null; readonly range: TimeRange }): Query => {
  const where = whereOf([
    tenantIs(input.tenant),
    {
      sql: "last_ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND first_ts < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')",
      params: { from_ms: input.range.fromMs, to_ms: input.range.toMs },
    },
  ]);
  return {
    sql: `SELECT agent_name, count() AS runs, countIf(errors > 0) AS failed_runs, max(last_ts) AS last_active_at
FROM (SELECT agents, root_agent, errors, last_ts FROM runs FINAL ${where.sql})
ARRAY JOIN arrayDistinct(arrayConcat(agents, if(ifNull(root_agent, '') = '', [], [assumeNotNull(toString(root_agent))]))) AS agent_name
GROUP BY agent_name
ORDER BY runs DESC, agent_name
LIMIT 500
${READ_SETTINGS}`,
    params: where.params,
  };
};
