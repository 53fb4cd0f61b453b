import { TOPICS } from '../../schemas/topics.ts';
import { createLedgerFoldOf } from '../ledger/fold.ts';
import { type LoadedBook, loadPriceBook } from '../ledger/prices/book.ts';
import { createPriceBookStore } from '../ledger/prices/book-store.ts';
import { createPriceBooks } from '../ledger/prices/books.ts';
import { createPricesInForce } from '../ledger/prices/prices-in-force.ts';
import { assert } from '../runtime/errors.ts';
import type { EventLog, RuleFiles, Store } from '../runtime/ports.ts';
import { createFoldTask } from '../runtime/stream/fold-task.ts';
import { createStreamService, type StreamService, type StreamSettings } from '../runtime/stream/service.ts';
import type { StreamTask } from '../runtime/stream/types.ts';
import type { World } from './world.ts';

/**
 * The stream service of the ledger with its price book beside it: first the book is written down, then calls are priced, so
 * that nothing is booked at a price that could not be had back. Files that change are taken for the batches after it.
 */
export const ledgerOf = (
  world: World,
  adapters: {
    readonly log: EventLog;
    readonly store: Store;
    readonly prices?: LoadedBook;
    readonly priceFiles?: RuleFiles | null;
  },
  settings: StreamSettings,
): StreamService => {
  const { clock, logger, metrics } = world;
  const loaded = adapters.prices ?? listAlone();
  const books = booksOf(adapters.store, loaded);
  const files = adapters.priceFiles ?? null;
  const prices = createPricesInForce(loaded, { files, clock, logger, metrics, take: books.take });
  const stream = createStreamService({ ...world, ...adapters }, taskWith(books, adapters.store), settings);
  const health = () => {
    const own = stream.health();
    return own.state === 'ok' ? prices.health() : own;
  };
  return {
    ...stream,
    start: async () => {
      await books.keep(clock.nowMs(), world.stop);
      await stream.start();
      prices.start();
    },
    health,
    report: () => ({ ...stream.report(), ...health() }),
    drain: async () => {
      await stream.drain();
      await prices.drain();
    },
  };
};

/** The ledger's task alone, for batches to be made again. */
export const ledgerTaskOf = (store: Store, prices?: LoadedBook): StreamTask => taskWith(booksOf(store, prices), store);

const taskWith = (books: ReturnType<typeof booksOf>, store: Store): StreamTask =>
  createFoldTask(createLedgerFoldOf(books), [TOPICS.steps], { store });

const booksOf = (store: Store, prices: LoadedBook = listAlone()) =>
  createPriceBooks(prices, createPriceBookStore(store));

/** The public catalogue and nothing before it. */
const listAlone = (): LoadedBook => {
  const read = loadPriceBook([]);
  assert(read.kind === 'loaded', 'a book without files loads');
  return read;
};
