import { decimalText } from '../../schemas/decimal.ts';

/** Money in whole numbers: decimal text in, bigint inside, decimal text out. No float touches an amount. */

/** Places of a stored amount: Decimal(38, 12). */
export const COST_DECIMALS = 12;
/** Digits before the point that Decimal(38, 12) holds. */
const COST_INTEGER_DIGITS_MAX = 26;
/** Powers of ten a decimal text may carry; beyond it nothing sensible is meant and 10n ** n would eat memory. */
const EXPONENT_MAX = 400;

/** numerator / denominator to the nearest whole number, ties to the even one. The denominator is positive. */
export const divideHalfEven = (numerator: bigint, denominator: bigint): bigint => {
  const isNegative = numerator < 0n;
  const magnitude = isNegative ? -numerator : numerator;
  const quotient = magnitude / denominator;
  const twice = (magnitude % denominator) * 2n;
  const isUp = twice > denominator || (twice === denominator && quotient % 2n === 1n);
  const rounded = isUp ? quotient + 1n : quotient;
  return isNegative ? -rounded : rounded;
};

/** Decimal text (`12.5`, `-1e-7`) times 10^decimals, rounded half-even; null when it is no finite decimal. */
export const parseScaled = (text: string, decimals: number): bigint | null => {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text.trim());
  if (match === null) return null;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const digits = whole + fraction;
  if (digits === '' || digits.length > EXPONENT_MAX || Math.abs(Number(exponent)) > EXPONENT_MAX) return null;
  const shift = decimals + Number(exponent) - fraction.length;
  const magnitude =
    shift >= 0 ? BigInt(digits) * 10n ** BigInt(shift) : divideHalfEven(BigInt(digits), 10n ** BigInt(-shift));
  return sign === '-' ? -magnitude : magnitude;
};

/** A float's shortest decimal text, exactly scaled: 0.1 is a tenth here. null for NaN and infinities. */
export const scaleNumber = (value: number, decimals: number): bigint | null =>
  Number.isFinite(value) ? parseScaled(String(value), decimals) : null;

/** An amount scaled by 10^12 → decimal text with 12 places. */
export const formatCost = (scaled: bigint): string => decimalText(scaled, COST_DECIMALS);

/** Any decimal text → 12 places, rounded half-even; null when it is none or does not fit Decimal(38, 12). */
export const normaliseCost = (text: string): string | null => {
  const scaled = parseScaled(text, COST_DECIMALS);
  if (scaled === null) return null;
  const formatted = formatCost(scaled);
  return formatted.replace('-', '').length > COST_INTEGER_DIGITS_MAX + 1 + COST_DECIMALS ? null : formatted;
};

/** The same amount with the sign turned. Takes text this file wrote. */
export const negateCost = (text: string): string => formatCost(-(parseScaled(text, COST_DECIMALS) ?? 0n));

/** Sum of amounts this file wrote. */
export const sumCosts = (texts: readonly string[]): string =>
  formatCost(texts.reduce((sum, text) => sum + (parseScaled(text, COST_DECIMALS) ?? 0n), 0n));
