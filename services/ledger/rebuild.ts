import type { AgentStep } from '../../schemas/agent-step.ts';
import type { LedgerEntry } from '../../schemas/ledger-entry.ts';
import type { OutgoingRecord } from '../runtime/ports.ts';
import { evidenceOf } from './evidence.ts';
import { recordToLedger } from './findings.ts';
import type { PriceBook } from './prices/price.ts';
import { recognisedAnew } from './recognition.ts';
import { stepRun } from './run-step.ts';
import { parseState } from './state.ts';

/** What reading steps of a run anew would do to its books. */
export interface RebuiltRun {
  /** What would be booked. */
  readonly entries: readonly LedgerEntry[];
  /** The steps that are read differently now, for the ledger. */
  readonly records: readonly OutgoingRecord[];
}

/**
 * Compares how steps are read now with what the run's state (text of `run_state`) holds, and books the difference on
 * paper: the same code as the fold's, on the same state. Steps the state does not hold are left: their calls were booked
 * one by one and cannot be told apart. Throws InvariantError for text of another version.
 */
export const rebuildRun = (
  stateText: string,
  steps: readonly AgentStep[],
  atMs: number,
  prices: PriceBook,
): RebuiltRun => {
  const state = parseState(stateText);
  const changed = steps
    .filter((step) => {
      const held = state.steps.get(step.step_id);
      return held !== undefined && JSON.stringify(held.evidence) !== JSON.stringify(evidenceOf(step));
    })
    .map((step) => recognisedAnew(step, atMs));
  if (changed.length === 0) return { entries: [], records: [] };
  const context = { batchId: '', loggedAtMs: atMs, version: 0n };
  const { tables } = stepRun(state, changed, context, prices);
  const rows = tables.find(({ table }) => table === 'ledger_entries')?.rows ?? [];
  return {
    entries: rows as readonly unknown[] as readonly LedgerEntry[],
    records: changed.map(recordToLedger),
  };
};
