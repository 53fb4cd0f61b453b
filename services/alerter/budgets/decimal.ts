import { decimalText } from '../../../schemas/decimal.ts';

/** Money in whole numbers: USD × 10^12, as Decimal(38, 12) holds it. No float touches an amount. */
export const USD_DECIMALS = 12;
/** Thresholds are compared with six places: a ten-thousandth of a per cent. */
export const LEVEL_DECIMALS = 6;
const LEVEL_SCALE = 10n ** BigInt(LEVEL_DECIMALS);

/** Plain decimal text times 10^decimals; null when it is none, is negative, or has more places than that. */
export const parseExact = (text: string, decimals: number): bigint | null => {
  const match = /^(\d{1,26})(?:\.(\d+))?$/.exec(text.trim());
  const fraction = (match?.[2] ?? '').replace(/0+$/, '');
  if (match === null || fraction.length > decimals) return null;
  return BigInt(`${match[1]}${fraction.padEnd(decimals, '0')}`);
};

/** A stored amount (`-12.5`, `0`) as USD × 10^12. Takes what a Decimal column gives. */
export const readUsd = (text: string): bigint => {
  const isNegative = text.startsWith('-');
  const magnitude = parseExact(isNegative ? text.slice(1) : text, USD_DECIMALS) ?? 0n;
  return isNegative ? -magnitude : magnitude;
};

/** USD × 10^12 as decimal text with 12 places. */
export const usdText = (amount: bigint): string => decimalText(amount, USD_DECIMALS);

/** USD × 10^12 for people: cents, or what there is below a cent. */
export const usdShort = (amount: bigint): string => {
  const text = usdText(amount);
  const [whole = '0', fraction = ''] = text.split('.');
  const kept = fraction.replace(/0+$/, '').padEnd(2, '0');
  // Above a dollar nobody reads fractions of a cent; below it they are all there is.
  return `$${whole}.${/[1-9]/.test(whole) ? kept.slice(0, 2) : kept.slice(0, 6)}`;
};

/** Whether `spent` is at or above limit × level. Exact: both sides are whole numbers. */
export const isReached = (spent: bigint, limit: bigint, level: number): boolean =>
  spent * LEVEL_SCALE >= limit * (parseExact(String(level), LEVEL_DECIMALS) ?? 0n);
