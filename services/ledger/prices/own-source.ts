import { hash128 } from '../../../schemas/identity.ts';
import { canonicalProvider } from './catalogue.ts';
import { type AskedOf, askedOf, type Capacity, chargedPrice, fitOf, type OwnPrice } from './own-price.ts';
import { isPrice, type Price, type PriceAnswer, type PriceQuery, type PriceSource } from './price.ts';

/** Prices remembered by question and base; a book that is asked of more starts anew. */
const REMEMBERED_MAX = 10_000;

/**
 * The prices of a user's own files, before `list`, the public ones. A discount is off what the book has without it: a
 * tier's off what the same caller pays for the listed tier, any other off the list. `beside`: what the files say besides,
 * which prices no call and is part of what the book is.
 */
export const createOwnSource = (
  prices: readonly OwnPrice[],
  list: PriceSource,
  beside: readonly Capacity[] = [],
): PriceSource => {
  const remembered = new Map<OwnPrice, Map<string, Price>>();
  let held = 0;
  const charged = (own: OwnPrice, base: Price | null): Price => {
    const key = base?.price_id ?? '';
    const known = remembered.get(own)?.get(key);
    if (known !== undefined && known.is_inferred === (base?.is_inferred ?? false)) return known;
    const price = chargedPrice(own, base);
    if (held >= REMEMBERED_MAX) {
      remembered.clear();
      held = 0;
    }
    const under = remembered.get(own) ?? new Map<string, Price>();
    remembered.set(own, under.set(key, price));
    held += 1;
    return price;
  };

  const answer = (query: PriceQuery, asked: AskedOf, mayBeTier: boolean): PriceAnswer => {
    const fits = prices
      .flatMap((own) => {
        const fit = mayBeTier || own.selector.service_tier === null ? fitOf(own, asked) : null;
        return fit === null ? [] : [{ own, fit }];
      })
      .sort((a, b) => compareFits(b.fit, a.fit));
    for (const { own } of fits) {
      if (own.share === null) return charged(own, null);
      const isOfTier = own.selector.service_tier !== null;
      const own_base = isOfTier ? answer({ ...query, tier: null }, { ...asked, service_tier: null }, false) : NO_PRICE;
      const base = isPrice(own_base) ? own_base : list.find(query);
      // A discount on what nobody lists is no price: the next one that fits may be.
      if (isPrice(base)) return charged(own, base);
    }
    return NO_PRICE;
  };

  return {
    name: 'own',
    hash: hash128([...prices, ...beside].map((one) => JSON.stringify(one, plain))),
    find: (query) => answer(query, askedOf(query, providerOf(query, list)), true),
  };
};

const NO_PRICE = { reason: 'no_price' } as const;

/** The provider told; where none is, the one the list infers from the model's name. */
const providerOf = (query: PriceQuery, list: PriceSource): string | null => {
  if (query.provider !== null) return canonicalProvider(query.provider);
  const listed = list.find(query);
  return isPrice(listed) ? listed.provider : null;
};

const compareFits = (a: readonly number[], b: readonly number[]): number => {
  for (const [at, value] of a.entries()) {
    const difference = value - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

/** Whole numbers and maps as text, so that equal prices have equal text; where it stands in its file is no part of a price. */
const plain = (key: string, value: unknown): unknown => {
  if (key === 'place') return undefined;
  if (typeof value === 'bigint') return String(value);
  return value instanceof Map ? [...value].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)) : value;
};
