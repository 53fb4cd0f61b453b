import { readFileSync } from 'node:fs';
import { calcPrice, waitForUpdate } from '@pydantic/genai-prices';
import { describe, expect, test } from 'vitest';
import { NO_TOKENS, type TokenBuckets } from '../../../schemas/ledger-entry.ts';
import { tableSource } from '../step-fixture.ts';
import { CATALOGUE_PROVIDERS, CATALOGUE_VERSION, createCatalogue, createCatalogueSource } from './catalogue.ts';
import { type BilledUsage, explainCost } from './cost.ts';
import { isPrice, type Price, type PriceQuery, type PriceSource } from './price.ts';
import { createPriceBook } from './registry.ts';

const usageOf = (tokens: Partial<TokenBuckets>, more: Partial<BilledUsage> = {}): BilledUsage => ({
  tokens: { ...NO_TOKENS, ...tokens },
  quantities: {},
  calls: 1,
  isAggregate: false,
  ...more,
});
const micros = (iso: string): number => Date.parse(iso) * 1000;
const queryOf = (provider: string | null, model: string | null, iso = '2026-11-20T12:00:00Z'): PriceQuery => ({
  provider,
  model,
  tsMicros: micros(iso),
  region: null,
  tier: null,
  tenant: null,
  account: null,
});
const book = createPriceBook();
const priceOf = (query: PriceQuery): Price => {
  const answer = book.find(query);
  if (!isPrice(answer)) throw new Error(`${query.provider}/${query.model}: ${answer.reason}`);
  return answer;
};
const costOf = (query: PriceQuery, tokens: Partial<TokenBuckets>): string | null =>
  explainCost(priceOf(query), usageOf(tokens)).cost_usd;

const SAMPLES = [
  { input_tokens: 1000, cache_read_tokens: 300, cache_write_tokens: 50, output_tokens: 77 },
  { input_tokens: 250_000, cache_read_tokens: 40_000, cache_write_tokens: 1_000, output_tokens: 5_000 },
];

/** Compares with the library's floats; false when ours is unknown: a rate is missing for which it charges nothing. */
const isAsTheirs = (
  source: PriceSource,
  provider: string,
  model: string,
  time: string,
  tokens: (typeof SAMPLES)[number],
): boolean => {
  const found = source.find(queryOf(provider, model, time));
  const prompt = tokens.input_tokens + tokens.cache_read_tokens + tokens.cache_write_tokens;
  const options = { providerId: provider, timestamp: new Date(time) };
  const theirs = calcPrice({ ...tokens, input_tokens: prompt }, model, options);
  expect([model, isPrice(found)]).toEqual([model, theirs !== null]);
  if (theirs === null || !isPrice(found)) return false;
  const ours = explainCost(found, usageOf(tokens)).cost_usd;
  if (ours === null) return false;
  const difference = Math.abs(Number(ours) - theirs.total_price);
  expect([model, difference <= Math.max(1e-9, theirs.total_price * 1e-9)]).toEqual([model, true]);
  return true;
};

describe('the catalogue', () => {
  test('is read whole: every provider in its order, at the version that is installed', async () => {
    const manifest = new URL('../../../node_modules/@pydantic/genai-prices/package.json', import.meta.url);
    expect(JSON.parse(readFileSync(manifest, 'utf8'))).toMatchObject({ version: CATALOGUE_VERSION });
    expect((await waitForUpdate())?.map((provider) => provider.id)).toEqual(CATALOGUE_PROVIDERS);
  });

  test('agrees with the library on every model it lists, at several times and prompt sizes', async () => {
    const source = createCatalogue();
    const times = ['2025-01-01T03:00:00Z', '2026-08-01T17:00:00Z', '2027-06-01T07:00:00Z'];
    const models = ((await waitForUpdate()) ?? []).flatMap(({ id, models }) => models.map((model) => [id, model.id]));
    let compared = 0;
    for (const [provider = '', model = ''] of models) {
      for (const time of times) {
        for (const tokens of SAMPLES) if (isAsTheirs(source, provider, model, time, tokens)) compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(8000);
  });

  test('is asked by the names of the GenAI conventions, and with dates and prefixes', () => {
    const sonnet = priceOf(queryOf('anthropic', 'claude-sonnet-4-5-20250929')).price_id;
    expect(sonnet).toBe(`genai-prices-${CATALOGUE_VERSION}:anthropic/claude-sonnet-4-5`);
    for (const provider of ['gcp.gemini', 'gcp.vertex_ai', 'google', null]) {
      expect(priceOf(queryOf(provider, 'models/gemini-2.5-flash')).price_id).toMatch(/:google\/gemini-2.5-flash$/);
    }
    expect(priceOf(queryOf('azure.ai.openai', 'gpt-4.1-2025-04-14')).price_id).toMatch(/gpt-4\.1$/);
    expect(priceOf(queryOf('azure.ai.openai', 'gpt-4.1')).is_inferred).toBe(false);
  });

  test('a missing or unheard-of provider is inferred from the model, and said to be', () => {
    for (const provider of [null, 'vllm', 'langchain']) {
      const price = priceOf(queryOf(provider, 'gpt-4.1-mini'));
      expect([price.price_id.endsWith(':openai/gpt-4.1-mini'), price.is_inferred]).toEqual([true, true]);
    }
    expect(priceOf(queryOf('openai', 'claude-haiku-4-5')).is_inferred).toBe(true);
  });

  test('several providers with different prices and nobody to ask is ambiguous', () => {
    const providers = ['one', 'two'].map((id, at) => ({
      id,
      name: id,
      api_pattern: '.*',
      models: [
        { id: 'llama', match: { equals: 'llama' }, prices: { input_mtok: 1 + at } },
        { id: 'same', match: { equals: 'same' }, prices: { input_mtok: 1 } },
      ],
    }));
    const source = createCatalogueSource(providers);
    expect(source.find(queryOf(null, 'llama'))).toEqual({ reason: 'ambiguous_model' });
    expect(isPrice(source.find(queryOf('two', 'llama')))).toBe(true);
    expect(source.find(queryOf(null, 'same'))).toMatchObject({ is_inferred: true });
    expect(source.find(queryOf(null, 'other'))).toEqual({ reason: 'no_price' });
  });

  test('hostile names find nothing and break nothing', () => {
    for (const name of ['__proto__', 'constructor', 'toString', '../../etc', 'x'.repeat(100_000), '\u0000', '/', ' ']) {
      for (const provider of [null, name, 'openai']) {
        const answer = book.find(queryOf(provider, name));
        expect(isPrice(answer)).toBe(false);
      }
    }
    expect(book.find(queryOf('openai', null))).toEqual({ reason: 'no_model' });
  });
});

describe('the price at the time of the call', () => {
  test('a price with a start date holds from midnight UTC of that day', () => {
    const before = costOf(queryOf('openai', 'o3', '2025-06-09T23:59:59Z'), { input_tokens: 1_000_000 });
    const after = costOf(queryOf('openai', 'o3', '2025-06-10T00:00:00Z'), { input_tokens: 1_000_000 });
    expect([before, after]).toEqual(['10.000000000000', '2.000000000000']);
  });

  test('a price by time of day holds within its hours', () => {
    const at = (time: string) => priceOf(queryOf('deepseek', 'deepseek-chat', `2026-01-01T${time}Z`)).price_id;
    expect(at('00:29:59')).not.toBe(at('00:30:00'));
    expect(at('16:29:59')).toBe(at('00:30:00'));
    expect(at('16:30:00')).toBe(at('00:29:59'));
  });
});

describe('the bill', () => {
  test('a prompt beyond a tier puts the whole call on that tier, and one at it does not', () => {
    const query = queryOf('gcp.gemini', 'gemini-2.5-pro');
    expect(costOf(query, { input_tokens: 200_000, output_tokens: 1000 })).toBe('0.260000000000');
    expect(costOf(query, { input_tokens: 100_000, cache_read_tokens: 100_001, output_tokens: 1000 })).toBe(
      '0.290000250000',
    );
  });

  test('an aggregate of unknown size stays on the base rate', () => {
    const price = priceOf(queryOf('gcp.gemini', 'gemini-2.5-pro'));
    const sum = usageOf({ input_tokens: 900_000 }, { isAggregate: true });
    expect(explainCost(price, sum).cost_usd).toBe('1.125000000000');
  });

  test('a bucket without its own rate is charged as the one it would sit in, and the line says so', () => {
    const source = tableSource('t', { m: { input_mtok: '2', output_mtok: '8' } });
    const price = source.find(queryOf(null, 'm'));
    if (!isPrice(price)) throw new Error('no price');
    const { lines, cost_usd } = explainCost(
      price,
      usageOf({ cache_read_tokens: 10, cache_write_1h_tokens: 10, reasoning_tokens: 10, audio_output_tokens: 10 }),
    );
    expect(lines.map((line) => [line.bucket, line.rate_key])).toEqual([
      ['cache_read_tokens', 'input_mtok'],
      ['cache_write_1h_tokens', 'input_mtok'],
      ['reasoning_tokens', 'output_mtok'],
      ['audio_output_tokens', 'output_mtok'],
    ]);
    expect(cost_usd).toBe('0.000200000000');
  });

  test('tokens without any rate make the cost unknown, an unlisted quantity is named', () => {
    const source = tableSource('t', { embed: { input_mtok: '0.02' } });
    const price = source.find(queryOf(null, 'embed'));
    if (!isPrice(price)) throw new Error('no price');
    expect(explainCost(price, usageOf({ input_tokens: 10, output_tokens: 5 })).cost_usd).toBeNull();
    const quantities = { images: 3, constructor: 1 };
    expect(explainCost(price, usageOf({ input_tokens: 10 }, { quantities }))).toMatchObject({
      unpriced_quantities: ['constructor', 'images'],
      cost_usd: '0.000000200000',
    });
  });

  test('fees by request and hours of audio are lines like any other', () => {
    const source = tableSource('t', {
      fee: { input_mtok: '1', output_mtok: '1', requests_kcount: '5', web_searches_kcount: '10' },
      whisper: { audio_hours: '0.36' },
    });
    const fee = source.find(queryOf(null, 'fee'));
    const whisper = source.find(queryOf(null, 'whisper'));
    if (!isPrice(fee) || !isPrice(whisper)) throw new Error('no price');
    expect(explainCost(fee, usageOf({ input_tokens: 1 }, { quantities: { web_searches: 2 } })).cost_usd).toBe(
      '0.025001000000',
    );
    const heard = usageOf({ input_tokens: 50 }, { quantities: { audio_seconds: 12.5 } });
    expect(explainCost(whisper, heard).cost_usd).toBe('0.001250000000');
  });

  test('a total is rounded once, not line by line, and the lines come to it', () => {
    const source = tableSource('t', { m: { input_mtok: '0.0000004', output_mtok: '0.0000004' } });
    const price = source.find(queryOf(null, 'm'));
    if (!isPrice(price)) throw new Error('no price');
    const bill = explainCost(price, usageOf({ input_tokens: 1, output_tokens: 1 }));
    expect(bill.lines.map((line) => line.cost_usd)).toEqual(['0.000000000001', '0.000000000000']);
    expect(bill.cost_usd).toBe('0.000000000001');
  });

  test('a user’s own price stands before the list', () => {
    const own = createPriceBook([tableSource('own', { 'gpt-5': { input_mtok: '1', output_mtok: '1' } })]);
    expect(own.find(queryOf('openai', 'gpt-5'))).toMatchObject({ source: 'own' });
    expect(own.find(queryOf('openai', 'gpt-4.1'))).toMatchObject({ source: `genai-prices-${CATALOGUE_VERSION}` });
  });
});
