const TEXT = /^(-?)(\d+)(?:\.(\d+))?$/;
/** Up to so many digits an integer is exact as a number. */
const SAFE_DIGITS = 15;

/**
 * Reads decimal text as an integer of 10^-scale each: a number where it is exact, else a bigint. Digits beyond the scale
 * must be zeros; null when they are not, or when it is no decimal.
 */
export const scaledDecimal = (text: string, scale: number): number | bigint | null => {
  const parts = TEXT.exec(text);
  if (parts === null) return null;
  const [, sign = '', whole = '', fraction = ''] = parts;
  if (/[1-9]/.test(fraction.slice(scale))) return null;
  const digits = whole + fraction.slice(0, scale).padEnd(scale, '0');
  if (digits.length <= SAFE_DIGITS) return sign === '-' ? -Number(digits) : Number(digits);
  return BigInt(sign + digits);
};
