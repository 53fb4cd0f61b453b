/** The first year of DateTime64; also keeps Date.UTC from reading 99 as 1999. */
const YEAR_MIN = 1900;
const SECOND_END = 19;
const FRACTION_DIGITS_MAX = 9;
const ZERO = 48;

/** Ticks of 10^-scale s since 1970: a number where it is exact, else a bigint. */
export type Ticks = number | bigint;

/**
 * Reads UTC text (`YYYY-MM-DD hh:mm:ss[.fff…]`) as ticks. Digits beyond the scale are cut, as ClickHouse does. null when
 * it is no such text.
 */
export const utcTicks = (text: string, scale: number): Ticks | null => {
  const seconds = secondsOf(text);
  const fraction = fractionOf(text, scale);
  if (seconds === null || fraction === null) return null;
  const ticks = seconds * 10 ** scale + fraction;
  return Number.isSafeInteger(ticks) ? ticks : BigInt(seconds) * 10n ** BigInt(scale) + BigInt(fraction);
};

const secondsOf = (text: string): number | null => {
  const [year, month, day] = [digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)];
  const [hour, minute, second] = [digits(text, 11, 13), digits(text, 14, 16), digits(text, 17, SECOND_END)];
  const isSpelt = text[4] === '-' && text[7] === '-' && text[13] === ':' && text[16] === ':';
  // A part that is no number is NaN, and within nothing.
  const isWithin = year >= YEAR_MIN && hour <= 23 && minute <= 59 && second <= 59;
  if (!isSpelt || !isWithin || (text[10] !== ' ' && text[10] !== 'T')) return null;
  const dayMs = dayOf(year, month, day);
  return dayMs === null ? null : dayMs / 1_000 + hour * 3_600 + minute * 60 + second;
};

const dayOf = (year: number, month: number, day: number): number | null => {
  const ms = Date.UTC(year, month - 1, day);
  const date = new Date(ms);
  // The 31st of April is none.
  return date.getUTCMonth() + 1 === month && date.getUTCDate() === day ? ms : null;
};

const fractionOf = (text: string, scale: number): number | null => {
  const end = text.endsWith('Z') ? text.length - 1 : text.length;
  if (end === SECOND_END) return 0;
  const count = end - SECOND_END - 1;
  if (text[SECOND_END] !== '.' || count < 1 || count > FRACTION_DIGITS_MAX) return null;
  const value = digits(text, SECOND_END + 1, end);
  if (Number.isNaN(value)) return null;
  return count > scale ? Math.floor(value / 10 ** (count - scale)) : value * 10 ** (scale - count);
};

/** The number spelt in [from, to); NaN when something else stands there. */
const digits = (text: string, from: number, to: number): number => {
  let value = 0;
  for (let at = from; at < to; at += 1) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
};
