import { z } from 'zod';
import { readPriceBook, readPriceUse, readUnpriced } from '../price-reads.ts';
import { type PriceRow, pricesQuery } from '../queries/prices.ts';
import { read } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { limitInput, momentInput, rangeOf, tenantInput } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { capacityLine, rangeShape } from './shapes.ts';

const name = z.string().max(512).optional();
const nullableText = z.string().nullable();

const priceShape = z.object({
  price_id: z.string(),
  source: z.string().describe('`own`: a file of config/prices; `capacity`: bought by the hour; else the public list.'),
  provider: nullableText,
  models: z.array(z.string()),
  tenant_id: nullableText,
  account: nullableText,
  region: nullableText,
  service_tier: nullableText,
  digest: nullableText,
  quantisation: nullableText,
  effective_from: nullableText,
  effective_to: nullableText,
  known_since: nullableText,
  currency: z.string().describe('As written; rates are in USD.'),
  percent_off: nullableText,
  rates: z.record(z.string(), z.string()).describe('USD by rate key, decimal text.'),
  long_context: z.record(z.string(), z.string()),
  local_model: nullableText,
});

const bookShape = z
  .object({
    price_book: z.string(),
    catalogue: z.string(),
    files: z.array(z.string()),
    prices: z.number(),
    loaded_at: z.string(),
  })
  .nullable()
  .describe('The book that was loaded last; null: no ledger has started yet.');

const listPrices = defineRoute({
  method: 'GET',
  path: '/prices',
  summary: 'Prices in force: your own, then the public list.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    tenant: tenantInput,
    model: name.describe('Part of a model name.'),
    source: name.describe('`own`, `capacity`, or the name of the public list.'),
    after: name.describe('`next_after` of the page before.'),
    limit: limitInput(200, 2000),
  }),
  body: noBody,
  answer: z.object({ book: bookShape, prices: z.array(priceShape), next_after: nullableText }),
  run: async ({ caller, query }, context) => {
    const [book, rows] = await Promise.all([
      readPriceBook(context.store),
      read<PriceRow>(context, pricesQuery({ ...query, tenant: tenantScope(caller, query.tenant) })),
    ]);
    const prices = rows.slice(0, query.limit);
    return {
      book: book === null ? null : { ...book, files: [...book.files] },
      prices: prices.map((price) => ({
        ...price,
        models: [...price.models],
        rates: { ...price.rates },
        long_context: { ...price.long_context },
      })),
      next_after: rows.length > query.limit ? (prices.at(-1)?.price_id ?? null) : null,
    };
  },
});

const rangeInput = {
  tenant: tenantInput,
  from: momentInput('Calls at or after this moment; default: 24 hours before `to`.'),
  to: momentInput('Calls before this moment; default: now.'),
};

const listUnpriced = defineRoute({
  method: 'GET',
  path: '/prices/unpriced',
  summary:
    'Models without a price, with calls, tokens and the nearest known names; and the share of calls totals cover.',
  needs: 'read',
  params: noParams,
  query: z.strictObject(rangeInput),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    coverage: z.object({
      calls: z.number(),
      priced_calls: z.number(),
      share: z.number().nullable().describe('Of calls with a cost, 0 to 1; null: no calls.'),
      cost_usd: nullableText.describe('What the priced ones came to.'),
    }),
    models: z.array(
      z.object({
        provider: nullableText,
        model: nullableText,
        reason: z.string(),
        calls: z.number(),
        input_tokens: z.number().nullable(),
        output_tokens: z.number().nullable(),
        runs: z.number(),
        first_ts: z.string(),
        last_ts: z.string(),
        example_tenant_id: z.string(),
        example_run_id: z.string(),
        nearest: z.array(z.object({ provider: nullableText, model: z.string() })),
      }),
    ),
    is_cut: z.boolean(),
  }),
  run: async ({ caller, query }, context) => {
    const range = rangeOf(query, context.clock.nowMs());
    const { coverage, models, is_cut } = await readUnpriced(context.store, {
      tenant: tenantScope(caller, query.tenant),
      range,
    });
    return {
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      coverage: { ...coverage, share: coverage.calls === 0 ? null : coverage.priced_calls / coverage.calls },
      models: models.map((model) => ({ ...model, nearest: model.nearest.map((one) => ({ ...one })) })),
      is_cut,
    };
  },
});

const listUse = defineRoute({
  method: 'GET',
  path: '/prices/use',
  summary:
    'Models in use on one axis, cloud and your own: dollars in all, a run, a thousand output tokens; and capacity.',
  needs: 'read',
  params: noParams,
  query: z.strictObject(rangeInput),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    models: z.array(
      z.object({
        provider: nullableText,
        model: nullableText,
        is_local: z.boolean(),
        calls: z.number(),
        priced_calls: z.number().describe('The figures below are of these.'),
        runs: z.number(),
        output_tokens: z.number().nullable(),
        cost_usd: nullableText,
        usd_per_run: nullableText,
        usd_per_1k_output: nullableText,
      }),
    ),
    capacity: z.array(z.object(capacityLine)),
  }),
  run: async ({ caller, query }, context) => {
    const nowMs = context.clock.nowMs();
    const range = rangeOf(query, nowMs);
    const use = await readPriceUse(context.store, { tenant: tenantScope(caller, query.tenant), range }, nowMs);
    return {
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      models: use.models.map((model) => ({ ...model })),
      capacity: use.capacity.map((line) => ({ ...line })),
    };
  },
});

export const priceRoutes: readonly Route[] = [listPrices, listUnpriced, listUse];
