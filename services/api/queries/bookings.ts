import { TOKEN_COLUMNS } from '../../../schemas/ledger-entry.ts';
import { FIGURES } from './figures.ts';
import { type Query, READ_SETTINGS } from './query.ts';

/** A live booking: what is left of a call's entries after reversals cancelled what they reverse. */
export interface BookingRow {
  readonly call_id: string;
  readonly entry_kind: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly ts: string;
  readonly booked_at: string;
  readonly provider: string | null;
  readonly model: string | null;
  readonly outcome: string;
  readonly calls: number;
  readonly input_tokens: number | null;
  readonly cache_read_tokens: number | null;
  readonly cache_write_tokens: number | null;
  readonly cache_write_1h_tokens: number | null;
  readonly output_tokens: number | null;
  readonly reasoning_tokens: number | null;
  readonly audio_input_tokens: number | null;
  readonly audio_output_tokens: number | null;
  readonly untold: readonly string[];
  readonly cost_usd: string | null;
  readonly reported_cost_usd: string | null;
  readonly price_id: string | null;
  readonly estimated: boolean;
  readonly unpriced_reason: string | null;
  readonly reason: string;
  readonly entry_id: string;
  readonly reverses_entry_id: string | null;
}

/** Most entries of one run that are read; a run of 50,000 steps has fewer calls than this unless it was repriced. */
export const RUN_ENTRIES_MAX = 100_000;

/** Every ledger entry of a run in the order it was booked: the history of every figure. */
export const bookingsQuery = (input: { readonly tenant: string; readonly runId: string }): Query => ({
  sql: `SELECT call_id, entry_kind, trace_id, span_id, ts, booked_at, provider, model, outcome, calls,
  ${TOKEN_COLUMNS.join(', ')},
  untold, toString(cost_usd) AS cost_usd, toString(reported_cost_usd) AS reported_cost_usd, price_id, estimated,
  unpriced_reason, reason, entry_id, reverses_entry_id
FROM ledger_entries
WHERE tenant_id = {tenant:String}
  AND run_id = {run_id:String}
ORDER BY booked_at, call_id, calls, entry_id
LIMIT ${RUN_ENTRIES_MAX}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_id: input.runId },
});

/** Figures of these runs of one tenant, in total. */
export const runTotalsQuery = (input: { readonly tenant: string; readonly runIds: readonly string[] }): Query => ({
  sql: `SELECT
  ${FIGURES}
FROM ledger_entries AS e
WHERE e.tenant_id = {tenant:String}
  AND e.run_id IN {run_ids:Array(String)}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_ids: input.runIds },
});

/**
 * The bookings that stand: entries that reverse nothing and that no other entry reverses. Their sums equal the sums
 * over all entries, for a reversal repeats what it reverses with the sign turned.
 */
export const standing = (entries: readonly BookingRow[]): readonly BookingRow[] => {
  const reversed = new Set(entries.map((entry) => entry.reverses_entry_id));
  return entries.filter((entry) => entry.reverses_entry_id === null && !reversed.has(entry.entry_id));
};
