import { TOPICS } from '../../schemas/topics.ts';
import { createLedgerFoldOf } from '../ledger/fold.ts';
import { type LoadedBook, loadPriceBook } from '../ledger/prices/book.ts';
import { createPriceBookStore } from '../ledger/prices/book-store.ts';
import { createPriceBooks } from '../ledger/prices/books.ts';
import { assert } from '../runtime/errors.ts';
import type { EventLog, Store } from '../runtime/ports.ts';
import { createFoldTask } from '../runtime/stream/fold-task.ts';
import { createStreamService, type StreamService, type StreamSettings } from '../runtime/stream/service.ts';
import type { StreamTask } from '../runtime/stream/types.ts';
import type { World } from './world.ts';

/**
 * The stream service of the ledger with its price book beside it: first the book is written down, then calls are priced, so
 * that nothing is booked at a price that could not be had back.
 */
export const ledgerOf = (
  world: World,
  adapters: { readonly log: EventLog; readonly store: Store; readonly prices?: LoadedBook },
  settings: StreamSettings,
): StreamService => {
  const books = booksOf(adapters.store, adapters.prices);
  const stream = createStreamService({ ...world, ...adapters }, taskWith(books, adapters.store), settings);
  return {
    ...stream,
    start: async () => {
      await books.keep(world.clock.nowMs(), world.stop);
      await stream.start();
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
