import { NO_TOKENS, type TokenBuckets } from '../../../schemas/ledger-entry.ts';
import { timeMicros } from '../utc-time.ts';
import { type BookRead, loadPriceBook } from './book.ts';
import { explainCost } from './cost.ts';
import { isPrice, type Price, type PriceBook, type PriceQuery } from './price.ts';

/** Price books of a few lines, and what they answer, for tests. */

/** What loading these files gives. */
export const read = (...texts: readonly string[]): BookRead =>
  loadPriceBook(texts.map((text, at) => ({ path: `p${at}.yaml`, text, problem: null })));

/** The book of files that load. */
export const bookOf = (...texts: readonly string[]): PriceBook => {
  const loaded = read(...texts);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  return loaded.book;
};

/** A time as microseconds since 1970. */
export const micros = (text: string): number => timeMicros(text) ?? Number.NaN;

/** A call of a model in June 2026 about which nothing else is told. */
export const queryOf = (model: string, more: Partial<PriceQuery> = {}): PriceQuery => ({
  provider: 'acme-host',
  model,
  tsMicros: micros('2026-06-15T12:00:00Z'),
  region: null,
  tier: null,
  tenant: null,
  account: null,
  ...more,
});

/** The price of a call that has one. */
export const priceOf = (book: PriceBook, query: PriceQuery): Price => {
  const answer = book.find(query);
  if (!isPrice(answer)) throw new Error(`${query.model}: ${answer.reason}`);
  return answer;
};

/** What so many tokens cost. */
export const costOf = (price: Price, tokens: Partial<TokenBuckets>, quantities: Record<string, number> = {}) =>
  explainCost(price, { tokens: { ...NO_TOKENS, ...tokens }, quantities, calls: 1, isAggregate: false });
