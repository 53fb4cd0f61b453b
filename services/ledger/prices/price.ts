import { hash128 } from '../../../schemas/identity.ts';
import type { UnpricedReason } from '../../../schemas/ledger-entry.ts';
import { assert } from '../../runtime/errors.ts';
import { parseScaled } from '../money.ts';

/** Decimals a rate is kept with: the catalogue has up to 17. */
export const RATE_DECIMALS = 18;
/** Common multiple of every unit size (1e6 tokens, 1e3 requests, 3600 s, 1e9 pixels): lets all lines meet in one sum. */
export const COMMON_PER = 9_000_000_000n;

/** From more than `aboveInputTokens` of prompt on, the whole call is charged at this rate. */
export interface RateTier {
  readonly aboveInputTokens: number;
  readonly usd: bigint;
}

/** USD for `per` units, scaled by 10^RATE_DECIMALS. */
export interface Rate {
  readonly per: bigint;
  readonly base: bigint;
  /** Ascending thresholds. */
  readonly tiers: readonly RateTier[];
}

/** What of a model's own running is modelled where its telemetry does not measure it. Units are the names'. */
export interface LocalModel {
  /** GPUs a call holds while it runs. */
  readonly gpus: number;
  /** Calls that share them at a time: a server that batches. */
  readonly calls_at_once: number;
  /** Of one GPU with its share of the machine, while it works; null: not known. */
  readonly watts: number | null;
  /** The same while it waits; null: not known. */
  readonly idle_watts: number | null;
  /** Share of its hours in which a GPU works, above 0 and up to 1: the rest is paid by the calls; null: waiting is not billed. */
  readonly busy_share: number | null;
}

/** What one model costs at one provider at one time. Rate keys are the catalogue's: `input_mtok`, `cache_read_mtok` … */
export interface Price {
  readonly price_id: string;
  readonly source: string;
  readonly rates: ReadonlyMap<string, Rate>;
  /** The provider was not told (or speaks for others) and was inferred from the model's name. */
  readonly is_inferred: boolean;
  /** In force from then on, µs; null: as far back as anybody knows. */
  readonly effective_from: number | null;
  /** In force until then, µs, itself excluded; null: until further notice. */
  readonly effective_to: number | null;
  /** When we came to know of it, µs; null: nobody wrote that down, so it counts as always known. */
  readonly known_since: number | null;
  /** The provider's name in the catalogue, or as a price file has it; null: any. */
  readonly provider: string | null;
  /** How a model of one's own is run; null: a price by what is used. */
  readonly local: LocalModel | null;
  /** The service tier it is for; null: it says nothing of tiers, and another tier than the listed one costs otherwise. */
  readonly service_tier: string | null;
}

/** One call as far as its price goes. The price is that of the call's own time. */
export interface PriceQuery {
  readonly provider: string | null;
  readonly model: string | null;
  readonly tsMicros: number;
  readonly region: string | null;
  readonly tier: string | null;
  readonly tenant: string | null;
  readonly account: string | null;
  /** Only prices known since then or before, µs. Absent: everything known today. */
  readonly knownAtMicros?: number;
  /** Identity of a local model's weights, where the telemetry tells it. */
  readonly digest?: string | null;
  readonly quantisation?: string | null;
}

export type PriceRefusal = { readonly reason: Extract<UnpricedReason, 'no_price' | 'no_model' | 'ambiguous_model'> };
export type PriceAnswer = Price | PriceRefusal;

/** Looks prices up. Pure: the same query always gives the same answer. */
export interface PriceBook {
  /** Identity of all it says, 32 hex digits: two books with the same hash give the same answers. */
  readonly hash: string;
  readonly find: (query: PriceQuery) => PriceAnswer;
}

/** One list of prices. `no_price` lets the next source answer. */
export interface PriceSource extends PriceBook {
  readonly name: string;
}

/** Whether the book knows a price. */
export const isPrice = (answer: PriceAnswer): answer is Price => 'rates' in answer;

/** A book over several sources, first come first served: a user's own price stands before the catalogue's. */
export const bookOf = (sources: readonly PriceSource[]): PriceBook => ({
  hash: hash128(['price-book', ...sources.flatMap(({ name, hash }) => [name, hash])]),
  find: (query) => {
    if (query.model === null || query.model.trim() === '') return { reason: 'no_model' };
    for (const source of sources) {
      const answer = source.find(query);
      if (isPrice(answer) || answer.reason !== 'no_price') return answer;
    }
    return { reason: 'no_price' };
  },
});

/** Unit size by the ending of a rate key, as the catalogue's unit table has it. */
const PER_BY_SUFFIX: readonly (readonly [suffix: string, per: bigint])[] = [
  ['_mtok', 1_000_000n],
  ['_kcount', 1_000n],
  ['_mchars', 1_000_000n],
  ['_hours', 3_600n],
  ['_gpixels', 1_000_000_000n],
  ['_kpages', 1_000n],
  ['_kwh', 1n],
];
/** USD for one of whatever quantity follows: `each_images`. */
export const EACH = 'each_';

/** Unit size of a rate key, or null for a key whose unit is not known here. */
export const perOf = (key: string): bigint | null =>
  key.startsWith(EACH) ? 1n : (PER_BY_SUFFIX.find(([suffix]) => key.endsWith(suffix))?.[1] ?? null);

/** A rate from decimal text; null when the key's unit or a figure cannot be read, or a figure is negative. */
export const buildRate = (
  key: string,
  base: string,
  tiers: readonly { readonly start: number; readonly usd: string }[] = [],
): Rate | null => {
  const per = perOf(key);
  const scaled = parseScaled(base, RATE_DECIMALS);
  if (per === null || scaled === null || scaled < 0n) return null;
  assert(COMMON_PER % per === 0n, `unit size ${per} of ${key} does not divide the common multiple`);
  const built: RateTier[] = [];
  for (const tier of tiers) {
    const usd = parseScaled(tier.usd, RATE_DECIMALS);
    if (usd === null || usd < 0n) return null;
    built.push({ aboveInputTokens: tier.start, usd });
  }
  return { per, base: scaled, tiers: built.sort((a, b) => a.aboveInputTokens - b.aboveInputTokens) };
};
