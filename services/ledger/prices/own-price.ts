import { hash128 } from '../../../schemas/identity.ts';
import { divideHalfEven } from '../money.ts';
import { canonicalProvider, sellerOf } from './catalogue.ts';
import { lookupNames } from './match.ts';
import { EACH, type Price, type PriceQuery, perOf, RATE_DECIMALS, type Rate } from './price.ts';
import { scaledAmount, type WrittenCapacity, type WrittenCurrencyRate, type WrittenPrice } from './price-file.ts';
import { isListedTier } from './tiers.ts';

/** What a price of a file is asked by. null: any. */
export interface Selector {
  readonly provider: string | null;
  readonly models: readonly string[];
  readonly tenant: string | null;
  readonly account: string | null;
  readonly region: string | null;
  readonly service_tier: string | null;
  readonly digest: string | null;
  readonly quantisation: string | null;
}

/** A price of a file, for one stretch of time in which its currency has one rate. Times in µs; null: without end. */
export interface OwnPrice {
  readonly place: string;
  readonly id: string;
  readonly selector: Selector;
  readonly from: number | null;
  readonly to: number | null;
  readonly known_since: number | null;
  readonly currency: string;
  /** Of what the book would take without this price, scaled by 10^RATE_DECIMALS: 85 % for 15 percent off; null: its own rates alone. */
  readonly share: bigint | null;
  /** In USD. */
  readonly rates: ReadonlyMap<string, Rate>;
  readonly local: Price['local'];
}

/** Bought by the hour beside what is used: its price for one unit's hour is `each_unit_hours`. */
export interface Capacity {
  readonly price: OwnPrice;
  readonly units: number;
}

const ONE = 10n ** BigInt(RATE_DECIMALS);

/** Capacity as written → in USD, as `ownPricesOf`. */
export const capacityOf = (written: WrittenCapacity, rates: readonly WrittenCurrencyRate[]): readonly Capacity[] => {
  const { model = '*', per_unit_hour, units, ...rest } = written;
  return ownPricesOf({ ...rest, models: [model], rates: { [`${EACH}unit_hours`]: per_unit_hour } }, rates).map(
    (price) => ({ price, units }),
  );
};

/**
 * Prices as written → in USD: one for each stretch in which the currency's rate stays the same. `rates`: of all files,
 * ascending by day; the caller has seen to it that there is one for every moment of the price.
 */
export const ownPricesOf = (written: WrittenPrice, rates: readonly WrittenCurrencyRate[]): readonly OwnPrice[] => {
  const from = written.effective_from ?? null;
  const to = written.effective_to ?? null;
  const known = written.known_since ?? null;
  const base = {
    place: written.place,
    id: written.id,
    selector: selectorOf(written),
    currency: written.currency,
    share: written.percent_off === undefined ? null : shareOf(written.percent_off),
    local: localOf(written),
  };
  if (written.currency === 'USD') return [{ ...base, from, to, known_since: known, rates: ratesOf(written, ONE) }];
  return rates.flatMap((rate, at): readonly OwnPrice[] => {
    const next = rates.slice(at + 1).find((later) => later.from > rate.from)?.from ?? null;
    const start = latest(from, rate.from);
    const end = earliest(to, next);
    if (end !== null && start !== null && start >= end) return [];
    const known_since = latest(known, rate.known_since);
    return [{ ...base, from: start, to: end, known_since, rates: ratesOf(written, scaledAmount(rate.usd)) }];
  });
};

const selectorOf = (written: WrittenPrice): Selector => ({
  provider: written.provider === undefined ? null : (sellerOf(written.provider) ?? canonicalProvider(written.provider)),
  models: [...new Set(written.models.map((model) => model.toLowerCase()))].sort(),
  tenant: written.tenant ?? null,
  account: written.account ?? null,
  region: written.region?.toLowerCase() ?? null,
  service_tier:
    written.service_tier === undefined || isListedTier(written.service_tier)
      ? null
      : written.service_tier.toLowerCase(),
  digest: written.digest === undefined ? null : digestOf(written.digest),
  quantisation: written.quantisation?.toLowerCase() ?? null,
});

/** One spelling of a digest: tools write it with and without its algorithm. */
const digestOf = (digest: string): string => digest.toLowerCase().replace(/^sha256:/, '');

const shareOf = (percent: string): bigint => {
  const magnitude = scaledAmount(percent.replace('-', ''));
  const off = divideHalfEven(magnitude, 100n);
  return percent.startsWith('-') ? ONE + off : ONE - off;
};

const localOf = ({ local }: WrittenPrice): Price['local'] =>
  local === undefined
    ? null
    : {
        gpus: local.gpus,
        calls_at_once: local.calls_at_once,
        watts: local.watts ?? null,
        idle_watts: local.idle_watts ?? null,
        busy_share: local.busy_share ?? null,
      };

const ratesOf = (written: WrittenPrice, usd: bigint): ReadonlyMap<string, Rate> => {
  const inUsd = (text: string): bigint => divideHalfEven(scaledAmount(text) * usd, ONE);
  const { local } = written;
  const told: readonly (readonly [string, NonNullable<WrittenPrice['rates']>[string]])[] = [
    ...Object.entries(written.rates ?? {}),
    ...(local?.gpu_per_hour === undefined ? [] : [['gpu_hours', local.gpu_per_hour] as const]),
    ...(local?.energy_per_kwh === undefined ? [] : [['energy_kwh', local.energy_per_kwh] as const]),
  ];
  return new Map(
    told.map(([key, rate]) => {
      const per = perOf(key) ?? 1n;
      if (typeof rate === 'string') return [key, { per, base: inUsd(rate), tiers: [] }];
      const tiers = rate.long_context.map((tier) => ({
        aboveInputTokens: tier.above_prompt_tokens,
        usd: inUsd(tier.price),
      }));
      return [key, { per, base: inUsd(rate.base), tiers }];
    }),
  );
};

/** The later of two starts. */
export const latest = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);
/** The earlier of two ends. */
export const earliest = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.min(a, b);

// ----------------------------------------------------------------------- asking

/** A question in the spelling of selectors. */
export interface AskedOf {
  readonly provider: string | null;
  /** Who sells it, where one of the list's providers sells in two places at two prices. */
  readonly seller: string | null;
  readonly names: readonly string[];
  readonly tenant: string | null;
  readonly account: string | null;
  readonly region: string | null;
  readonly service_tier: string | null;
  readonly digest: string | null;
  readonly quantisation: string | null;
  readonly tsMicros: number;
  readonly knownAtMicros: number | null;
}

/** `provider`: told, or known from elsewhere to be the model's. */
export const askedOf = (query: PriceQuery, provider: string | null): AskedOf => ({
  provider,
  seller: query.provider === null ? null : sellerOf(query.provider),
  names: lookupNames(query.model ?? '').map((name) => name.toLowerCase()),
  tenant: query.tenant,
  account: query.account,
  region: query.region?.toLowerCase() ?? null,
  service_tier: isListedTier(query.tier) ? null : (query.tier?.toLowerCase() ?? null),
  digest: query.digest === undefined || query.digest === null ? null : digestOf(query.digest),
  quantisation: query.quantisation?.toLowerCase() ?? quantisationIn(query.model ?? ''),
  tsMicros: query.tsMicros,
  knownAtMicros: query.knownAtMicros ?? null,
});

/** Tags and file names of weights say how they are stored: `llama3.3:70b-instruct-q4_K_M`, `Qwen2.5-7B-Q8_0.gguf`. */
const QUANTISATION =
  /(?:^|[-_.:/])(i?q\d(?:_[0-9a-z]{1,4}){0,3}|bf16|fp16|fp8|f16|f32|int8|int4|awq|gptq|mxfp4|nvfp4)(?=$|[-_.:])/;

const quantisationIn = (model: string): string | null =>
  model.length > NAME_CHARS_MAX ? null : (QUANTISATION.exec(model.toLowerCase())?.[1] ?? null);
/** Longer names are no model's. */
const NAME_CHARS_MAX = 256;

/** What a narrower price has that a wider one has not, most telling first. A tier says what is sold; then who buys it. */
const NARROWING = ['service_tier', 'tenant', 'account', 'digest', 'quantisation', 'region'] as const;

/**
 * How well a price fits a question, to be compared from the left; null: it does not. Two prices of one book that fit
 * equally well were refused when it was loaded, save one that was known later: it corrects the other.
 */
export const fitOf = (price: OwnPrice, asked: AskedOf): readonly number[] | null => {
  const { selector } = price;
  const isInForce = (price.from ?? asked.tsMicros) <= asked.tsMicros && asked.tsMicros < (price.to ?? Infinity);
  const isKnown = asked.knownAtMicros === null || (price.known_since ?? asked.knownAtMicros) <= asked.knownAtMicros;
  if (!isInForce || !isKnown) return null;
  const provider = providerFit(selector.provider, asked);
  if (provider === null) return null;
  if (NARROWING.some((field) => selector[field] !== null && selector[field] !== asked[field])) return null;
  const model = modelFit(selector.models, asked.names);
  if (model === null) return null;
  const narrow = NARROWING.map((field) => (selector[field] === null ? 0 : 1));
  return [...narrow, model, provider, price.known_since ?? 0];
};

const providerFit = (provider: string | null, asked: AskedOf): number | null => {
  if (provider === null) return 0;
  if (provider === asked.seller) return 2;
  return provider === asked.provider ? 1 : null;
};

/** Longer beginnings are narrower, whole names narrowest. */
const modelFit = (patterns: readonly string[], names: readonly string[]): number | null => {
  let best: number | null = null;
  for (const pattern of patterns) {
    const fit = pattern.endsWith('*') ? beginningFit(pattern, names) : wholeFit(pattern, names);
    if (fit !== null && (best === null || fit > best)) best = fit;
  }
  return best;
};

const beginningFit = (pattern: string, names: readonly string[]): number | null =>
  names.some((name) => name.startsWith(pattern.slice(0, -1))) ? pattern.length : null;

/** The name as it was told stands before the name without its date. */
const wholeFit = (pattern: string, names: readonly string[]): number | null => {
  const at = names.indexOf(pattern);
  return at < 0 ? null : WHOLE_NAME - at;
};
const WHOLE_NAME = 1_000;

// ------------------------------------------------------------------------ price

/** The price a call is charged at: the file's own rates, or those of `base` times the share. `base`: what the book has without it. */
export const chargedPrice = (own: OwnPrice, base: Price | null): Price => {
  const share = own.share;
  const rates = new Map(base === null || share === null ? [] : scaled(base.rates, share));
  for (const [key, rate] of own.rates) rates.set(key, rate);
  // Not when it holds: a price that is given an end stays the price that calls were booked with.
  const content = hash128([JSON.stringify([own.selector, own.local]), ...[...rates].map(rateText).sort()]).slice(0, 8);
  const stem = `own:${own.id}#${content}`;
  return {
    price_id: base === null ? stem : `${stem}/${base.price_id}`,
    source: 'own',
    rates,
    is_inferred: base?.is_inferred ?? false,
    effective_from: latest(own.from, base?.effective_from ?? null),
    effective_to: earliest(own.to, base?.effective_to ?? null),
    known_since: latest(own.known_since, base?.known_since ?? null),
    provider: own.selector.provider ?? base?.provider ?? null,
    local: own.local ?? base?.local ?? null,
    service_tier: own.selector.service_tier,
  };
};

const scaled = (rates: ReadonlyMap<string, Rate>, share: bigint): readonly (readonly [string, Rate])[] =>
  [...rates].map(([key, rate]) => [
    key,
    {
      per: rate.per,
      base: divideHalfEven(rate.base * share, ONE),
      tiers: rate.tiers.map((tier) => ({ ...tier, usd: divideHalfEven(tier.usd * share, ONE) })),
    },
  ]);

const rateText = ([key, rate]: readonly [string, Rate]): string =>
  `${key}=${rate.base}/${rate.tiers.map((tier) => `${tier.aboveInputTokens}:${tier.usd}`).join(',')}`;
