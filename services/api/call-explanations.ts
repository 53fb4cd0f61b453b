import type { CallExplanation, RunExplanation } from '../../schemas/call-explanation.ts';
import { InvariantError } from '../runtime/errors.ts';
import type { ApiContext } from './deps.ts';
import { type BookingRow, standing } from './queries/bookings.ts';
import { type RunStateRow, runStateQuery } from './queries/run-state.ts';
import { read, readBookings } from './reads.ts';

/** Why there may be figures without evidence beside them. */
export const EVIDENCE_STATES = [
  'held', // what the ledger knew is stored, and explained
  'expired', // its state is past retention (retention.state_days); bookings stay
  'too_large', // the run is too large to be explained at once
  'other_version', // written by another version of the ledger; the next step of the run writes it anew
] as const;
export type EvidenceState = (typeof EVIDENCE_STATES)[number];

/** One model call: what stands in the books, how it came to that, and why. */
export interface ExplainedCall {
  readonly call_id: string;
  /** What stands; several after a correction by hand, none when it was taken back. */
  readonly bookings: readonly BookingRow[];
  /** Every entry as it was booked, reversals included. */
  readonly entries: readonly BookingRow[];
  /** null: the evidence is not held, or the books and the rules of today disagree. */
  readonly explanation: CallExplanation | null;
}

export interface ExplainedRun {
  readonly evidence: EvidenceState;
  /** In the order of the calls' own time. */
  readonly calls: readonly ExplainedCall[];
  readonly set_aside: RunExplanation['set_aside'];
  readonly summarised_steps: number;
}

/** Every call of a run with its history and its reasons. */
export const readExplainedRun = async (context: ApiContext, tenant: string, runId: string): Promise<ExplainedRun> => {
  const [{ entries }, states] = await Promise.all([
    readBookings(context, tenant, runId),
    read<RunStateRow>(context, runStateQuery({ tenant, runId })),
  ]);
  const { evidence, explanation } = explain(context, states[0]);
  const reasons = new Map(explanation?.calls.map((call) => [call.call_id, call]));
  const calls = [...Map.groupBy(entries, (entry) => entry.call_id)].map(([call_id, history]) => ({
    call_id,
    bookings: standing(history),
    entries: inOrder(history),
    explanation: reasons.get(call_id) ?? null,
  }));
  return {
    evidence,
    calls: calls.sort(byTime),
    set_aside: explanation?.set_aside ?? [],
    summarised_steps: explanation?.summarised_steps ?? 0,
  };
};

/** Each booking before what took it back; within a batch both have one time. */
const inOrder = (history: readonly BookingRow[]): readonly BookingRow[] => {
  const reversals = new Map(history.map((entry) => [entry.reverses_entry_id, entry]));
  const chained = history
    .filter((entry) => entry.reverses_entry_id === null)
    .flatMap((entry) => [entry, reversals.get(entry.entry_id) ?? []].flat());
  const rest = history.filter((entry) => !chained.includes(entry));
  return [...chained, ...rest];
};

const explain = (
  context: ApiContext,
  row: RunStateRow | undefined,
): { readonly evidence: EvidenceState; readonly explanation: RunExplanation | null } => {
  if (row === undefined) return { evidence: 'expired', explanation: null };
  if (row.state === '') return { evidence: 'too_large', explanation: null };
  try {
    return { evidence: 'held', explanation: context.explainRun(row.state) };
  } catch (error) {
    // States of the version before are met during a rolling upgrade; anything else is a bug and says so.
    if (error instanceof InvariantError) return { evidence: 'other_version', explanation: null };
    throw error;
  }
};

const momentOf = (call: ExplainedCall): string => (call.bookings[0] ?? call.entries[0])?.ts ?? '';

const byTime = (a: ExplainedCall, b: ExplainedCall): number => {
  const [left, right] = [`${momentOf(a)}|${a.call_id}`, `${momentOf(b)}|${b.call_id}`];
  return left < right ? -1 : 1;
};
