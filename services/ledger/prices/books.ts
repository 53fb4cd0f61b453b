import { assert, TransportError } from '../../runtime/errors.ts';
import { type LoadedBook, loadPriceBook } from './book.ts';
import type { PriceBookStore } from './book-store.ts';
import { CATALOGUE_NAME } from './catalogue.ts';
import type { PriceBook } from './price.ts';

/** The price books a fold works with: the one in force, and older ones for batches that began under them. */
export interface PriceBooks {
  readonly current: () => string;
  readonly ready: (hash: string, signal: AbortSignal) => Promise<void>;
  /** Under which book a batch began, by its rows; '' when none of them landed. */
  readonly find: (batchId: string, signal: AbortSignal) => Promise<string>;
  /** The book of a hash that was made ready; '' (nobody knows any more) gives the one in force. */
  readonly get: (hash: string) => PriceBook;
  /** Writes the book in force down, so that every batch priced by it can be priced by it again. Before the first of them. */
  readonly keep: (atMs: number, signal: AbortSignal) => Promise<void>;
  /** Puts another book in force for the batches that begin from now on, once it is written down. Throws TransportError. */
  readonly take: (loaded: LoadedBook, atMs: number, signal: AbortSignal) => Promise<void>;
}

/** Older books at hand; what falls out is read from the store again. */
const BOOKS_MAX = 8;

/** The book that was loaded at start, with those before it in the store. */
export const createPriceBooks = (loaded: LoadedBook, store: PriceBookStore): PriceBooks => {
  let inForce = loaded;
  const older = new Map<string, PriceBook>();
  const isAtHand = (hash: string): boolean => hash === '' || hash === inForce.book.hash || older.has(hash);
  // The oldest falls out, never all of them: another partition may be about to step by one it was told is ready.
  const remember = (hash: string, other: PriceBook): void => {
    older.delete(hash);
    older.set(hash, other);
    for (const oldest of older.keys()) {
      if (older.size <= BOOKS_MAX) break;
      older.delete(oldest);
    }
  };
  return {
    current: () => inForce.book.hash,
    get: (hash) => {
      const found = hash === '' || hash === inForce.book.hash ? inForce.book : older.get(hash);
      assert(found !== undefined, `price book ${hash} was made ready`);
      return found;
    },
    find: store.hashOfBatch,
    keep: (atMs, signal) => store.keep(inForce, atMs, signal),
    take: async (next, atMs, signal) => {
      await store.keep(next, atMs, signal);
      remember(inForce.book.hash, inForce.book);
      inForce = next;
    },
    ready: async (hash, signal) => {
      if (isAtHand(hash)) return;
      const kept = await store.bookOf(hash, signal);
      const again = kept === null ? null : loadPriceBook(kept.files);
      if (again?.kind === 'loaded' && again.book.hash === hash) return remember(hash, again.book);
      // Another catalogue came with another version of this program. Where no row of the batch landed nothing is decided yet.
      if (!(await store.hasOpenBookings(hash, signal))) return remember(hash, inForce.book);
      const why =
        kept === null
          ? 'is not in price_books'
          : `is of ${kept.catalogue}, and this version has ${CATALOGUE_NAME}: let the version before finish its batch`;
      throw new TransportError('STORE_REJECTED', `price book ${hash}, by which a batch began, ${why}`, {
        retryable: kept === null,
      });
    },
  };
};
