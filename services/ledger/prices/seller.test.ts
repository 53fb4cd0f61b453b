import { expect, test } from 'vitest';
import { loadPriceBook } from './book.ts';
import { isPrice, RATE_DECIMALS } from './price.ts';

const bookOf = (prices: string) => {
  const read = loadPriceBook([{ path: 'p.yaml', text: `prices:\n${prices}`, problem: null }]);
  if (read.kind === 'refused') throw new Error(JSON.stringify(read.problems));
  return read.book;
};
const AT = { tsMicros: 1_750_000_000_000_000, region: null, tier: null, tenant: 't', account: null };
const VERTEX = '  - {id: vertex, provider: gcp.vertex_ai, models: [gemini-2.5-pro], rates: {input_mtok: 2}}\n';
const GOOGLE = '  - {id: google, provider: google, models: [gemini-2.5-pro], rates: {input_mtok: 3}}\n';
const BATCH = '  - {id: batch, provider: google, models: ["*"], service_tier: batch, percent_off: 50}\n';

const inputUsd = (prices: string, provider: string | null, tier: string | null = null): number | null => {
  const price = bookOf(prices).find({ ...AT, provider, tier, model: 'gemini-2.5-pro' });
  return isPrice(price) ? Number(price.rates.get('input_mtok')?.base ?? 0n) / 10 ** RATE_DECIMALS : null;
};

test('a price for Vertex AI is for what Vertex AI sold alone, one for Google for both', () => {
  expect(inputUsd(VERTEX, 'gcp.vertex_ai')).toBe(2);
  expect(inputUsd(VERTEX, 'gcp.gemini')).toBe(1.25);
  expect(inputUsd(VERTEX, null)).toBe(1.25);
  expect(inputUsd(GOOGLE, 'gcp.vertex_ai')).toBe(3);
  expect(inputUsd(GOOGLE, 'gcp.gemini')).toBe(3);
  expect(inputUsd(VERTEX + GOOGLE, 'gcp.vertex_ai')).toBe(2);
  expect(inputUsd(GOOGLE + VERTEX, 'gcp.gemini')).toBe(3);
});

test('a tier of Google is off the price of the place that sold the call', () => {
  expect(inputUsd(VERTEX + BATCH, 'gcp.vertex_ai', 'batch')).toBe(1);
  expect(inputUsd(VERTEX + BATCH, 'gcp.gemini', 'batch')).toBe(0.625);
});
