import { type Query, READ_SETTINGS } from './query.ts';

/** Largest text of a run's state that is explained at once: parsing more would hold up every other request. */
export const STATE_BYTES_MAX = 16 * 1024 * 1024;

export interface RunStateRow {
  /** '' when longer than STATE_BYTES_MAX. */
  readonly state: string;
  readonly state_bytes: number;
}

/** What the ledger last knew of a run, as it wrote it; no row: never folded, or beyond the retention of states. */
export const runStateQuery = (input: { readonly tenant: string; readonly runId: string }): Query => ({
  sql: `SELECT if(length(state) > ${STATE_BYTES_MAX}, '', state) AS state, length(state) AS state_bytes
FROM run_state
WHERE service = 'ledger'
  AND run_key = {run_key:String}
ORDER BY logged_at DESC, as_of DESC
LIMIT 1
${READ_SETTINGS}`,
  params: { run_key: `${input.tenant}|${input.runId}` },
});
