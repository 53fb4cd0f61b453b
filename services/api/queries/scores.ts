import { type Query, READ_SETTINGS } from './query.ts';

/** What an evaluation said of a step. */
export interface ScoreRow {
  readonly score_id: string;
  readonly ts: string;
  readonly run_id: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly step_id: string;
  readonly response_id: string | null;
  readonly name: string;
  readonly value: number | null;
  readonly label: string | null;
  readonly evaluator: string | null;
}

/** Most evaluations of one run that are read. */
export const SCORES_MAX = 1000;

/** Evaluations of a run in order of time. */
export const scoresQuery = (input: { readonly tenant: string; readonly runId: string }): Query => ({
  sql: `SELECT score_id, ts, run_id, trace_id, span_id, step_id, response_id, name, value, label, evaluator
FROM scores FINAL
WHERE tenant_id = {tenant:String}
  AND run_id = {run_id:String}
ORDER BY ts, score_id
LIMIT ${SCORES_MAX}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_id: input.runId },
});
