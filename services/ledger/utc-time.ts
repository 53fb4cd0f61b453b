/**
 * UTC calendar in whole numbers: the ledger is pure, so it neither asks for the time nor keeps it as a Date.
 * Civil-from-days after Howard Hinnant, https://howardhinnant.github.io/date_algorithms.html
 */

const SECONDS_PER_DAY = 86_400;
const MICROS_PER_SECOND = 1_000_000;
export const MICROS_PER_DAY = SECONDS_PER_DAY * MICROS_PER_SECOND;

/** Microseconds since 1970 → `YYYY-MM-DD hh:mm:ss.uuuuuu`, as ClickHouse reads a DateTime64(6, 'UTC'). */
export const utcMicrosText = (micros: number): string => {
  const seconds = Math.floor(micros / MICROS_PER_SECOND);
  return `${secondsText(seconds)}.${pad(micros - seconds * MICROS_PER_SECOND, 6)}`;
};

/** Milliseconds since 1970 → `YYYY-MM-DD hh:mm:ss.mmm`, as ClickHouse reads a DateTime64(3, 'UTC'). */
export const utcMillisText = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  return `${secondsText(seconds)}.${pad(ms - seconds * 1000, 3)}`;
};

/** Midnight UTC of `YYYY-MM-DD` in microseconds since 1970; null when the text is no such date. */
export const dateMicros = (text: string): number | null => {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) return null;
  const days = daysFromCivil(Number(match[1]), Number(match[2]), Number(match[3]));
  return civilText(days) === text ? days * MICROS_PER_DAY : null;
};

/** `YYYY-MM-DD`, or that with `Thh:mm[:ss]Z`, → microseconds since 1970; null when the text is no such time. */
export const timeMicros = (text: string): number | null => {
  const match = /^(\d{4}-\d{2}-\d{2})(?:T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?Z)?$/.exec(text);
  const day = match === null ? null : dateMicros(match[1] ?? '');
  if (match === null || day === null) return null;
  const [, , hours = '0', minutes = '0', seconds = '0'] = match;
  return day + (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * MICROS_PER_SECOND;
};

/** `YYYY-MM-DD hh:mm:ss…` → start of that hour in seconds since 1970. Takes only text this file wrote. */
export const hourOfText = (text: string): number =>
  (dateMicros(text.slice(0, 10)) ?? 0) / MICROS_PER_SECOND + Number(text.slice(11, 13)) * 3600;

const secondsText = (seconds: number): string => {
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const rest = seconds - days * SECONDS_PER_DAY;
  return `${civilText(days)} ${pad(Math.floor(rest / 3600), 2)}:${pad(Math.floor(rest / 60) % 60, 2)}:${pad(rest % 60, 2)}`;
};

const civilText = (days: number): string => {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthIndex = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthIndex + 2) / 5) + 1;
  const month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
};

const daysFromCivil = (year: number, month: number, day: number): number => {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
};

const pad = (value: number, width: number): string => String(Math.trunc(value)).padStart(width, '0');
