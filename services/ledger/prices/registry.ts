import { createCatalogue } from './catalogue.ts';
import { bookOf, type PriceBook, type PriceSource } from './price.ts';

/** Where prices come from, in the order they are asked; the first that knows the model counts. */
export const PRICE_SOURCES: readonly { readonly name: string; readonly create: () => PriceSource }[] = [
  // Last: public list prices. Whoever negotiated others lists them in a source before it.
  { name: 'genai-prices', create: createCatalogue },
];

/** The price book: `first` (a user's own prices) before everything registered here. */
export const createPriceBook = (first: readonly PriceSource[] = []): PriceBook =>
  bookOf([...first, ...PRICE_SOURCES.map((source) => source.create())]);
