/** Keys kept in memory per fold; beyond it the oldest touched are read from `run_state` again. */
const KEYS_MAX = 10_000;
/**
 * Characters of text that the kept states would be, per fold. As objects they take up to six times that in bytes; a long
 * run alone has megabytes of it, so their number is no bound. All partitions share it: were it each one's, the memory of
 * a process would hang on how many it is given.
 */
const CHARS_MAX = 12 * 1024 * 1024;
/** What a key takes besides its state. */
const KEY_CHARS = 200;

/** A state, and how long it is as text. */
export interface Held<State> {
  readonly state: State;
  readonly chars: number;
}

/** States of the keys of one partition, those touched last. */
export interface StateCache<State> {
  readonly get: (key: string) => State | undefined;
  /** Takes states in, as the newest, and lets the oldest go of whatever partition; the very newest stays, whatever its size. */
  readonly keep: (states: ReadonlyMap<string, Held<State>>) => void;
}

/** What the partitions of a fold keep, within one bound. */
export interface StateCaches<State> {
  /** A cache of its own, empty, until the signal fires: who comes to a partition again knows nothing of it. */
  readonly open: (until: AbortSignal) => StateCache<State>;
  readonly size: () => { readonly keys: number; readonly chars: number };
}

/** Caches within `limits`. */
export const createStateCaches = <State>(
  limits: { readonly keysMax: number; readonly charsMax: number } = { keysMax: KEYS_MAX, charsMax: CHARS_MAX },
): StateCaches<State> => {
  // Insertion order = age of last touch. Keys begin with the number of their cache.
  const held = new Map<string, Held<State>>();
  let chars = 0;
  let opened = 0;
  const drop = (place: string): void => {
    const old = held.get(place);
    if (old === undefined) return;
    chars -= old.chars + KEY_CHARS;
    held.delete(place);
  };
  return {
    open: (until) => {
      opened += 1;
      const prefix = `${opened} `;
      const close = (): void => {
        for (const place of held.keys()) if (place.startsWith(prefix)) drop(place);
      };
      until.addEventListener('abort', close, { once: true });
      return {
        get: (key) => held.get(prefix + key)?.state,
        keep: (states) => {
          if (until.aborted) return;
          for (const [key, state] of states) {
            drop(prefix + key);
            held.set(prefix + key, state);
            chars += state.chars + KEY_CHARS;
          }
          for (const place of held.keys()) {
            if (held.size <= 1 || (held.size <= limits.keysMax && chars <= limits.charsMax)) break;
            drop(place);
          }
        },
      };
    },
    size: () => ({ keys: held.size, chars }),
  };
};
