import { given, type Query, READ_SETTINGS, type TimeRange, tenantIs, timeWithin, whereOf } from './query.ts';

/** A price of the book in force, as `prices` has it. Rates in USD, decimal text, by rate key. */
export interface PriceRow {
  readonly price_id: string;
  readonly source: string;
  readonly provider: string | null;
  readonly models: readonly string[];
  readonly tenant_id: string | null;
  readonly account: string | null;
  readonly region: string | null;
  readonly service_tier: string | null;
  readonly digest: string | null;
  readonly quantisation: string | null;
  readonly effective_from: string | null;
  readonly effective_to: string | null;
  readonly known_since: string | null;
  readonly currency: string;
  readonly percent_off: string | null;
  readonly rates: Readonly<Record<string, string>>;
  readonly long_context: Readonly<Record<string, string>>;
  readonly local_model: string | null;
}

/** The book that was loaded last. */
export interface PriceBookRow {
  readonly price_book: string;
  readonly catalogue: string;
  readonly files: readonly string[];
  readonly prices: number;
  readonly loaded_at: string;
}

/** Which book is in force; no row before a ledger has started. */
export const priceBookQuery = (): Query => ({
  sql: `SELECT price_book, catalogue, mapKeys(files) AS files, prices, loaded_at FROM price_books FINAL
ORDER BY loaded_at DESC LIMIT 1
${READ_SETTINGS}`,
  params: {},
});

const IN_FORCE = 'price_book = (SELECT argMax(price_book, loaded_at) FROM price_books)';

/** Prices in force, own ones first. A caller of one tenant sees no other tenant's. */
export const pricesQuery = (input: {
  readonly tenant: string | null;
  readonly model?: string | undefined;
  readonly source?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}): Query => {
  const where = whereOf([
    { sql: IN_FORCE, params: {} },
    input.tenant === null
      ? undefined
      : { sql: '(tenant_id IS NULL OR tenant_id = {tenant:String})', params: { tenant: input.tenant } },
    given(input.source, 'source', 'source = {source:String}'),
    given(
      input.model?.toLowerCase(),
      'model',
      'arrayExists(name -> position(lower(name), {model:String}) > 0, models)',
    ),
    given(
      input.after,
      'after',
      '(source LIKE {list:String}, price_id) > ({after:String} LIKE {list:String}, {after:String})',
    ),
  ]);
  return {
    sql: `SELECT price_id, source, provider, models, tenant_id, account, region, service_tier, digest, quantisation,
  effective_from, effective_to, known_since, currency, toString(percent_off) AS percent_off,
  mapApply((name, usd) -> (name, toString(usd)), rates) AS rates, long_context, local_model
FROM prices FINAL
${where.sql}
ORDER BY source LIKE {list:String}, price_id
LIMIT ${input.limit + 1}
${READ_SETTINGS}`,
    params: { ...where.params, list: 'genai-prices%' },
  };
};

/** Names of models that have a price, of all providers; to look a name up that has none. */
export const knownModelsQuery = (): Query => ({
  sql: `SELECT DISTINCT provider, arrayJoin(models) AS model FROM prices FINAL
WHERE ${IN_FORCE} AND source != 'capacity' AND NOT endsWith(model, '*') LIMIT 20000
${READ_SETTINGS}`,
  params: {},
});

/** Sums of calls without a cost, by what they asked. `reason`: as `unpriced_reason` of the bookings. */
export interface UnpricedRow {
  readonly provider: string | null;
  readonly model: string | null;
  readonly reason: string;
  readonly calls: number;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly runs: number;
  readonly first_ts: string;
  readonly last_ts: string;
  readonly example_tenant_id: string;
  readonly example_run_id: string;
}

const INPUT = [
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'cache_write_1h_tokens',
  'audio_input_tokens',
];
const OUTPUT = ['output_tokens', 'reasoning_tokens', 'audio_output_tokens'];
/** Sum of what was told; NULL when nothing was. */
const told = (columns: readonly string[]): string =>
  `if(${columns.map((column) => `count(e.${column})`).join(' + ')} = 0, NULL, ${columns.map((column) => `ifNull(sum(e.${column}), 0)`).join(' + ')})`;

/** Models without a price, most calls first. Calls nobody told tokens of lack telemetry, not a price: they are left out. */
export const unpricedQuery = (input: {
  readonly tenant: string | null;
  readonly range: TimeRange;
  readonly limit: number;
}): Query => {
  const where = whereOf([
    tenantIs(input.tenant),
    timeWithin('ts', input.range),
    { sql: "e.unpriced_reason IN ('no_price', 'no_model', 'ambiguous_model')", params: {} },
  ]);
  return {
    sql: `SELECT toString(e.provider) AS provider, toString(e.model) AS model, toString(assumeNotNull(e.unpriced_reason)) AS reason,
  sum(e.calls) AS calls, ${told(INPUT)} AS input_tokens, ${told(OUTPUT)} AS output_tokens,
  uniqExact(e.run_id) AS runs, min(e.ts) AS first_ts, max(e.ts) AS last_ts,
  argMax(toString(e.tenant_id), e.ts) AS example_tenant_id, argMax(e.run_id, e.ts) AS example_run_id
FROM ledger_entries AS e
${where.sql}
GROUP BY e.provider, e.model, e.unpriced_reason
HAVING calls != 0
ORDER BY calls DESC, model, provider
LIMIT ${input.limit}
${READ_SETTINGS}`,
    params: where.params,
  };
};

/** What share of the calls a total over them covers. */
export interface CoverageRow {
  readonly calls: number;
  readonly priced_calls: number;
  readonly cost_usd: string | null;
}

/** Calls of the range, and how many of them have a cost. */
export const coverageQuery = (input: { readonly tenant: string | null; readonly range: TimeRange }): Query => {
  const where = whereOf([tenantIs(input.tenant), timeWithin('ts', input.range)]);
  return {
    sql: `SELECT sum(e.calls) AS calls, sumIf(e.calls, e.cost_usd IS NOT NULL) AS priced_calls, toString(sum(e.cost_usd)) AS cost_usd
FROM ledger_entries AS e
${where.sql}
${READ_SETTINGS}`,
    params: where.params,
  };
};

/** What a model costs by what is got for it, of cloud and own models alike. Figures of priced calls only. */
export interface ModelUseRow {
  readonly provider: string | null;
  readonly model: string | null;
  readonly is_local: boolean;
  readonly calls: number;
  readonly priced_calls: number;
  readonly runs: number;
  readonly output_tokens: number | null;
  readonly cost_usd: string | null;
  readonly usd_per_run: string | null;
  readonly usd_per_1k_output: string | null;
}

/** Models in use on one axis: dollars in all, a run, and a thousand tokens of output. */
export const modelUseQuery = (input: {
  readonly tenant: string | null;
  readonly range: TimeRange;
  readonly limit: number;
}): Query => {
  const where = whereOf([tenantIs(input.tenant), timeWithin('ts', input.range)]);
  return {
    sql: `WITH (SELECT groupUniqArray(price_id) FROM prices WHERE local_model IS NOT NULL) AS local_ids
SELECT provider, model, is_local, calls, priced_calls, runs, output_tokens, toString(cost) AS cost_usd,
  if(runs = 0, NULL, toString(divideDecimal(cost, toDecimal128(runs, 0), 12))) AS usd_per_run,
  if(ifNull(priced_output, 0) <= 0, NULL, toString(divideDecimal(cost * 1000, toDecimal128(assumeNotNull(priced_output), 0), 12))) AS usd_per_1k_output
FROM (
  SELECT toString(e.provider) AS provider, toString(e.model) AS model, toBool(max(has(local_ids, e.price_id))) AS is_local,
    sum(e.calls) AS calls, sumIf(e.calls, e.cost_usd IS NOT NULL) AS priced_calls,
    uniqExactIf(e.run_id, e.cost_usd IS NOT NULL) AS runs, ${told(OUTPUT)} AS output_tokens, sum(e.cost_usd) AS cost,
    sumIf(ifNull(e.output_tokens, 0) + ifNull(e.reasoning_tokens, 0) + ifNull(e.audio_output_tokens, 0), e.cost_usd IS NOT NULL) AS priced_output
  FROM ledger_entries AS e
  ${where.sql}
  GROUP BY e.provider, e.model
  HAVING calls != 0
)
ORDER BY cost DESC NULLS LAST, calls DESC, model
LIMIT ${input.limit}
${READ_SETTINGS}`,
    params: where.params,
  };
};

/** Capacity bought by the hour: what it came to in a range, whether it was used or not. */
export interface CapacityRow {
  readonly price_id: string;
  readonly provider: string | null;
  readonly model: string;
  readonly tenant_id: string | null;
  readonly units: number;
  readonly hours: number;
  readonly usd_per_unit_hour: string;
  readonly cost_usd: string;
}

/** Hours begun within the range and not beyond `until`, times units, times the price. A line of its own: no call carries it. */
export const capacityQuery = (input: {
  readonly tenant: string | null;
  readonly range: TimeRange;
  readonly untilMs: number;
  /** Only that of a provider, of a model; what is good for any model is no one model's. */
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
}): Query => ({
  sql: `SELECT price_id, provider, model, tenant_id, units, hours, toString(rate) AS usd_per_unit_hour,
  toString(toDecimal128(toDecimal128(rate, 12) * toDecimal128(hours, 0) * toDecimal128(toString(units), 6), 12)) AS cost_usd
FROM (
  SELECT price_id, provider, models[1] AS model, tenant_id, JSONExtractFloat(assumeNotNull(local_model), 'units') AS units,
    rates['each_unit_hours'] AS rate,
    greatest({from_ms:Int64}, ifNull(toUnixTimestamp64Milli(effective_from), {from_ms:Int64})) AS begin_ms,
    least({to_ms:Int64}, {until_ms:Int64}, ifNull(toUnixTimestamp64Milli(effective_to), {to_ms:Int64})) AS end_ms,
    greatest(0, intDiv(end_ms + 3599999, 3600000) - intDiv(begin_ms + 3599999, 3600000)) AS hours
  FROM prices FINAL
  WHERE source = 'capacity' AND ${IN_FORCE} AND ({tenant:Nullable(String)} IS NULL OR tenant_id IS NULL OR tenant_id = {tenant:Nullable(String)})
)
WHERE hours > 0 AND ({provider:Nullable(String)} IS NULL OR provider = {provider:Nullable(String)})
  AND ({model:Nullable(String)} IS NULL OR model = lower({model:Nullable(String)}))
ORDER BY price_id
LIMIT 1000
${READ_SETTINGS}`,
  params: {
    tenant: input.tenant,
    from_ms: input.range.fromMs,
    to_ms: input.range.toMs,
    until_ms: input.untilMs,
    provider: input.provider ?? null,
    model: input.model ?? null,
  },
});
