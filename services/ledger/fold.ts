import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { Fold } from '../runtime/stream/fold-task.ts';
import type { PriceBook } from './prices/price.ts';
import { stepRun } from './run-step.ts';
import { emptyState, type LedgerState, parseState, serialiseState } from './state.ts';

/**
 * Steps in, signed bookings and the row of the run out. What is emitted is always desired − booked, so bookings appear
 * at once and never wait for a quiet run. `parse` throws InvariantError for text of another version.
 */
export const createLedgerFold = (prices: PriceBook): Fold<AgentStep, LedgerState> => ({
  service: 'ledger',
  tables: ['ledger_entries', 'span_duplicates', 'runs', 'run_links', 'scores'],
  decode: (record) => decodeAgentStep(record.value),
  keyOf: (step) => `${step.tenant_id}|${step.run_id}`,
  empty: emptyState,
  parse: parseState,
  serialise: serialiseState,
  step: (state, steps, context) => stepRun(state, steps, context, prices),
});
