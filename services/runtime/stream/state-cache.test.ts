import { describe, expect, test } from 'vitest';
import { createStateCaches } from './state-cache.ts';

const states = (...entries: readonly (readonly [key: string, chars: number])[]) =>
  new Map(entries.map(([key, chars]) => [key, { state: key.toUpperCase(), chars }]));
const known = (cache: { get: (key: string) => unknown }, keys: string): string =>
  [...keys].filter((key) => cache.get(key) !== undefined).join('');

const never = new AbortController().signal;
const cacheOf = (limits: { readonly keysMax: number; readonly charsMax: number }) => {
  const caches = createStateCaches<string>(limits);
  return { ...caches.open(never), size: caches.size };
};

describe('the cache of states', () => {
  test('lets the keys go that were touched longest ago', () => {
    const cache = cacheOf({ keysMax: 3, charsMax: 1e9 });
    cache.keep(states(['a', 1], ['b', 1], ['c', 1]));
    cache.keep(states(['a', 1]));
    cache.keep(states(['d', 1]));
    expect(known(cache, 'abcd')).toBe('acd');
    expect(cache.get('d')).toBe('D');
  });

  test('is bounded by what states weigh, also when one grows while it is held', () => {
    const cache = cacheOf({ keysMax: 1_000, charsMax: 10_000 });
    cache.keep(states(['a', 3_000], ['b', 3_000], ['c', 3_000]));
    expect(known(cache, 'abc')).toBe('abc');
    cache.keep(states(['c', 6_000]));
    expect(known(cache, 'abc')).toBe('bc');
    for (let number = 0; number < 1_000; number++) cache.keep(states([`k${number}`, 100 + (number % 7) * 500]));
    expect(cache.size().chars).toBeLessThanOrEqual(10_000);
  });

  test('keeps the newest, however long: its run is read in again with every batch otherwise', () => {
    const cache = cacheOf({ keysMax: 1_000, charsMax: 10_000 });
    cache.keep(states(['a', 10], ['b', 1_000_000]));
    expect(known(cache, 'ab')).toBe('b');
    cache.keep(states(['b', 1_100_000]));
    expect(known(cache, 'ab')).toBe('b');
    cache.keep(states(['c', 10]));
    expect([known(cache, 'abc'), cache.size()]).toEqual(['c', { keys: 1, chars: 210 }]);
  });
  test('partitions share the bound, and whoever touched last stays', () => {
    const caches = createStateCaches<string>({ keysMax: 3, charsMax: 1e9 });
    const [one, two] = [caches.open(never), caches.open(never)];
    one.keep(states(['a', 1], ['b', 1]));
    two.keep(states(['a', 1], ['c', 1]));
    expect([known(one, 'abc'), known(two, 'abc')]).toEqual(['b', 'ac']);
  });

  test('a partition that is taken away leaves nothing behind, and comes back knowing nothing', () => {
    const caches = createStateCaches<string>({ keysMax: 10, charsMax: 1e9 });
    const owned = new AbortController();
    const [one, two] = [caches.open(owned.signal), caches.open(never)];
    one.keep(states(['a', 1]));
    two.keep(states(['a', 1]));
    owned.abort();
    one.keep(states(['b', 1]));
    expect([known(one, 'ab'), known(two, 'ab'), caches.size().keys]).toEqual(['', 'a', 1]);
    expect(known(caches.open(never), 'ab')).toBe('');
  });
});
