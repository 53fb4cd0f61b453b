/** Keys kept in memory per partition; beyond it the oldest touched are read from `run_state` again. */
const KEYS_MAX = 5_000;
/**
 * Characters of text that the kept states would be, per partition. As objects they take about six times that in bytes;
 * a long run alone has megabytes of it, so their number is no bound. An embedded system has eight such caches.
 */
const CHARS_MAX = 8 * 1024 * 1024;
/** What a key takes besides its state. */
const KEY_CHARS = 200;

/** A state, and how long it is as text. */
export interface Held<State> {
  readonly state: State;
  readonly chars: number;
}

/** States of keys, those touched last. */
export interface StateCache<State> {
  readonly get: (key: string) => State | undefined;
  /** Takes states in, as the newest, and lets the oldest go; the very newest stays, whatever its size. */
  readonly keep: (states: ReadonlyMap<string, Held<State>>) => void;
  readonly size: () => { readonly keys: number; readonly chars: number };
}

/** A cache within `limits`. */
export const createStateCache = <State>(
  limits: { readonly keysMax: number; readonly charsMax: number } = { keysMax: KEYS_MAX, charsMax: CHARS_MAX },
): StateCache<State> => {
  // Insertion order = age of last touch.
  const held = new Map<string, Held<State>>();
  let chars = 0;
  const drop = (key: string): void => {
    const old = held.get(key);
    if (old === undefined) return;
    chars -= old.chars + KEY_CHARS;
    held.delete(key);
  };
  return {
    get: (key) => held.get(key)?.state,
    keep: (states) => {
      for (const [key, state] of states) {
        drop(key);
        held.set(key, state);
        chars += state.chars + KEY_CHARS;
      }
      for (const key of held.keys()) {
        if (held.size <= 1 || (held.size <= limits.keysMax && chars <= limits.charsMax)) break;
        drop(key);
      }
    },
    size: () => ({ keys: held.size, chars }),
  };
};
