import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { Outcome } from '../../schemas/outcome.ts';
import type { LogRecord } from '../runtime/ports.ts';
import type { PriceBook } from './prices/price.ts';
import { type StepContext, type StepResult, stepRun } from './run-step.ts';
import { emptyState, type LedgerState, parseState, serialiseState } from './state.ts';

/** The ledger as the stream loop runs it; structurally a `Fold` of runtime/stream. */
export interface LedgerFold {
  readonly service: 'ledger';
  readonly decode: (record: LogRecord) => Outcome<AgentStep>;
  /** `tenant|run_id`. */
  readonly keyOf: (step: AgentStep) => string;
  readonly empty: (key: string) => LedgerState;
  /** Throws InvariantError for text of another version. */
  readonly parse: (text: string) => LedgerState;
  readonly serialise: (state: LedgerState) => string;
  readonly step: (state: LedgerState, steps: readonly AgentStep[], context: StepContext) => StepResult;
}

/** Steps in, signed bookings out: what is emitted is always desired − booked, so nothing waits for a quiet run. */
export const createLedgerFold = (prices: PriceBook): LedgerFold => ({
  service: 'ledger',
  decode: (record) => decodeAgentStep(record.value),
  keyOf: (step) => `${step.tenant_id}|${step.run_id}`,
  empty: emptyState,
  parse: parseState,
  serialise: serialiseState,
  step: (state, steps, context) => stepRun(state, steps, context, prices),
});
