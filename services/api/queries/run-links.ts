import { type Query, READ_SETTINGS, tenantIs, whereOf } from './query.ts';
import { RUN_COLUMNS } from './runs.ts';

/** One step of `run_id` said that it belongs with `root_run_id`, which may be a run nobody has stored. */
export interface RunLinkRow {
  readonly run_id: string;
  readonly root_run_id: string;
  readonly reason: string;
  readonly session_id: string | null;
}

/** Links of these runs, from either side, in a stable order. */
export const runLinksQuery = (input: {
  readonly tenant: string;
  readonly runIds: readonly string[];
  readonly limit: number;
}): Query => ({
  sql: `SELECT run_id, root_run_id, reason, session_id
FROM run_links FINAL
WHERE tenant_id = {tenant:String}
  AND (run_id IN {run_ids:Array(String)} OR root_run_id IN {run_ids:Array(String)})
ORDER BY run_id, root_run_id, reason
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_ids: input.runIds, limit: input.limit },
});

/** Those of these runs that are stored, oldest first. */
export const runsOfIdsQuery = (input: { readonly tenant: string; readonly runIds: readonly string[] }): Query => ({
  sql: `SELECT ${RUN_COLUMNS}
FROM runs FINAL
WHERE tenant_id = {tenant:String}
  AND run_id IN {run_ids:Array(String)}
ORDER BY first_ts, run_id
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_ids: input.runIds },
});

/** Most runs of one conversation that are read. */
export const SESSION_RUNS_MAX = 1000;

/**
 * The runs of a session, oldest first: those it is the first session of, and those only a part of which says that it
 * belongs to it (a sub-agent's conversation, a step of another service).
 */
export const sessionRunsQuery = (input: { readonly tenant: string | null; readonly sessionId: string }): Query => {
  const where = whereOf([
    {
      sql: `(session_id = {session_id:String}
    OR (tenant_id, run_id) IN (SELECT tenant_id, run_id FROM run_links WHERE session_id = {session_id:String}))`,
      params: { session_id: input.sessionId },
    },
    tenantIs(input.tenant),
  ]);
  return {
    sql: `SELECT ${RUN_COLUMNS}\nFROM runs FINAL\n${where.sql}\nORDER BY first_ts, run_id\nLIMIT ${SESSION_RUNS_MAX}\n${READ_SETTINGS}`,
    params: where.params,
  };
};
