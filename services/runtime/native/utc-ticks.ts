const TEXT = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z?$/;
/** The first year of DateTime64; also keeps Date.UTC from reading 99 as 1999. */
const YEAR_MIN = 1900;

/** Ticks of 10^-scale s since 1970: a number where it is exact, else a bigint. */
export type Ticks = number | bigint;

/**
 * Reads UTC text (`YYYY-MM-DD hh:mm:ss[.fff…]`) as ticks. Digits beyond the scale are cut, as ClickHouse does. null when
 * it is no such text.
 */
export const utcTicks = (text: string, scale: number): Ticks | null => {
  const parts = TEXT.exec(text);
  if (parts === null) return null;
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '', fraction = ''] = parts;
  const dayMs = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const inDay = Number(hour) * 3_600 + Number(minute) * 60 + Number(second);
  if (
    Number(year) < YEAR_MIN ||
    !isRealDay(dayMs, Number(month), Number(day)) ||
    Number(hour) > 23 ||
    Number(minute) > 59 ||
    Number(second) > 59
  )
    return null;
  const seconds = dayMs / 1_000 + inDay;
  const digits = Number(fraction.padEnd(scale, '0').slice(0, scale) || '0');
  const ticks = seconds * 10 ** scale + digits;
  if (Number.isSafeInteger(ticks)) return ticks;
  return BigInt(seconds) * 10n ** BigInt(scale) + BigInt(digits);
};

/** The 31st of April is none. */
const isRealDay = (dayMs: number, month: number, day: number): boolean => {
  const date = new Date(dayMs);
  return date.getUTCMonth() + 1 === month && date.getUTCDate() === day;
};
