import {
  type ConditionalPrice,
  findProvider,
  type ModelInfo,
  type ModelPrice,
  type Provider,
} from '@pydantic/genai-prices';
import { assert } from '../../runtime/errors.ts';
import { dateMicros, MICROS_PER_DAY } from '../utc-time.ts';
import { lookupNames, matches } from './match.ts';
import { buildRate, type Price, type PriceAnswer, type PriceQuery, type PriceSource, type Rate } from './price.ts';

/** Version of the catalogue package; part of every price_id. A test keeps it equal to what is installed. */
export const CATALOGUE_VERSION = '0.1.8';
/** Day this version was published, as its registry says. */
export const CATALOGUE_RELEASED = '2026-09-23';
export const CATALOGUE_NAME = `genai-prices-${CATALOGUE_VERSION}`;

/** Provider names of the OTel GenAI conventions (and their older forms) → catalogue ids. */
const PROVIDER_IDS: ReadonlyMap<string, string> = new Map([
  ['gcp.gemini', 'google'],
  ['gcp.vertex_ai', 'google'],
  ['gcp.gen_ai', 'google'],
  ['azure.ai.openai', 'azure'],
  ['azure.ai.inference', 'azure'],
  ['az.ai.openai', 'azure'],
  ['az.ai.inference', 'azure'],
  ['aws.bedrock', 'aws'],
  ['x_ai', 'x-ai'],
  ['mistral_ai', 'mistral'],
  ['moonshot_ai', 'moonshotai'],
]);
/** Sells what another name of the same provider sells, at prices of its own; the list has one price for both. */
const SELLERS: ReadonlySet<string> = new Set(['gcp.vertex_ai']);
/** Everybody speaks this protocol, so the name may stand for another maker: the model then says whose it is. */
const PROTOCOL_PROVIDER = 'openai';
/** Look-ups remembered; model names come from outside, so the table starts anew when full. */
const REMEMBERED_MAX = 10_000;

/** Prices in force under a condition; the last one whose condition holds counts. */
interface Period {
  readonly price: Price;
  readonly isInForce: (tsMicros: number) => boolean;
}

type Found = { readonly kind: 'periods'; readonly periods: readonly Period[]; readonly isInferred: boolean };
type Candidates = { readonly kind: 'candidates'; readonly all: readonly (readonly Period[])[] };

/** Every provider of the catalogue, in its order (the first whose matcher takes a name counts). A test compares it. */
export const CATALOGUE_PROVIDERS: readonly string[] = (
  'anthropic arcee avian aws azure baseten cerebras cloudflare cohere cursor deepseek doubleword fireworks ' +
  'github-copilot google groq huggingface_cerebras huggingface_fireworks-ai huggingface_groq huggingface_hyperbolic ' +
  'huggingface_nebius huggingface_novita huggingface_nscale huggingface_ovhcloud huggingface_publicai ' +
  'huggingface_sambanova huggingface_together minimax mistral modal moonshotai novita openai openrouter ovhcloud ' +
  'perplexity quicksilverpro together typesafe voyageai x-ai zai zhipuai'
).split(' ');

/** The bundled catalogue of `@pydantic/genai-prices`: its data and matchers, our arithmetic. Never goes to the network. */
export const createCatalogue = (): PriceSource =>
  createCatalogueSource(
    CATALOGUE_PROVIDERS.map((providerId) => {
      const provider = findProvider({ providerId });
      assert(provider?.id === providerId, `the price catalogue has no provider ${providerId}`);
      return provider;
    }),
  );

/** A price of the catalogue with the model it is of. */
export interface ListedPrice {
  readonly model: string;
  readonly price: Price;
}

/** Every price the catalogue has, one for each time it holds. */
export const listedPrices = (): readonly ListedPrice[] =>
  CATALOGUE_PROVIDERS.flatMap((providerId) => {
    const provider = findProvider({ providerId });
    return (provider?.models ?? []).flatMap((model) =>
      provider === undefined ? [] : buildPeriods(provider, model).map(({ price }) => ({ model: model.id, price })),
    );
  });

/** A price source over providers in the catalogue's form. */
export const createCatalogueSource = (providers: readonly Provider[]): PriceSource => {
  const remembered = new Map<string, Found | Candidates>();
  const periods = new WeakMap<ModelInfo, readonly Period[]>();
  const periodsOf = (provider: Provider, model: ModelInfo): readonly Period[] => {
    const known = periods.get(model) ?? buildPeriods(provider, model);
    periods.set(model, known);
    return known;
  };
  const look = (provider: string | null, model: string): Found | Candidates => {
    const key = JSON.stringify([provider, model]);
    const known = remembered.get(key);
    if (known !== undefined) return known;
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    const found = search(providers, periodsOf, provider, model);
    remembered.set(key, found);
    return found;
  };
  return {
    name: CATALOGUE_NAME,
    hash: CATALOGUE_VERSION,
    find: (query) => answer(look(query.provider, query.model ?? ''), query),
  };
};

const answer = (found: Found | Candidates, query: PriceQuery): PriceAnswer => {
  if (found.kind === 'periods') {
    const price = inForce(found.periods, query.tsMicros);
    return found.isInferred ? { ...price, is_inferred: true } : price;
  }
  const [first, ...others] = found.all.map((periods) => inForce(periods, query.tsMicros));
  if (first === undefined) return { reason: 'no_price' };
  const isAgreed = others.every((other) => ratesText(other) === ratesText(first));
  return isAgreed ? { ...first, is_inferred: true } : { reason: 'ambiguous_model' };
};

const search = (
  providers: readonly Provider[],
  periodsOf: (provider: Provider, model: ModelInfo) => readonly Period[],
  providerName: string | null,
  modelName: string,
): Found | Candidates => {
  const names = lookupNames(modelName);
  const told = providerName === null ? undefined : providerOf(providers, providerName);
  const own = told === undefined ? undefined : modelAt(providers, told, names);
  if (own !== undefined) return { kind: 'periods', periods: periodsOf(own.provider, own.model), isInferred: false };
  // A provider of the catalogue that does not list the model sells it at a price nobody here knows.
  if (told !== undefined && told.id !== PROTOCOL_PROVIDER) return { kind: 'candidates', all: [] };
  const maker = makerOf(providers, names);
  const made = maker === undefined ? undefined : modelAt(providers, maker, names);
  if (made !== undefined) return { kind: 'periods', periods: periodsOf(made.provider, made.model), isInferred: true };
  const all = providers.flatMap((provider) => {
    const model = directModel(provider, names);
    return model === undefined ? [] : [periodsOf(provider, model)];
  });
  return { kind: 'candidates', all: told === undefined ? all : [] };
};

/** The name where it sells apart from its provider's other ones, so that a price of a file can be for it alone; else null. */
export const sellerOf = (name: string): string | null => {
  const told = name.trim().toLowerCase();
  return SELLERS.has(told) ? told : null;
};

/** One spelling of a provider's name: the catalogue's where it has it, else lower case. */
export const canonicalProvider = (name: string): string => {
  const lower = name.toLowerCase().trim();
  return PROVIDER_IDS.get(lower) ?? lower;
};

const providerOf = (providers: readonly Provider[], name: string): Provider | undefined => {
  const id = canonicalProvider(name);
  return (
    providers.find((provider) => provider.id === id) ??
    providers.find((provider) => provider.provider_match !== undefined && matches(provider.provider_match, id))
  );
};

/** Who makes the model, by the catalogue's own matcher on its name; `openai/gpt-5` names its maker. */
const makerOf = (providers: readonly Provider[], names: readonly string[]): Provider | undefined => {
  for (const name of names) {
    const maker = providers.find(
      (provider) => provider.model_match !== undefined && matches(provider.model_match, name),
    );
    if (maker !== undefined) return maker;
  }
  return undefined;
};

const modelAt = (
  providers: readonly Provider[],
  provider: Provider,
  names: readonly string[],
): { readonly provider: Provider; readonly model: ModelInfo } | undefined => {
  const own = directModel(provider, names);
  if (own !== undefined) return { provider, model: own };
  for (const id of provider.fallback_model_providers ?? []) {
    const fallback = providers.find((candidate) => candidate.id === id);
    const model = fallback === undefined ? undefined : directModel(fallback, names);
    if (fallback !== undefined && model !== undefined) return { provider: fallback, model };
  }
  return undefined;
};

const directModel = (provider: Provider, names: readonly string[]): ModelInfo | undefined => {
  for (const name of names) {
    const model = provider.models.find((candidate) => matches(candidate.match, name));
    if (model !== undefined) return model;
  }
  return undefined;
};

const inForce = (periods: readonly Period[], tsMicros: number): Price => {
  const period = periods.findLast((candidate) => candidate.isInForce(tsMicros)) ?? periods[0];
  assert(period !== undefined, 'a catalogue model has no price period');
  return period.price;
};

const buildPeriods = (provider: Provider, model: ModelInfo): readonly Period[] => {
  const list: readonly ConditionalPrice[] = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  return list.map((conditional, at) => {
    const { constraint } = conditional;
    const mark = constraint === undefined ? '' : `@${conditionText(constraint)}`;
    const price: Price = {
      price_id: `${CATALOGUE_NAME}:${provider.id}/${model.id}${mark}`,
      source: CATALOGUE_NAME,
      rates: buildRates(conditional.prices),
      is_inferred: false,
      effective_from: startOf(constraint),
      effective_to: list.slice(at + 1).reduce<number | null>((next, later) => next ?? startOf(later.constraint), null),
      known_since: null,
      provider: provider.id,
      local: null,
      service_tier: null,
    };
    return { price, isInForce: conditionOf(constraint) };
  });
};

type Constraint = NonNullable<ConditionalPrice['constraint']>;

const startOf = (constraint: Constraint | undefined): number | null =>
  constraint?.type === 'start_date' ? dateMicros(constraint.start_date) : null;

const conditionText = (constraint: Constraint): string =>
  constraint.type === 'start_date' ? constraint.start_date : `${constraint.start_time}-${constraint.end_time}`;

const conditionOf = (constraint: Constraint | undefined): ((tsMicros: number) => boolean) => {
  if (constraint === undefined) return () => true;
  if (constraint.type === 'start_date') {
    const start = dateMicros(constraint.start_date);
    return (tsMicros) => start !== null && tsMicros >= start;
  }
  const start = timeOfDayMicros(constraint.start_time);
  const end = timeOfDayMicros(constraint.end_time);
  return (tsMicros) => {
    const time = ((tsMicros % MICROS_PER_DAY) + MICROS_PER_DAY) % MICROS_PER_DAY;
    return end < start ? time >= start || time < end : time >= start && time < end;
  };
};

/** `hh:mm:ss` with `Z` or `±hh:mm` → microseconds after midnight UTC. */
const timeOfDayMicros = (text: string): number => {
  const match = /^(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:Z|([+-])(\d{2}):(\d{2}))$/.exec(text);
  assert(match !== null, `the price catalogue has a time of day this code cannot read: ${text}`);
  const [, hours, minutes, seconds, sign, offsetHours = '0', offsetMinutes = '0'] = match;
  const offset = (Number(offsetHours) * 3600 + Number(offsetMinutes) * 60) * (sign === '-' ? -1 : 1);
  const time = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) - offset;
  return (((time * 1_000_000) % MICROS_PER_DAY) + MICROS_PER_DAY) % MICROS_PER_DAY;
};

const buildRates = (prices: ModelPrice): ReadonlyMap<string, Rate> => {
  const rates = new Map<string, Rate>();
  for (const [key, value] of Object.entries(prices)) {
    if (value === undefined) continue;
    const rate =
      typeof value === 'number'
        ? buildRate(key, String(value))
        : buildRate(
            key,
            String(value.base),
            value.tiers.map((tier) => ({ start: tier.start, usd: String(tier.price) })),
          );
    if (rate !== null) rates.set(key, rate);
  }
  return rates;
};

const ratesText = (price: Price): string =>
  [...price.rates]
    .map(([key, rate]) => `${key}=${rate.base}/${rate.tiers.map((tier) => `${tier.aboveInputTokens}:${tier.usd}`)}`)
    .sort()
    .join(';');
