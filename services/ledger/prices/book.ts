import type { ConfigProblem } from '../../runtime/errors.ts';
import { utcMicrosText } from '../utc-time.ts';
import { createCatalogue } from './catalogue.ts';
import { type Capacity, capacityOf, type OwnPrice, ownPricesOf, type Selector } from './own-price.ts';
import { createOwnSource } from './own-source.ts';
import { bookOf, type PriceBook } from './price.ts';
import { readPriceFile, type WrittenCurrencyRate, type WrittenPrice } from './price-file.ts';

/** A file of a price folder: its text, or why it cannot be had. */
export interface FoundPriceFile {
  readonly path: string;
  readonly text: string | null;
  readonly problem: string | null;
}

/** Something one should know of a book that loads all the same. */
export interface BookNote {
  readonly kind: 'gap' | 'ends';
  readonly place: string;
  readonly text: string;
}

/** A book and what it was made of. */
export interface LoadedBook {
  readonly book: PriceBook;
  readonly own: readonly OwnPrice[];
  readonly capacity: readonly Capacity[];
  readonly currencies: readonly WrittenCurrencyRate[];
  readonly notes: readonly BookNote[];
  /** Texts by path. */
  readonly files: Readonly<Record<string, string>>;
}

export type BookRead =
  | ({ readonly kind: 'loaded' } & LoadedBook)
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] };

/** Makes the price book of these files, before the public catalogue: all of them or, with every problem named, none. */
export const loadPriceBook = (files: readonly FoundPriceFile[]): BookRead => {
  const read = files.map(({ path, text, problem }) =>
    text === null
      ? { kind: 'wrong' as const, problems: [{ key: path, value: problem ?? 'unreadable', allowed: 'a price file' }] }
      : readPriceFile(path, text),
  );
  const wrong = read.flatMap((one) => (one.kind === 'wrong' ? one.problems : []));
  if (wrong.length > 0) return { kind: 'refused', problems: wrong };
  const good = read.flatMap((one) => (one.kind === 'ok' ? [one.file] : []));
  const currencies = good
    .flatMap((file) => file.currencies)
    .sort((a, b) => a.from - b.from || (a.known_since ?? 0) - (b.known_since ?? 0));
  const prices = good.flatMap((file) => file.prices);
  const written = good.flatMap((file) => file.capacity);
  const problems = [
    ...doubledRates(currencies),
    ...[...prices, ...written].flatMap((price) => currencyProblems(price, ratesIn(currencies, price.currency))),
  ];
  if (problems.length > 0) return { kind: 'refused', problems };
  const own = prices.flatMap((price) => ownPricesOf(price, ratesIn(currencies, price.currency)));
  const overlapping = overlaps(own);
  if (overlapping.length > 0) return { kind: 'refused', problems: overlapping };
  const capacity = written.flatMap((one) => capacityOf(one, ratesIn(currencies, one.currency)));
  const list = createCatalogue();
  const sources = own.length + capacity.length === 0 ? [list] : [createOwnSource(own, list, capacity), list];
  const texts = Object.fromEntries(files.map(({ path, text }) => [path, text ?? '']));
  return { kind: 'loaded', book: bookOf(sources), own, capacity, currencies, notes: gaps(own), files: texts };
};

// --------------------------------------------------------------------- currency

const ratesIn = (all: readonly WrittenCurrencyRate[], currency: string): readonly WrittenCurrencyRate[] =>
  all.filter((rate) => rate.currency === currency);

const doubledRates = (rates: readonly WrittenCurrencyRate[]): readonly ConfigProblem[] =>
  rates.flatMap((rate, at) => {
    const twin = rates
      .slice(0, at)
      .find((o) => o.currency === rate.currency && o.from === rate.from && o.known_since === rate.known_since);
    const value = `${rate.currency} from ${shownTime(rate.from)}`;
    return twin === undefined ? [] : [{ key: rate.place, value, allowed: `one rate a day; ${twin.place} has it` }];
  });

const currencyProblems = (
  price: Pick<WrittenPrice, 'place' | 'currency' | 'effective_from'>,
  rates: readonly WrittenCurrencyRate[],
): readonly ConfigProblem[] => {
  if (price.currency === 'USD') return [];
  const [first] = rates;
  const allowed = 'a currency with a dated rate to USD under currencies';
  if (first === undefined) return [{ key: `${price.place} currency`, value: price.currency, allowed }];
  if (price.effective_from !== undefined && price.effective_from >= first.from) return [];
  const value = price.effective_from === undefined ? 'since ever' : shownTime(price.effective_from);
  return [
    {
      key: `${price.place} effective_from`,
      value,
      allowed: `a time from ${shownTime(first.from)} on: before it ${price.currency} has no rate`,
    },
  ];
};

// ------------------------------------------------------------- overlaps and gaps

const asked = ({ models: _models, ...narrow }: Selector): string => JSON.stringify(narrow);

/** Two prices for the same call at the same time, neither of which is narrower or was known later. */
const overlaps = (prices: readonly OwnPrice[]): readonly ConfigProblem[] => {
  const problems: ConfigProblem[] = [];
  const byModel = new Map<string, OwnPrice[]>();
  for (const price of prices) {
    for (const model of price.selector.models) {
      const key = JSON.stringify([asked(price.selector), model, price.known_since]);
      const others = byModel.get(key) ?? [];
      const other = others.find((one) => isAtOnce(one, price));
      if (other !== undefined)
        problems.push({
          key: price.place,
          value: `${price.id} (${model}), ${stretchText(price)}`,
          allowed: `times that do not overlap: ${other.place} has ${other.id}, ${stretchText(other)}; end it, or say in known_since that this one corrects it`,
        });
      byModel.set(key, [...others, price]);
    }
  }
  return problems;
};

const isAtOnce = (a: OwnPrice, b: OwnPrice): boolean =>
  (a.from ?? -Infinity) < (b.to ?? Infinity) && (b.from ?? -Infinity) < (a.to ?? Infinity);

/** Times between two prices of the same calls for which no file says anything, and prices that end with nothing after them. */
const gaps = (prices: readonly OwnPrice[]): readonly BookNote[] => {
  const groups = Map.groupBy(
    prices.flatMap((price) => price.selector.models.map((model) => ({ price, model }))),
    ({ price, model }) => JSON.stringify([asked(price.selector), model]),
  );
  return [...groups.values()].flatMap(notesOf);
};

interface OfModel {
  readonly price: OwnPrice;
  readonly model: string;
}

const notesOf = (group: readonly OfModel[]): readonly BookNote[] => {
  const notes: BookNote[] = [];
  const [first, ...rest] = [...group].sort((a, b) => startOf(a) - startOf(b));
  if (first === undefined) return notes;
  // The one that holds longest of those before.
  let last = first;
  for (const one of rest) {
    if (startOf(one) > endOf(last)) notes.push(gapNote(last, one));
    if (endOf(one) > endOf(last)) last = one;
  }
  return endOf(last) === Infinity ? notes : [...notes, endNote(last)];
};

const startOf = ({ price }: OfModel): number => price.from ?? -Infinity;
const endOf = ({ price }: OfModel): number => price.to ?? Infinity;

const gapNote = (last: OfModel, { price, model }: OfModel): BookNote => ({
  kind: 'gap',
  place: price.place,
  text: `${model}: no price of a file from ${shownTime(endOf(last))} to ${shownTime(price.from ?? 0)} (after ${last.price.id}, before ${price.id}); the list price counts there`,
});

const endNote = ({ price, model }: OfModel): BookNote => ({
  kind: 'ends',
  place: price.place,
  text: `${model}: ${price.id} ends ${shownTime(price.to ?? 0)} and nothing follows; the list price counts from then on`,
});

const stretchText = ({ from, to }: OwnPrice): string =>
  `${from === null ? 'since ever' : `from ${shownTime(from)}`}${to === null ? '' : ` to ${shownTime(to)}`}`;

/** A time as price files write it: a day where it is a midnight. */
export const shownTime = (micros: number): string => {
  const text = utcMicrosText(micros);
  return text.slice(11, 19) === '00:00:00' ? text.slice(0, 10) : `${text.slice(0, 10)}T${text.slice(11, 19)}Z`;
};
