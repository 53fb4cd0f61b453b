import { decimalText as fullText } from '../../schemas/decimal.ts';

/** Decimals of the store (Decimal(38,12) as text) as whole picodollars: money is never computed in floats. */

const DECIMALS = 12;
const SCALE = 10n ** BigInt(DECIMALS);

/** `12.4` as 12400000000000n; null for what is no decimal with at most 12 places. */
export const parseDecimal = (text: string): bigint | null => {
  const found = /^(-?)(\d+)(?:\.(\d{1,12}))?$/.exec(text);
  if (!found) return null;
  const size = BigInt(found[2] ?? '0') * SCALE + BigInt((found[3] ?? '').padEnd(DECIMALS, '0'));
  return found[1] === '-' ? -size : size;
};

/** The text of parseDecimal's number, without trailing zeros. */
export const decimalText = (value: bigint): string => fullText(value, DECIMALS).replace(/\.?0+$/, '');
