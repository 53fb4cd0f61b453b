import { TOKEN_COLUMNS, type TokenBuckets, type TokenColumn } from '../../../schemas/ledger-entry.ts';
import { COST_DECIMALS, divideHalfEven, formatCost, scaleNumber } from '../money.ts';
import { type Basis, type LocalUse, localUse } from './local-use.ts';
import { COMMON_PER, EACH, type Price, RATE_DECIMALS, type Rate } from './price.ts';

/** What is billed of one call, or of an aggregate of calls. */
export interface BilledUsage {
  readonly tokens: TokenBuckets;
  /** Other billable quantities by name. */
  readonly quantities: Readonly<Record<string, number>>;
  readonly calls: number;
  /** An aggregate of unknown size: a prompt-size tier cannot be told, so the base rate stands. */
  readonly isAggregate: boolean;
  /** How long it took, µs, where a span says so: what a local model's GPU was held for, unless that is told. */
  readonly durationMicros?: number | null;
}

/** One line of a bill. `rate_key` differs from the bucket's own when a rate stands in for a missing one. */
export interface LineItem {
  readonly bucket: string;
  readonly quantity: number;
  /** Told by the telemetry, or worked out from how long the call took and what the price says of the machine. */
  readonly basis: Basis;
  readonly rate_key: string;
  /** USD per `per` units, decimal text. */
  readonly rate_usd: string;
  readonly per: number;
  /** Rounded so that the lines come to the total, which is rounded once from the exact sum. */
  readonly cost_usd: string;
}

export interface CostExplanation {
  readonly price_id: string;
  readonly lines: readonly LineItem[];
  /** Used quantities (images, searches …) this price says nothing of, and billed parts nobody knows: not part of the cost. */
  readonly unpriced_quantities: readonly string[];
  /** Sum of the lines, rounded half-even to 12 places; null when tokens were used that this price has no rate for. */
  readonly cost_usd: string | null;
  /** Parts of a local model's cost that are neither measured nor modelled; among the unpriced quantities as well. */
  readonly unknown_parts: readonly string[];
  /** How long the call took decides the cost, or would if it were told. */
  readonly isByDuration: boolean;
}

/**
 * Rates by bucket, first one present counts. A bucket without its own falls back to the one it would sit in:
 * cached reads and writes to input, reasoning to output, audio to text.
 */
const RATE_KEYS: Readonly<Record<TokenColumn, readonly string[]>> = {
  input_tokens: ['input_mtok'],
  cache_read_tokens: ['cache_read_mtok', 'input_mtok'],
  cache_write_tokens: ['cache_write_mtok', 'input_mtok'],
  cache_write_1h_tokens: ['cache_write_1h_mtok', 'cache_write_mtok', 'input_mtok'],
  output_tokens: ['output_mtok'],
  reasoning_tokens: ['output_reasoning_mtok', 'output_mtok'],
  audio_input_tokens: ['input_audio_mtok', 'input_mtok'],
  audio_output_tokens: ['output_audio_mtok', 'output_mtok'],
};

/** Quantities as families name them → the catalogue's rate keys. */
const QUANTITY_RATE_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ['web_searches', ['web_searches_kcount']],
  ['web_search_requests', ['web_searches_kcount']],
  ['storage_searches', ['storage_searches_kcount']],
  ['file_searches', ['storage_searches_kcount']],
  ['code_executions', ['code_executions_kcount']],
  ['audio_seconds', ['audio_hours', 'input_audio_hours']],
  ['input_audio_seconds', ['input_audio_hours', 'audio_hours']],
  ['pages', ['input_document_kpages']],
  ['characters', ['input_mchars']],
  ['gpu_seconds', ['gpu_hours']],
  ['kwh', ['energy_kwh']],
  ['idle_gpu_seconds', ['gpu_hours']],
  ['idle_kwh', ['energy_kwh']],
]);
const REQUESTS_RATE_KEY = 'requests_kcount';
/** Quantities come as floats (seconds; a call's kWh, which are few): this many decimals count. */
const QUANTITY_DECIMALS = 15;
/** Scale of a line before rounding: rate × quantity × common unit. */
const LINE_SCALE = 10n ** BigInt(RATE_DECIMALS + QUANTITY_DECIMALS) * COMMON_PER;

interface OpenLine {
  readonly item: Omit<LineItem, 'cost_usd'>;
  readonly exact: bigint;
}

/** The bill of one call, line by line. Whole-number arithmetic throughout. */
export const explainCost = (price: Price, usage: BilledUsage): CostExplanation => {
  const promptTokens = usage.isAggregate ? 0 : promptTokensPerCall(usage);
  const use = useOf(price, usage);
  const quantities = quantityLines(price, use, promptTokens);
  // Models sold by the hour or page list no token rates: their tokens are told but not billed.
  const isSoldByQuantity =
    !price.rates.has('input_mtok') && !price.rates.has('output_mtok') && quantities.lines.length > 0;
  const tokens = isSoldByQuantity ? NO_LINES : tokenLines(price, usage, promptTokens);
  const requests = lineOf(price, 'requests', usage.calls, [REQUESTS_RATE_KEY], promptTokens);
  const lines = [...quantities.lines, ...tokens.lines, ...(requests === null ? [] : [requests])];
  const whole = tokens.unpriced.length === 0;
  const shares = sharesOf(lines.map((line) => line.exact));
  return {
    price_id: price.price_id,
    lines: lines.map((line, at) => ({ ...line.item, cost_usd: formatCost(shares[at] ?? 0n) })),
    unpriced_quantities: [...quantities.unpriced, ...use.unknown],
    unknown_parts: use.unknown,
    isByDuration: isByDuration(price, usage),
    cost_usd: whole ? formatCost(shares.reduce((sum, share) => sum + share, 0n)) : null,
  };
};

/**
 * Exact amounts → units of 10^-COST_DECIMALS that come to their sum rounded once: each rounded down, and what is left given
 * to those that lost most (of equals to the first).
 */
const sharesOf = (exact: readonly bigint[]): readonly bigint[] => {
  const units = exact.map((amount) => amount * 10n ** BigInt(COST_DECIMALS));
  const down = units.map((amount) => amount / LINE_SCALE);
  const total = divideHalfEven(
    units.reduce((sum, amount) => sum + amount, 0n),
    LINE_SCALE,
  );
  const left = Number(total - down.reduce((sum, amount) => sum + amount, 0n));
  const lost = units.map((amount, at) => ({ at, rest: amount % LINE_SCALE }));
  lost.sort((a, b) => (a.rest === b.rest ? a.at - b.at : a.rest > b.rest ? -1 : 1));
  const more = new Set(lost.slice(0, left).map(({ at }) => at));
  return down.map((amount, at) => (more.has(at) ? amount + 1n : amount));
};

interface Lines {
  readonly lines: readonly OpenLine[];
  readonly unpriced: readonly string[];
}
const NO_LINES: Lines = { lines: [], unpriced: [] };

const useOf = (price: Price, usage: BilledUsage): LocalUse =>
  price.local === null
    ? { quantities: usage.quantities, modelled: NOTHING, unknown: [] }
    : localUse(price.local, usage.quantities, usage.durationMicros ?? null, new Set(price.rates.keys()));
const NOTHING: ReadonlySet<string> = new Set();

const isByDuration = (price: Price, { quantities }: BilledUsage): boolean =>
  price.local !== null && quantities['gpu_seconds'] === undefined && quantities['inference_seconds'] === undefined;

const quantityLines = (price: Price, use: LocalUse, promptTokens: number): Lines =>
  collect(
    Object.entries(use.quantities)
      .filter(([name]) => !isOnlyUsed(price, use, name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    (name, quantity) =>
      lineOf(price, name, quantity, keysOf(name), promptTokens, use.modelled.has(name) ? 'modelled' : 'measured'),
  );

/** What a local price works with and does not bill is no quantity without a price. */
const isOnlyUsed = (price: Price, use: LocalUse, name: string): boolean =>
  (use.modelled.has(name) || (price.local !== null && name === 'inference_seconds')) &&
  !keysOf(name).some((key) => price.rates.has(key));

const keysOf = (name: string): readonly string[] => [`${EACH}${name}`, ...(QUANTITY_RATE_KEYS.get(name) ?? [])];

const tokenLines = (price: Price, usage: BilledUsage, promptTokens: number): Lines =>
  collect(
    TOKEN_COLUMNS.map((column) => [column, usage.tokens[column] ?? 0] as const),
    (column, quantity) => lineOf(price, column, quantity, RATE_KEYS[column], promptTokens),
  );

const collect = <Name extends string>(
  amounts: readonly (readonly [name: Name, quantity: number])[],
  build: (name: Name, quantity: number) => OpenLine | null,
): Lines => {
  const lines: OpenLine[] = [];
  const unpriced: string[] = [];
  for (const [name, quantity] of amounts) {
    if (quantity <= 0) continue;
    const line = build(name, quantity);
    if (line === null) unpriced.push(name);
    else lines.push(line);
  }
  return { lines, unpriced };
};

const lineOf = (
  price: Price,
  bucket: string,
  quantity: number,
  keys: readonly string[],
  promptTokens: number,
  basis: Basis = 'measured',
): OpenLine | null => {
  const scaled = scaleNumber(quantity, QUANTITY_DECIMALS);
  const key = keys.find((candidate) => price.rates.has(candidate));
  const rate = key === undefined ? undefined : price.rates.get(key);
  if (key === undefined || rate === undefined || scaled === null) return null;
  const usd = rateFor(rate, promptTokens);
  const exact = scaled * usd * (COMMON_PER / rate.per);
  const item = {
    bucket,
    quantity,
    basis,
    rate_key: key,
    rate_usd: formatCost(divideHalfEven(usd, 10n ** BigInt(RATE_DECIMALS - COST_DECIMALS))),
    per: Number(rate.per),
  };
  return { item, exact };
};

/** The whole call is charged at the tier its prompt reaches, as every provider in the catalogue does. */
const rateFor = (rate: Rate, promptTokens: number): bigint =>
  rate.tiers.findLast((tier) => promptTokens > tier.aboveInputTokens)?.usd ?? rate.base;

const promptTokensPerCall = ({ tokens, calls }: BilledUsage): number =>
  ((tokens.input_tokens ?? 0) +
    (tokens.cache_read_tokens ?? 0) +
    (tokens.cache_write_tokens ?? 0) +
    (tokens.cache_write_1h_tokens ?? 0) +
    (tokens.audio_input_tokens ?? 0)) /
  Math.max(1, calls);
