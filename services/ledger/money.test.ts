import fc from 'fast-check';
import { expect, test } from 'vitest';
import { divideHalfEven, formatCost, negateCost, normaliseCost, parseScaled, scaleNumber, sumCosts } from './money.ts';

test('ties go to the even neighbour, on both sides of zero', () => {
  const ties = [5n, 15n, 25n, -5n, -15n, -25n].map((numerator) => divideHalfEven(numerator, 10n));
  expect(ties).toEqual([0n, 2n, 2n, 0n, -2n, -2n]);
  expect([divideHalfEven(26n, 10n), divideHalfEven(-24n, 10n)]).toEqual([3n, -2n]);
});

test('reads decimals with and without exponent, and refuses what is none', () => {
  expect(parseScaled('1.25', 6)).toBe(1_250_000n);
  expect(parseScaled('1e-7', 12)).toBe(100_000n);
  expect(parseScaled('-.5', 1)).toBe(-5n);
  expect(parseScaled('12E2', 0)).toBe(1200n);
  for (const text of ['', '.', '-', 'abc', 'NaN', 'Infinity', '1,5', '0x10', '1e99999', '1e401', '9'.repeat(401)]) {
    expect(parseScaled(text, 12)).toBeNull();
  }
});

test('a float means its shortest decimal', () => {
  expect(scaleNumber(0.1, 18)).toBe(10n ** 17n);
  expect(scaleNumber(Number.NaN, 2)).toBeNull();
  expect(scaleNumber(Number.POSITIVE_INFINITY, 2)).toBeNull();
});

test('a reported cost that does not fit the column counts as not told', () => {
  expect(normaliseCost('0.00249')).toBe('0.002490000000');
  expect(normaliseCost('9'.repeat(27))).toBeNull();
  expect(normaliseCost('free')).toBeNull();
});

test('writing and reading an amount gives it back, and its negation takes it away', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }), (scaled) => {
      const text = formatCost(scaled);
      expect(parseScaled(text, 12)).toBe(scaled);
      expect(sumCosts([text, negateCost(text)])).toBe('0.000000000000');
    }),
  );
});
