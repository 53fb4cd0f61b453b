import { readUnpriced } from '../api/price-reads.ts';
import type { LoadedBook } from '../ledger/prices/book.ts';
import { CATALOGUE_NAME, CATALOGUE_RELEASED, listedPrices } from '../ledger/prices/catalogue.ts';
import { dateMicros } from '../ledger/utc-time.ts';
import { ConfigError, TransportError } from '../runtime/errors.ts';
import { requireStoredData } from './data-folder.ts';
import { readPrices } from './open-prices.ts';
import { openClientStore } from './open-store.ts';
import { unpricedLines } from './price-list.ts';
import type { World } from './world.ts';

const DAY_MS = 86_400_000;
/** Providers change list prices every few months. */
const CATALOGUE_DAYS_MAX = 120;
/** Calls looked at for models without a price. */
const LOOK_BACK_DAYS = 30;

/**
 * `tacho price check`: what is wrong with the book. Exit 1 when it does not load (each mistake as file:line:column), or a
 * model of stored calls has no price; gaps and an old catalogue are told and fail nothing.
 */
export const priceCheck = async (world: World, dir: string, looksAtCalls: boolean): Promise<number> => {
  const read = await readPrices(dir);
  if (read.kind === 'refused') {
    for (const { key, value, allowed } of read.problems) world.print(`${key}: is ${value}; allowed: ${allowed}`);
    world.print(`\n${dir}: ${read.problems.length} problem(s); nothing would start`);
    return 1;
  }
  for (const line of bookLines(dir, read, world.clock.nowMs())) world.print(line);
  return looksAtCalls && !(await areAllPriced(world)) ? 1 : 0;
};

/** What a book that loads holds, and what one should know of it. */
export const bookLines = (dir: string, loaded: LoadedBook, nowMs: number): readonly string[] => {
  const files = Object.keys(loaded.files).length;
  const ageDays = Math.floor((nowMs - (dateMicros(CATALOGUE_RELEASED) ?? 0) / 1000) / DAY_MS);
  const old = ageDays > CATALOGUE_DAYS_MAX ? '; prices may have changed since: look for a newer version' : '';
  return [
    ...loaded.notes.map(({ kind, place, text }) => `${kind.padEnd(5)} ${place} ${text}`),
    `${dir}: ${loaded.own.length} prices and ${loaded.capacity.length} capacities in ${files} files load; price book ${loaded.book.hash}`,
    `${CATALOGUE_NAME}: ${listedPrices().length} public prices, published ${CATALOGUE_RELEASED}, ${ageDays} days ago${old}`,
  ];
};

/** Whether every model of the last days' calls has a price; what cannot be looked at fails nothing. */
const areAllPriced = async (world: World): Promise<boolean> => {
  try {
    requireStoredData(world.config);
    const opened = await openClientStore(world);
    try {
      const toMs = world.clock.nowMs() + 1;
      const range = { fromMs: toMs - LOOK_BACK_DAYS * DAY_MS, toMs };
      const found = await readUnpriced(opened.store, { tenant: null, range });
      world.print(`\nCalls of the last ${LOOK_BACK_DAYS} days:`);
      for (const line of unpricedLines(found)) world.print(line);
      return found.models.length === 0;
    } finally {
      await opened.close();
    }
  } catch (error) {
    if (!(error instanceof TransportError || error instanceof ConfigError)) throw error;
    world.progress('stored calls were not looked at: there is no store to ask');
    return true;
  }
};
