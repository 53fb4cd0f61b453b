import type {
  Bond,
  CallExplanation,
  Evidence as Explained,
  Precedence,
  RunExplanation,
  SetAside,
  Testimony,
} from '../../schemas/call-explanation.ts';
import { type CallBooking, TOKEN_COLUMNS, type TokenColumn } from '../../schemas/ledger-entry.ts';
import { spanAbove, spanKey } from '../../schemas/span-tree.ts';
import { isTold } from './call-match.ts';
import { type DesiredCall, desiredCalls } from './desired.ts';
import { type Evidence, hasUsage, isLeaf, isWrapper, type LeafEvidence, toldBuckets } from './evidence.ts';
import { withWitnessedCalls } from './findings.ts';
import { explainCost } from './prices/cost.ts';
import { isPrice, type Price, type PriceBook } from './prices/price.ts';
import { buildRunGraph, type RunGraph } from './run-graph.ts';
import { type LedgerState, parseState, splitKey } from './state.ts';

/**
 * Says why a run's figures are what they are, from the text of the ledger's state for it: the same evidence, put
 * through the same rules as when it was booked. Throws InvariantError for text of another version, as `parseState`.
 */
export const explainRun = (stateText: string, prices: PriceBook): RunExplanation => {
  const state = parseState(stateText);
  const [tenantId, runId] = splitKey(state.key);
  const evidence = [...state.steps.values()].map((held) => held.evidence);
  const graph = buildRunGraph(withWitnessedCalls(evidence, state.findings));
  const { here, elsewhere } = desiredCalls(graph, tenantId, runId, state.findings);
  return {
    calls: here.map((call) => explainCall(graph, call, state, prices)),
    set_aside: setAside(graph, here, new Set(elsewhere.flatMap((call) => call.ranked))),
    summarised_steps: state.spilled.steps,
  };
};

const explainCall = (graph: RunGraph, call: DesiredCall, state: LedgerState, prices: PriceBook): CallExplanation => {
  const booking = state.books.get(call.call_id)?.booking ?? null;
  const price = booking === null ? null : priceOf(booking, call, prices);
  return {
    call_id: call.call_id,
    evidence: call.ranked.map((leaf, at) => explained(graph, call.ranked, leaf, at)),
    bucket_from: bucketFrom(call),
    ...billOf(price, call, booking),
    is_price_inferred: price === null ? null : price.is_inferred,
  };
};

// --------------------------------------------------------------------- evidence

const testimony = (leaf: LeafEvidence): Testimony => {
  const { call } = leaf;
  return {
    step_id: leaf.step_id,
    signal: leaf.signal,
    family: leaf.family,
    scope_name: leaf.scope_name,
    name: leaf.name,
    trace_id: leaf.trace_id,
    span_id: leaf.span_id,
    model: leaf.response_model ?? leaf.request_model,
    response_id: leaf.response_id,
    outcome: call.outcome,
    estimated: call.estimated,
    untold: call.untold,
    reported_cost_usd: call.reported_cost_usd,
    input_tokens: call.input_tokens,
    cache_read_tokens: call.cache_read_tokens,
    cache_write_tokens: call.cache_write_tokens,
    cache_write_1h_tokens: call.cache_write_1h_tokens,
    output_tokens: call.output_tokens,
    reasoning_tokens: call.reasoning_tokens,
    audio_input_tokens: call.audio_input_tokens,
    audio_output_tokens: call.audio_output_tokens,
  };
};

const explained = (graph: RunGraph, ranked: readonly LeafEvidence[], leaf: LeafEvidence, at: number): Explained => {
  const [best, second] = ranked;
  const others = ranked.filter((other) => other !== leaf);
  const bound = strongestBond(graph, leaf, others);
  return {
    ...testimony(leaf),
    is_believed: at === 0,
    bond: bound.bond,
    bound_to: bound.to,
    precedence: best === undefined || second === undefined ? 'alone' : precedence(best, at === 0 ? second : leaf),
  };
};

/** In the order of the rules that join evidence (groups.ts): the first that holds with any other witness is told. */
const strongestBond = (
  graph: RunGraph,
  leaf: LeafEvidence,
  others: readonly LeafEvidence[],
): { readonly bond: Bond; readonly to: string | null } => {
  if (others.length === 0) return { bond: 'only', to: null };
  for (const { bond, holds } of BOND_TESTS) {
    const other = others.find((one) => holds(graph, leaf, one));
    if (other !== undefined) return { bond, to: other.step_id };
  }
  return { bond: 'same_time', to: others[0]?.step_id ?? null };
};

interface BondTest {
  readonly bond: Bond;
  readonly holds: (graph: RunGraph, a: LeafEvidence, b: LeafEvidence) => boolean;
}

const BOND_TESTS: readonly BondTest[] = [
  { bond: 'response_id', holds: (_graph, a, b) => isTold(a.response_id) && a.response_id === b.response_id },
  {
    bond: 'log_of_span',
    holds: (_graph, a, b) =>
      (a.signal === 'span') !== (b.signal === 'span') &&
      a.span_id !== '' &&
      spanKey(a.trace_id, a.span_id) === spanKey(b.trace_id, b.span_id),
  },
  {
    bond: 'inside',
    holds: (graph, a, b) => graph.ancestorsOf(a).includes(b) || graph.ancestorsOf(b).includes(a),
  },
  {
    bond: 'beside',
    holds: (_graph, a, b) => a.trace_id === b.trace_id && spanAbove(a) !== '' && spanAbove(a) === spanAbove(b),
  },
];

/** What puts `first` before `other`, by the order in which `desired.ts` ranks witnesses. */
const precedence = (first: LeafEvidence, other: LeafEvidence): Precedence => {
  if (hasUsage(first.call) !== hasUsage(other.call)) return 'usage';
  if (first.call.estimated !== other.call.estimated) return 'measured';
  const detail = (leaf: LeafEvidence): number => toldBuckets(leaf.call) - leaf.call.untold.length;
  if (detail(first) !== detail(other)) return 'detail';
  if ((first.response_id === null) !== (other.response_id === null)) return 'response_id';
  return 'order';
};

/** Whose figure stands in each bucket: the first of the ranking that says just this much. */
const bucketFrom = ({ tokens, ranked }: DesiredCall): CallExplanation['bucket_from'] =>
  Object.fromEntries(
    TOKEN_COLUMNS.flatMap((column): readonly (readonly [TokenColumn, string])[] => {
      const source = ranked.find((leaf) => tokens[column] !== null && leaf.call[column] === tokens[column]);
      return source === undefined ? [] : [[column, source.step_id]];
    }),
  );

// -------------------------------------------------------------------- set aside

const setAside = (
  graph: RunGraph,
  desired: readonly DesiredCall[],
  elsewhere: ReadonlySet<Evidence>,
): RunExplanation['set_aside'] => {
  const booked = new Set<Evidence>(desired.flatMap((call) => call.ranked));
  const sums = new Set<Evidence>(desired.filter((call) => call.isAggregate).flatMap((call) => call.ranked));
  const silent = graph.steps
    .filter((step): step is LeafEvidence => (isLeaf(step) || isWrapper(step)) && !booked.has(step))
    .filter((step) => hasUsage(step.call) || isLeaf(step))
    .map((step) => ({
      ...testimony(step),
      because: elsewhere.has(step) ? ('elsewhere' as const) : reasonOf(graph, step, sums),
    }));
  return [...silent, ...graph.repeated.map((step) => ({ ...testimony(step), because: 'other_signal' as const }))];
};

const reasonOf = (graph: RunGraph, step: LeafEvidence, sums: ReadonlySet<Evidence>): SetAside => {
  if (step.call.role === 'wrapper') return 'wrapper';
  return !hasUsage(step.call) && graph.ancestorsOf(step).some((above) => sums.has(above)) ? 'in_sum' : 'around';
};

// ------------------------------------------------------------------------ price

/** The price the booking names, if today's book still gives it for what is known of the call. */
const priceOf = (booking: CallBooking, call: DesiredCall, prices: PriceBook): Price | null => {
  if (booking.price_id === null) return null;
  // The moment bookingOf asks the book for: the start as the best span tells it.
  const tsMicros = (call.ranked.find((leaf) => leaf.signal === 'span') ?? call.ranked[0])?.start_unix_micros ?? 0;
  const models = [booking.model, ...call.ranked.flatMap((leaf) => [leaf.response_model, leaf.request_model])];
  for (const model of new Set(models)) {
    if (model === null) continue;
    const answer = prices.find({
      provider: booking.provider,
      model,
      tsMicros,
      region: booking.region,
      tier: booking.service_tier,
      tenant: booking.tenant_id,
      account: booking.account,
      digest: booking.labels['model.digest'] ?? null,
      quantisation: booking.labels['model.quantisation'] ?? null,
    });
    if (isPrice(answer) && answer.price_id === booking.price_id) return answer;
  }
  return null;
};

/** The lines, if they come to what is booked: a bill that does not add up to the figure explains nothing. */
const billOf = (
  price: Price | null,
  call: DesiredCall,
  booking: CallBooking | null,
): Pick<CallExplanation, 'bill' | 'unknown_parts'> => {
  const cost = price === null ? null : explainCost(price, call);
  if (cost === null || cost.cost_usd !== booking?.cost_usd) return { bill: null, unknown_parts: null };
  return { bill: cost.lines, unknown_parts: cost.unknown_parts };
};
