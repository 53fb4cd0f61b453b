import { createHash } from 'node:crypto';
import { type CallBooking, TOKEN_COLUMNS, type UnpricedReason } from '../../../schemas/ledger-entry.ts';
import { type BilledUsage, explainCost } from './cost.ts';
import { isPrice, type PriceAnswer, type PriceBook, type PriceQuery } from './price.ts';
import { isListedTier } from './tiers.ts';

/** What is billed of a call, and what of it nobody told. A `DesiredCall` is one. */
export interface CallUsage extends BilledUsage {
  readonly hasUsage: boolean;
  readonly outcome: 'ok' | 'failed';
  readonly untold: readonly string[];
}

/** All that the price of a call depends on, save the book. */
export interface PricedInput extends Omit<PriceQuery, 'model' | 'knownAtMicros'> {
  /** Response model, then requested model: the first one that has a price counts. */
  readonly models: readonly (string | null)[];
  readonly usage: CallUsage;
}

/** The fields of a booking that its price decides. */
export type Priced = Pick<CallBooking, 'cost_usd' | 'price_id' | 'unpriced_reason' | 'untold'>;

/** A price, and whether the time a call took is part of it. */
export interface PricedCall {
  readonly priced: Priced;
  readonly isByDuration: boolean;
}

/**
 * 16 hex digits over what a price depends on, save the book: while it stays the same, a booking keeps its price. The tenant
 * is that of the run and never changes. What few calls tell (account, weights) counts where it is told, so that the keys of
 * all others stay what they were before these existed. How long a call took counts only where its price is by that
 * (`isByDuration`).
 */
export const pricingKeyOf = ({ usage, ...input }: PricedInput, isByDuration = false): string =>
  createHash('sha256')
    .update(
      JSON.stringify([
        {
          provider: input.provider,
          models: input.models,
          tsMicros: input.tsMicros,
          region: input.region,
          tier: input.tier,
          account: input.account ?? undefined,
          digest: input.digest ?? undefined,
          quantisation: input.quantisation ?? undefined,
        },
        TOKEN_COLUMNS.map((column) => usage.tokens[column]),
        usage.quantities,
        usage.untold,
        [usage.calls, usage.outcome, usage.hasUsage, usage.isAggregate],
        ...(isByDuration ? [usage.durationMicros ?? null] : []),
      ]),
    )
    .digest('hex')
    .slice(0, 16);

/** Whether a booking made under `key` still has all that its price depends on. */
export const isStillPriced = (key: string, input: PricedInput): boolean =>
  key === pricingKeyOf(input) || key === pricingKeyOf(input, true);

/** The price a booking stands with. */
export const keptPrice = ({ cost_usd, price_id, unpriced_reason, untold }: CallBooking): Priced => ({
  untold,
  cost_usd,
  price_id,
  unpriced_reason,
});

/**
 * Prices a call by a book: as effective at the call's own time, by what was known at `knownAtMicros` (absent: by all that
 * is known). Pure. Says no by `unpriced_reason`, with the cost null.
 */
export const priceCall = (book: PriceBook, input: PricedInput, knownAtMicros?: number): Priced =>
  priceWithBasis(book, input, knownAtMicros).priced;

/** As `priceCall`, and by what the price was found. */
export const priceWithBasis = (book: PriceBook, input: PricedInput, knownAtMicros?: number): PricedCall => {
  const { usage } = input;
  const refuse = (reason: UnpricedReason): PricedCall => ({
    priced: { untold: usage.untold, cost_usd: null, price_id: null, unpriced_reason: reason },
    isByDuration: false,
  });
  if (!usage.hasUsage) return refuse(usage.outcome === 'failed' ? 'failed' : 'no_usage');
  const price = findPrice(book, input, knownAtMicros);
  if (!isPrice(price)) return refuse(price.reason);
  const cost = explainCost(price, usage);
  if (cost.cost_usd === null) return { ...refuse('no_price'), isByDuration: cost.isByDuration };
  const isOtherTier = price.service_tier === null && !isListedTier(input.tier);
  const untold = [
    ...usage.untold,
    ...cost.unpriced_quantities.map((name) => `price:${name}`),
    ...(isOtherTier ? ['price:service_tier'] : []),
  ];
  return {
    priced: {
      untold: [...new Set(untold)].sort(),
      cost_usd: cost.cost_usd,
      price_id: cost.price_id,
      unpriced_reason: null,
    },
    isByDuration: cost.isByDuration,
  };
};

/** By the model that answered; where no price is known for that name (a deployment's, mostly), by the one asked for. */
export const findPrice = (
  book: PriceBook,
  { models, usage: _usage, ...query }: PricedInput,
  knownAtMicros?: number,
): PriceAnswer => {
  let refusal: PriceAnswer = { reason: 'no_model' };
  for (const model of models) {
    if (model === null) continue;
    const answer = book.find({ ...query, model, ...(knownAtMicros === undefined ? {} : { knownAtMicros }) });
    if (isPrice(answer)) return answer;
    if (refusal.reason === 'no_model') refusal = answer;
  }
  return refusal;
};
