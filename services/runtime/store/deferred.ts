import { TransportError } from '../errors.ts';
import type { Store } from '../ports.ts';

/** A store that is not there yet: says "later" until the real one is set, so that pages are up before the engine. */
export interface DeferredStore extends Store {
  readonly set: (store: Store) => void;
}

/** Builds a store whose every call throws STORE_UNAVAILABLE (retryable) until `set` was called. */
export const createDeferredStore = (): DeferredStore => {
  let actual: Store | null = null;
  const now = (): Store => {
    if (actual === null) throw new TransportError('STORE_UNAVAILABLE', 'the store is starting', { retryable: true });
    return actual;
  };
  return {
    set: (store) => {
      actual = store;
    },
    insert: async (table, rows, options) => now().insert(table, rows, options),
    query: async <T>(sql: string, params?: Readonly<Record<string, unknown>>, signal?: AbortSignal) =>
      now().query<T>(sql, params, signal),
    command: async (sql, params) => now().command(sql, params),
    ping: async () => now().ping(),
    close: async () => actual?.close(),
  };
};
