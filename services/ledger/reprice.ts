import type { CallBooking } from '../../schemas/ledger-entry.ts';
import type { OutgoingRecord } from '../runtime/ports.ts';
import { bookingOf } from './call-booking.ts';
import { desiredCalls } from './desired.ts';
import { recordToLedger, withWitnessedCalls } from './findings.ts';
import type { PriceBook } from './prices/price.ts';
import { keptPrice, type Priced } from './prices/price-call.ts';
import { type CallRepricing, REPRICED_CALLS_MAX, repriceStep } from './reprice-command.ts';
import { buildRunGraph } from './run-graph.ts';
import { runWideOf } from './run-wide.ts';
import { parseState, splitKey } from './state.ts';

/** A call whose price would be another one. */
export interface RepricedCall {
  readonly booking: CallBooking;
  readonly wanted: CallRepricing;
}

/** What pricing the calls of one run anew would change. */
export interface RepricedRun {
  readonly tenantId: string;
  readonly runId: string;
  /** Calls that were looked at. */
  readonly looked: number;
  readonly changed: readonly RepricedCall[];
}

/**
 * Compares what stands in a run's books (text of `run_state`) with what the book says, for the calls that are `isMeant`: the
 * same code as the fold's, on the same state. Calls of a run beyond what its state holds are not seen: their bookings stand.
 * Throws InvariantError for text of another version.
 */
export const repriceRun = (
  stateText: string,
  prices: PriceBook,
  isMeant: (booking: CallBooking) => boolean,
): RepricedRun => {
  const state = parseState(stateText);
  const [tenantId, runId] = splitKey(state.key);
  const standing = [...state.books.values()].filter(({ booking }) => booking !== null && isMeant(booking));
  if (standing.length === 0) return { tenantId, runId, looked: 0, changed: [] };
  const evidence = [...state.steps.values()].map((held) => held.evidence);
  const graph = buildRunGraph(withWitnessedCalls(evidence, state.findings));
  const run = { tenantId, runId, graph, wide: runWideOf(graph.steps) };
  const { here } = desiredCalls(graph, tenantId, runId, state.findings);
  const calls = new Map(here.map((call) => [call.call_id, call]));
  const changed = standing.flatMap(({ booking, pricing_key: seen_key }): readonly RepricedCall[] => {
    const call = booking === null ? undefined : calls.get(booking.call_id);
    if (booking === null || call === undefined) return [];
    const { booking: anew, pricing_key } = bookingOf(call, run, prices, null);
    const price = keptPrice(anew);
    if (isSamePrice(keptPrice(booking), price)) return [];
    return [{ booking, wanted: { call_id: booking.call_id, seen_key, pricing_key, ...price } }];
  });
  return { tenantId, runId, looked: standing.length, changed };
};

const isSamePrice = (a: Priced, b: Priced): boolean =>
  a.cost_usd === b.cost_usd &&
  a.price_id === b.price_id &&
  a.unpriced_reason === b.unpriced_reason &&
  JSON.stringify(a.untold) === JSON.stringify(b.untold);

/** The book as it was known at a moment, µs. */
export const bookAsKnownAt = (book: PriceBook, knownAtMicros: number): PriceBook => ({
  hash: book.hash,
  find: (query) => book.find({ ...query, knownAtMicros }),
});

/** The commands that let the ledger book it, as asked for at that moment, ms. */
export const repriceRecords = ({ tenantId, runId, changed }: RepricedRun, atMs: number): readonly OutgoingRecord[] => {
  const records: OutgoingRecord[] = [];
  for (let at = 0; at < changed.length; at += REPRICED_CALLS_MAX) {
    const calls = changed.slice(at, at + REPRICED_CALLS_MAX).map(({ wanted }) => wanted);
    records.push(recordToLedger(repriceStep(tenantId, runId, atMs, calls)));
  }
  return records;
};
