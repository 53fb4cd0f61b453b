import type { CallBooking } from '../../schemas/ledger-entry.ts';
import type { DesiredCall } from './desired.ts';
import type { Evidence, LeafEvidence } from './evidence.ts';
import { normaliseCost } from './money.ts';
import type { PriceBook } from './prices/price.ts';
import { isStillPriced, keptPrice, type PricedInput, priceWithBasis, pricingKeyOf } from './prices/price-call.ts';
import { modelAround, type RunGraph } from './run-graph.ts';
import type { RunWide, RunWideField } from './run-wide.ts';
import { utcMicrosText } from './utc-time.ts';

/** What a booking's cost was found with: while it stays the same, so does the price. */
export interface PricedBooking {
  readonly booking: CallBooking;
  readonly pricing_key: string;
  /** The price was asked for at that moment, ms. */
  readonly repricedAtMs?: number;
}

/** Labels of one booking; the rest of a hostile sender's are left out. */
const LABELS_MAX = 64;

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
  const pricing: PricedInput = {
    tenant: run.tenantId,
    account: near('account'),
    provider: own('provider'),
    models: modelsOf(own('response_model'), own('request_model'), () => (first ? modelAround(run.graph, first) : null)),
    tsMicros,
    region: own('region'),
    tier: own('service_tier'),
    usage: call,
    digest: ownLabel(call.ranked, 'model.digest'),
    quantisation: ownLabel(call.ranked, 'model.quantisation'),
  };
  const { priced, pricing_key } = priceOrKeep(prices, pricing, previous);
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
    account: pricing.account,
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

const priceOrKeep = (prices: PriceBook, pricing: PricedInput, previous: PricedBooking | null) => {
  if (previous !== null && isStillPriced(previous.pricing_key, pricing))
    return { priced: keptPrice(previous.booking), pricing_key: previous.pricing_key };
  const { priced, isByDuration } = priceWithBasis(prices, pricing);
  return { priced, pricing_key: pricingKeyOf(pricing, isByDuration) };
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

/** What those who describe the call itself say of its weights. */
const ownLabel = (ranked: readonly LeafEvidence[], name: string): string | null =>
  ranked.find((leaf) => leaf.labels[name] !== undefined)?.labels[name] ?? null;

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
