import { given, type Query, READ_SETTINGS, type TimeRange, tenantIs, timeWithin, whereOf } from './query.ts';

/** A run with what it spent of a budget in one period. */
export interface BudgetRunRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly service: string;
  readonly agent_name: string | null;
  readonly calls: number;
  readonly unknown_calls: number;
  /** Known spend within the scope, a decimal string; null: of none of its calls. */
  readonly cost_usd: string | null;
  readonly last_ts: string;
}

/** Runs a budget's incident names: whoever wants more asks for the runs of the scope. */
export const BUDGET_RUNS_MAX = 10;

export interface BudgetRunsInput {
  /** Of the caller or of the scope; null: the budget is over all tenants, and the caller may see them. */
  readonly tenant: string | null;
  /** agent, workflow, service: all that are given must match. */
  readonly scope: Readonly<Record<string, string>>;
  readonly range: TimeRange;
}

/** The runs that spent most of a budget in a period, by the time of their calls: the sums the budget itself is made of. */
export const budgetRunsQuery = ({ tenant, scope, range }: BudgetRunsInput): Query => {
  const where = whereOf([
    timeWithin('ts', range),
    tenantIs(tenant),
    given(scope['agent'], 'agent', 'e.agent_name = {agent:String}'),
    given(scope['workflow'], 'workflow', 'e.workflow = {workflow:String}'),
    given(scope['service'], 'service', 'e.service = {service:String}'),
  ]);
  return {
    sql: `SELECT tenant_id, run_id, any(e.service) AS service, any(e.agent_name) AS agent_name,
  sumIf(e.calls, e.entry_kind = 'call') AS calls, sumIf(e.calls, e.cost_usd IS NULL) AS unknown_calls,
  toString(sum(e.cost_usd)) AS cost_usd, max(e.ts) AS last_ts
FROM ledger_entries AS e
${where.sql}
GROUP BY tenant_id, run_id
HAVING sumIf(e.calls, e.entry_kind = 'call') != 0 OR sum(e.cost_usd) != 0
ORDER BY sum(e.cost_usd) DESC NULLS LAST, tenant_id, run_id
LIMIT ${BUDGET_RUNS_MAX}
${READ_SETTINGS}`,
    params: where.params,
  };
};

export interface RunNameRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly name: string;
}

/** What runs are called; a run that no fold has seen is missing. */
export const runNamesQuery = (runIds: readonly string[]): Query => ({
  sql: `SELECT tenant_id, run_id, name\nFROM runs FINAL\nWHERE run_id IN {run_ids:Array(String)}\n${READ_SETTINGS}`,
  params: { run_ids: runIds },
});
