import { createHash } from 'node:crypto';
import { type CallBooking, TOKEN_COLUMNS, type UnpricedReason } from '../../schemas/ledger-entry.ts';
import type { DesiredCall } from './desired.ts';
import type { Evidence, LeafEvidence } from './evidence.ts';
import { normaliseCost } from './money.ts';
import { explainCost } from './prices/cost.ts';
import { isPrice, type PriceAnswer, type PriceBook } from './prices/price.ts';
import { modelAround, type RunGraph } from './run-graph.ts';
import type { RunWide, RunWideField } from './run-wide.ts';
import { utcMicrosText } from './utc-time.ts';

/** What a booking's cost was found with: while it stays the same, so does the price. */
export interface PricedBooking {
  readonly booking: CallBooking;
  readonly pricing_key: string;
}

/** Labels of one booking; the rest of a hostile sender's are left out. */
const LABELS_MAX = 64;
/** Tiers every list price stands for. Others cost more or less than listed. */
const LISTED_TIERS: ReadonlySet<string> = new Set(['default', 'standard', 'auto', 'on_demand']);

/**
 * Writes a call as a booking. Dimensions: the call's own word, then its nearest ancestor's, then the run's if only one
 * was ever told. The price of an earlier booking is kept unless something it depends on has changed: another price
 * list alone corrects nothing, repricing is asked for.
 */
export const bookingOf = (
  call: DesiredCall,
  run: { readonly tenantId: string; readonly runId: string; readonly graph: RunGraph; readonly wide: RunWide },
  prices: PriceBook,
  previous: PricedBooking | null,
): PricedBooking => {
  const [first] = call.ranked;
  const ancestors = first === undefined ? [] : run.graph.ancestorsOf(first);
  const voices: readonly Evidence[] = [...call.ranked, ...ancestors, ...othersAbove(run.graph, call.ranked)];
  const near = (field: RunWideField): string | null => firstTold(voices, field) ?? run.wide[field];
  const own = (field: TextField): string | null => firstTold(call.ranked, field);
  const located = call.ranked.find((leaf) => leaf.span_id !== '') ?? first;
  const tsMicros = timeOf(call.ranked);
  const pricing: PricingInput = {
    provider: own('provider'),
    models: modelsOf(own('response_model'), own('request_model'), () => (first ? modelAround(run.graph, first) : null)),
    tsMicros,
    region: own('region'),
    tier: own('service_tier'),
    call,
  };
  const pricing_key = keyOf(pricing);
  const priced = previous?.pricing_key === pricing_key ? keptPrice(previous.booking) : priceCall(prices, pricing);
  const booking: CallBooking = {
    entry_kind: 'call',
    tenant_id: run.tenantId,
    ts: utcMicrosText(tsMicros),
    call_id: call.call_id,
    trace_id: located?.trace_id ?? '',
    span_id: located?.span_id ?? '',
    run_id: run.runId,
    session_id: near('session_id'),
    service: own('service') ?? '',
    environment: near('environment'),
    agent_name: near('agent_name'),
    workflow: near('workflow'),
    user_id: near('user_id'),
    account: near('account'),
    region: pricing.region,
    service_tier: pricing.tier,
    labels: labelsOf(voices),
    provider: pricing.provider,
    model: pricing.models[0] ?? pricing.models[1] ?? null,
    family: own('family') ?? '',
    outcome: call.outcome,
    calls: call.calls,
    ...call.tokens,
    quantities: call.quantities,
    ...priced,
    estimated: call.estimated,
    reported_cost_usd: reportedCost(call.ranked),
  };
  return { booking, pricing_key };
};

type TextField = Exclude<keyof Evidence, 'start_unix_micros' | 'end_unix_micros' | 'call' | 'labels' | 'links'>;

const firstTold = (voices: readonly Evidence[], field: TextField): string | null => {
  const voice = voices.find((one) => one[field] !== null && one[field] !== '');
  return voice?.[field] ?? null;
};

const othersAbove = (graph: RunGraph, ranked: readonly LeafEvidence[]): readonly Evidence[] =>
  ranked.slice(1).flatMap((leaf) => graph.ancestorsOf(leaf));

const modelsOf = (answered: string | null, asked: string | null, around: () => string | null) =>
  [answered, asked ?? (answered === null ? around() : null)] as const;

/** The start as the best span tells it; a log record is written at the end of its call. */
const timeOf = (ranked: readonly LeafEvidence[]): number =>
  (ranked.find((leaf) => leaf.signal === 'span') ?? ranked[0])?.start_unix_micros ?? 0;

const labelsOf = (voices: readonly Evidence[]): Readonly<Record<string, string>> => {
  const labels = new Map<string, string>();
  for (const voice of voices) {
    for (const [name, value] of Object.entries(voice.labels)) if (!labels.has(name)) labels.set(name, value);
  }
  return Object.fromEntries([...labels].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, LABELS_MAX));
};

const reportedCost = (ranked: readonly LeafEvidence[]): string | null => {
  for (const { call } of ranked) {
    const cost = call.reported_cost_usd === null ? null : normaliseCost(call.reported_cost_usd);
    if (cost !== null) return cost;
  }
  return null;
};

// ------------------------------------------------------------------------ price

interface PricingInput {
  readonly provider: string | null;
  /** Response model, then requested model. */
  readonly models: readonly (string | null)[];
  readonly tsMicros: number;
  readonly region: string | null;
  readonly tier: string | null;
  readonly call: DesiredCall;
}

type Priced = Pick<CallBooking, 'cost_usd' | 'price_id' | 'unpriced_reason' | 'untold'>;

const keyOf = ({ call, ...input }: PricingInput): string =>
  createHash('sha256')
    .update(
      JSON.stringify([
        input,
        TOKEN_COLUMNS.map((column) => call.tokens[column]),
        call.quantities,
        call.untold,
        [call.calls, call.outcome, call.hasUsage, call.isAggregate],
      ]),
    )
    .digest('hex')
    .slice(0, 16);

const keptPrice = ({ cost_usd, price_id, unpriced_reason, untold }: CallBooking): Priced => ({
  untold,
  cost_usd,
  price_id,
  unpriced_reason,
});

const priceCall = (prices: PriceBook, input: PricingInput): Priced => {
  const { call } = input;
  const refuse = (reason: UnpricedReason): Priced => ({
    untold: call.untold,
    cost_usd: null,
    price_id: null,
    unpriced_reason: reason,
  });
  if (!call.hasUsage) return refuse(call.outcome === 'failed' ? 'failed' : 'no_usage');
  const price = findPrice(prices, input);
  if (!isPrice(price)) return refuse(price.reason);
  const cost = explainCost(price, call);
  if (cost.cost_usd === null) return refuse('no_price');
  const isOtherTier = input.tier !== null && !LISTED_TIERS.has(input.tier.toLowerCase());
  const untold = [
    ...call.untold,
    ...cost.unpriced_quantities.map((name) => `price:${name}`),
    ...(isOtherTier ? ['price:service_tier'] : []),
  ];
  return {
    untold: [...new Set(untold)].sort(),
    cost_usd: cost.cost_usd,
    price_id: cost.price_id,
    unpriced_reason: null,
  };
};

/** By the model that answered; where no price is known for that name (a deployment's, mostly), by the one asked for. */
const findPrice = (prices: PriceBook, { provider, models, tsMicros, region, tier }: PricingInput): PriceAnswer => {
  let refusal: PriceAnswer = { reason: 'no_model' };
  for (const model of models) {
    if (model === null) continue;
    const answer = prices.find({ provider, model, tsMicros, region, tier });
    if (isPrice(answer)) return answer;
    if (refusal.reason === 'no_model') refusal = answer;
  }
  return refusal;
};
