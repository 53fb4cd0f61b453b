import type { Clock } from '../ports.ts';

/** A doorbell: a ring while nobody waits is kept for the next wait. */
export interface Waker {
  readonly wake: () => void;
  /** Resolves when rung, or after `ms`. */
  readonly wait: (ms: number) => Promise<void>;
}

/** Builds a doorbell on a clock. One waiter at a time. */
export const createWaker = (clock: Clock): Waker => {
  let isRung = false;
  let ring: (() => void) | null = null;
  return {
    wake: () => {
      isRung = true;
      ring?.();
    },
    wait: async (ms) => {
      if (!isRung && ms > 0) {
        const timer = new AbortController();
        const rung = new Promise<void>((resolve) => {
          ring = resolve;
        });
        // The aborted sleep rejects by contract; being rung is no error.
        const slept = clock.sleep(ms, timer.signal).catch(() => undefined);
        await Promise.race([rung, slept]);
        ring = null;
        timer.abort();
      }
      isRung = false;
    },
  };
};

/** Listeners by key. */
export interface Listeners {
  readonly add: (key: string, listener: () => void) => () => void;
  readonly call: (key: string) => void;
  readonly callAll: () => void;
}

/** Builds an empty set of listeners. */
export const createListeners = (): Listeners => {
  const byKey = new Map<string, Set<() => void>>();
  return {
    add: (key, listener) => {
      const set = byKey.get(key) ?? new Set();
      set.add(listener);
      byKey.set(key, set);
      return () => {
        set.delete(listener);
        if (set.size === 0 && byKey.get(key) === set) byKey.delete(key);
      };
    },
    call: (key) => {
      for (const listener of byKey.get(key) ?? []) listener();
    },
    callAll: () => {
      for (const set of byKey.values()) for (const listener of set) listener();
    },
  };
};
