import { expect, test } from 'vitest';
import { ConfigError } from '../runtime/errors.ts';
import { parseEvery } from './every.ts';

test.each([
  ['10s', 10_000],
  ['10m', 600_000],
  ['2h', 7_200_000],
  [' 24h ', 86_400_000],
  ['1d', 86_400_000],
])('%s is a time', (text, ms) => {
  expect(parseEvery(text)).toBe(ms);
});

test.each(['', '10', '9s', '0m', '25h', '-5m', '1.5m', '10 m', '10ms', '2d', '99999999999999999999h', 'NaNs'])(
  '"%s" is refused with what is allowed',
  (text) => {
    expect(() => parseEvery(text)).toThrow(ConfigError);
    expect(() => parseEvery(text)).toThrow('10s to 24h');
  },
);
