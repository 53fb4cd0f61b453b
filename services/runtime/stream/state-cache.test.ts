import { describe, expect, test } from 'vitest';
import { createStateCache } from './state-cache.ts';

const states = (...entries: readonly (readonly [key: string, chars: number])[]) =>
  new Map(entries.map(([key, chars]) => [key, { state: key.toUpperCase(), chars }]));
const known = (cache: { get: (key: string) => unknown }, keys: string): string =>
  [...keys].filter((key) => cache.get(key) !== undefined).join('');

describe('the cache of states', () => {
  test('lets the keys go that were touched longest ago', () => {
    const cache = createStateCache<string>({ keysMax: 3, charsMax: 1e9 });
    cache.keep(states(['a', 1], ['b', 1], ['c', 1]));
    cache.keep(states(['a', 1]));
    cache.keep(states(['d', 1]));
    expect(known(cache, 'abcd')).toBe('acd');
    expect(cache.get('d')).toBe('D');
  });

  test('is bounded by what states weigh, also when one grows while it is held', () => {
    const cache = createStateCache<string>({ keysMax: 1_000, charsMax: 10_000 });
    cache.keep(states(['a', 3_000], ['b', 3_000], ['c', 3_000]));
    expect(known(cache, 'abc')).toBe('abc');
    cache.keep(states(['c', 6_000]));
    expect(known(cache, 'abc')).toBe('bc');
    for (let number = 0; number < 1_000; number++) cache.keep(states([`k${number}`, 100 + (number % 7) * 500]));
    expect(cache.size().chars).toBeLessThanOrEqual(10_000);
  });

  test('keeps the newest, however long: its run is read in again with every batch otherwise', () => {
    const cache = createStateCache<string>({ keysMax: 1_000, charsMax: 10_000 });
    cache.keep(states(['a', 10], ['b', 1_000_000]));
    expect(known(cache, 'ab')).toBe('b');
    cache.keep(states(['b', 1_100_000]));
    expect(known(cache, 'ab')).toBe('b');
    cache.keep(states(['c', 10]));
    expect([known(cache, 'abc'), cache.size()]).toEqual(['c', { keys: 1, chars: 210 }]);
  });
});
