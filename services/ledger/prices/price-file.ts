import { type Document, isScalar, visit } from 'yaml';
import { z } from 'zod';
import { isTenant } from '../../../schemas/tenant.ts';
import type { ConfigProblem } from '../../runtime/errors.ts';
import { readYaml } from '../../runtime/yaml-file.ts';
import { parseScaled } from '../money.ts';
import { timeMicros } from '../utc-time.ts';
import { EACH, perOf, RATE_DECIMALS } from './price.ts';

/** The shape of a file of `config/prices`. Amounts and times are read as they are written, never through a float. */

const PRICES_MAX = 2_000;
const MODELS_MAX = 200;
const RATES_MAX = 50;
const TIERS_MAX = 20;
const CURRENCY_RATES_MAX = 5_000;

const text = (max: number) =>
  z
    .string({ error: `text, ${max} characters at most` })
    .min(1, 'a text')
    .max(max);
const PLAIN = /^\d{1,12}(?:\.\d{1,18})?$/;
const AMOUNT_ERROR = 'an amount of 0 or more, 18 decimal places at most, such as 3 or "0.15"';
const amount = z
  .union([z.string(), z.number()], { error: AMOUNT_ERROR })
  .transform(String)
  .refine((value) => PLAIN.test(value), AMOUNT_ERROR);
const TIME_ERROR = 'a day (its midnight UTC) or a time of UTC, such as 2026-03-01 or 2026-03-01T12:00:00Z';
const time = z
  .string({ error: TIME_ERROR })
  .transform(timeMicros)
  .refine((micros): micros is number => micros !== null, TIME_ERROR);
const PERCENT_ERROR = 'percent from -1000 (dearer) to 100, six decimal places at most, such as 15 or "12.5"';
const percent = z
  .union([z.string(), z.number()], { error: PERCENT_ERROR })
  .transform(String)
  .refine((value) => /^-?\d{1,4}(?:\.\d{1,6})?$/.test(value) && Number(value) >= -1000 && Number(value) <= 100, {
    error: PERCENT_ERROR,
  });
const currency = z.string({ error: 'three capital letters, such as EUR' }).regex(/^[A-Z]{3}$/, 'three capital letters');
const positive = (max: number) => {
  const error = `a number above 0 and up to ${max}`;
  return z.number({ error }).refine((value) => value > 0 && value <= max, error);
};

const RATE = z.union([
  amount,
  z.strictObject({
    base: amount,
    long_context: z
      .array(
        z.strictObject({
          above_prompt_tokens: z.number({ error: 'tokens, a whole number above 0' }).int().positive(),
          price: amount,
        }),
      )
      .min(1)
      .max(TIERS_MAX),
  }),
]);
const RATE_KEY_ERROR = `a rate such as input_mtok, cache_write_1h_mtok, requests_kcount or ${EACH}images`;
/** The keys the catalogue uses, for which buckets and quantities are known, and one of any quantity. */
export const RATE_KEYS_KNOWN: ReadonlySet<string> = new Set([
  'input_mtok',
  'cache_read_mtok',
  'cache_write_mtok',
  'cache_write_1h_mtok',
  'output_mtok',
  'output_reasoning_mtok',
  'input_audio_mtok',
  'output_audio_mtok',
  'requests_kcount',
  'web_searches_kcount',
  'storage_searches_kcount',
  'code_executions_kcount',
  'audio_hours',
  'input_audio_hours',
  'input_document_kpages',
  'input_mchars',
]);
const isRateKey = (key: string): boolean =>
  RATE_KEYS_KNOWN.has(key) || (/^each_[a-z0-9_]{1,60}$/.test(key) && perOf(key) !== null);

const LOCAL = z
  .strictObject({
    gpu_per_hour: amount.optional(),
    energy_per_kwh: amount.optional(),
    gpus: positive(1024).default(1),
    calls_at_once: positive(10_000).default(1),
    watts: positive(100_000).optional(),
    idle_watts: positive(100_000).optional(),
    busy_share: positive(1).optional(),
  })
  .refine(
    ({ gpu_per_hour, energy_per_kwh }) => gpu_per_hour !== undefined || energy_per_kwh !== undefined,
    'gpu_per_hour or energy_per_kwh',
  );

const MODEL_ERROR = 'a model name, or the beginning of one followed by *, such as gpt-5* or *';
const PRICE = z.strictObject({
  id: z
    .string({ error: 'letters, digits, . _ -, 64 at most' })
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, . _ -'),
  provider: text(100).optional(),
  models: z
    .array(z.string({ error: MODEL_ERROR }).regex(/^[^*]{1,256}\*?$|^\*$/, MODEL_ERROR))
    .min(1)
    .max(MODELS_MAX),
  tenant: z.string().refine(isTenant, 'a tenant: letters, digits and .@_-, 64 at most').optional(),
  account: text(300).optional(),
  region: text(100).optional(),
  service_tier: text(60).optional(),
  digest: text(200).optional(),
  quantisation: text(60).optional(),
  effective_from: time.optional(),
  effective_to: time.optional(),
  known_since: time.optional(),
  currency: currency.default('USD'),
  percent_off: percent.optional(),
  rates: z
    .record(z.string(), RATE)
    .refine((rates) => Object.keys(rates).length > 0, 'at least one rate')
    .refine((rates) => Object.keys(rates).length <= RATES_MAX, `${RATES_MAX} rates at most`)
    .optional(),
  local: LOCAL.optional(),
});

const CAPACITY = z.strictObject({
  id: PRICE.shape.id,
  provider: text(100),
  model: text(256).optional(),
  tenant: PRICE.shape.tenant,
  account: PRICE.shape.account,
  units: positive(1_000_000).default(1),
  per_unit_hour: amount,
  currency: currency.default('USD'),
  effective_from: time,
  effective_to: time.optional(),
  known_since: time.optional(),
});

const FILE = z.strictObject({
  currencies: z
    .record(
      currency,
      z
        .array(z.strictObject({ from: time, usd: amount, known_since: time.optional() }))
        .min(1)
        .max(CURRENCY_RATES_MAX),
    )
    .nullish(),
  prices: z.array(PRICE).max(PRICES_MAX, `${PRICES_MAX} prices at most`).nullish(),
  capacity: z.array(CAPACITY).max(PRICES_MAX, `${PRICES_MAX} at most`).nullish(),
});

type Placed = { readonly place: string };
/** A price as written, with `file:line:column` of where. Times in µs, amounts as decimal text. */
export type WrittenPrice = z.output<typeof PRICE> & Placed;
export type WrittenCapacity = z.output<typeof CAPACITY> & Placed;
export interface WrittenCurrencyRate extends Placed {
  readonly currency: string;
  readonly from: number;
  readonly usd: string;
  readonly known_since: number | null;
}

export interface PriceFile {
  readonly currencies: readonly WrittenCurrencyRate[];
  readonly prices: readonly WrittenPrice[];
  readonly capacity: readonly WrittenCapacity[];
}

export type PriceFileRead =
  | { readonly kind: 'ok'; readonly file: PriceFile }
  | { readonly kind: 'wrong'; readonly problems: readonly ConfigProblem[] };

/** Reads the text of a price file, or says everything that is wrong with it as `file:line:column`. */
export const readPriceFile = (file: string, yaml: string): PriceFileRead => {
  const read = readYaml(file, yaml, {
    schema: FILE,
    empty: {},
    noun: 'prices',
    keysAt,
    prepare: keepAsWritten,
    hasColumns: true,
  });
  if (read.kind === 'wrong') return read;
  const { value, placeOf } = read;
  const at = (path: readonly PropertyKey[]): string => `${file}:${placeOf(path)}`;
  const problems = (value.prices ?? []).flatMap((price, n) =>
    priceProblems(price).map(([path, shown, allowed]) => ({
      key: `${at(['prices', n, ...path])} ${['prices', n, ...path].join('.')}`,
      value: shown,
      allowed,
    })),
  );
  if (problems.length > 0) return { kind: 'wrong', problems };
  return {
    kind: 'ok',
    file: {
      currencies: Object.entries(value.currencies ?? {}).flatMap(([name, rates]) =>
        rates.map(({ from, usd, known_since = null }, n) => ({
          ...{ currency: name, from, usd, known_since },
          place: at(['currencies', name, n]),
        })),
      ),
      prices: (value.prices ?? []).map((price, n) => ({ ...price, place: at(['prices', n]) })),
      capacity: (value.capacity ?? []).map((capacity, n) => ({ ...capacity, place: at(['capacity', n]) })),
    },
  };
};

type Wrong = readonly [path: readonly string[], shown: string, allowed: string];

/** What is wrong with a price as a whole. */
const priceProblems = (price: z.output<typeof PRICE>): readonly Wrong[] => {
  const wrong: Wrong[] = [];
  const { effective_from: from, effective_to: to, rates = {} } = price;
  if (from !== undefined && to !== undefined && to <= from)
    wrong.push([['effective_to'], 'not after effective_from', 'a time after effective_from']);
  if (price.percent_off === undefined && price.rates === undefined && price.local === undefined)
    wrong.push([[], 'no price', 'percent_off, rates or local']);
  if (price.local !== undefined && (price.percent_off !== undefined || price.rates !== undefined))
    wrong.push([
      ['local'],
      'beside another price',
      'local alone: what a model of your own costs to run is all of its price',
    ]);
  for (const key of Object.keys(rates)) if (!isRateKey(key)) wrong.push([['rates', key], key, RATE_KEY_ERROR]);
  for (const [key, rate] of Object.entries(rates)) {
    if (typeof rate === 'string') continue;
    const above = rate.long_context.map((tier) => tier.above_prompt_tokens);
    if (above.some((tokens, n) => n > 0 && tokens <= (above[n - 1] ?? 0)))
      wrong.push([['rates', key, 'long_context'], above.join(', '), 'each above more tokens than the one before']);
  }
  return wrong;
};

/** Amounts and days stay text: as YAML numbers they would be rounded before anybody could say so. */
const keepAsWritten = (document: Document): void => {
  visit(document, {
    Pair: (_, { key, value }) => {
      if (!isScalar(key) || PLAIN_NUMBERS.has(String(key.value))) return;
      if (!isScalar(value) || typeof value.value !== 'number') return;
      if (/^-?\d+\.\d+$/.test(value.source ?? '') && String(value.value) !== value.source) value.value = value.source;
    },
  });
};

const PLAIN_NUMBERS: ReadonlySet<string> = new Set([
  'gpus',
  'calls_at_once',
  'watts',
  'idle_watts',
  'busy_share',
  'units',
]);

const SHAPES: Readonly<Record<string, z.ZodObject>> = { prices: PRICE, capacity: CAPACITY };
const keysAt = (path: readonly PropertyKey[]): string => {
  const [list] = path;
  if (list === undefined) return Object.keys(FILE.shape).join(', ');
  if (path.includes('local')) return 'gpu_per_hour, energy_per_kwh, gpus, calls_at_once, watts, idle_watts, busy_share';
  if (path.includes('long_context')) return 'above_prompt_tokens, price';
  if (path.includes('rates')) return 'base, long_context';
  if (list === 'currencies') return 'from, usd, known_since';
  return Object.keys(SHAPES[String(list)]?.shape ?? {}).join(', ');
};

/** An amount as written, scaled by 10^RATE_DECIMALS. */
export const scaledAmount = (written: string): bigint => parseScaled(written, RATE_DECIMALS) ?? 0n;
