import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { Outcome } from '../../schemas/outcome.ts';
import type { Fold } from '../runtime/stream/fold-task.ts';
import {
  type CallClaims,
  isClaimsKey,
  isClaimsText,
  noClaims,
  parseClaims,
  serialiseClaims,
  stepClaims,
} from './call-claims.ts';
import { keyOfStep } from './findings.ts';
import type { PriceBooks } from './prices/books.ts';
import type { PriceBook } from './prices/price.ts';
import { isReprice, readReprice } from './reprice-command.ts';
import { stepRun } from './run-step.ts';
import { emptyState, type LedgerState, parseState, serialiseState } from './state.ts';

/** What is kept of one key: a run, or the accounts of calls of one beat over all runs. */
export type KeptState =
  | { readonly kind: 'run'; readonly run: LedgerState }
  | { readonly kind: 'claims'; readonly claims: CallClaims };

/** The fold with one price book for ever: for whoever neither loads price files nor replays what others began. */
export const createLedgerFold = (prices: PriceBook): Fold<AgentStep, KeptState> => foldBy(() => prices);

/**
 * The fold of the service. Which book prices a batch is named in its intent (`variant`), so a replay after a crash is priced
 * by the book the batch began with, whatever was loaded since.
 */
export const createLedgerFoldOf = (books: PriceBooks): Fold<AgentStep, KeptState> => ({
  ...foldBy(books.get),
  variant: { current: books.current, ready: books.ready, find: books.find },
});

/**
 * Steps in, signed bookings and the row of the run out. What is emitted is always desired − booked, so bookings appear
 * at once and never wait for a quiet run. `parse` throws InvariantError for text of another version.
 */
const foldBy = (bookOf: (variant: string) => PriceBook): Fold<AgentStep, KeptState> => ({
  service: 'ledger',
  tables: ['ledger_entries', 'span_duplicates', 'runs', 'run_links', 'scores'],
  decode: (record) => decodeInput(record.value),
  keyOf: keyOfStep,
  empty: (key) => (isClaimsKey(key) ? ofClaims(noClaims(key)) : ofRun(emptyState(key))),
  parse: (text) => (isClaimsText(text) ? ofClaims(parseClaims(text)) : ofRun(parseState(text))),
  serialise: (state) => (state.kind === 'run' ? serialiseState(state.run) : serialiseClaims(state.claims)),
  step: (state, steps, context) => {
    if (state.kind === 'run') {
      const { state: run, ...rest } = stepRun(state.run, steps, context, bookOf(context.variant));
      return { state: ofRun(run), ...rest };
    }
    const { state: claims, produce } = stepClaims(state.claims, steps);
    return { state: ofClaims(claims), tables: [], hours: [], produce };
  },
});

/** A command that cannot be read is refused here, where it still is a record with a place. */
const decodeInput = (bytes: Uint8Array): Outcome<AgentStep> => {
  const step = decodeAgentStep(bytes);
  if (step.kind === 'refused' || !isReprice(step.value)) return step;
  const read = readReprice(step.value);
  return read.kind === 'refused' ? read : step;
};

const ofRun = (run: LedgerState): KeptState => ({ kind: 'run', run });
const ofClaims = (claims: CallClaims): KeptState => ({ kind: 'claims', claims });
