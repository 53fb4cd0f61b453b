/** Calendar arithmetic without a clock: the clock is a port, and these functions must not be able to ask the time. */

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const UNIT_MS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
};
const DURATION = /^-?(\d{1,6})([smhdw])$/;
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** Days since 1970-01-01 of a proleptic Gregorian date (Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
const daysFromCivil = (year: number, month: number, day: number): number => {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719468;
};

/** Year, month 1–12, day of days since 1970-01-01. */
const civilFromDays = (days: number): readonly [number, number, number] => {
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const doe = z - era * 146097;
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365);
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return [yoe + era * 400 + (month <= 2 ? 1 : 0), month, doy - Math.floor((153 * mp + 2) / 5) + 1];
};

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** Milliseconds since 1970 as `YYYY-MM-DDThh:mm:ss.mmmZ`. */
export const isoOf = (ms: number): string => {
  const days = Math.floor(ms / DAY_MS);
  const rest = ms - days * DAY_MS;
  const [year, month, day] = civilFromDays(days);
  const clock = `${pad(Math.floor(rest / HOUR_MS))}:${pad(Math.floor(rest / MINUTE_MS) % 60)}:${pad(Math.floor(rest / SECOND_MS) % 60)}`;
  return `${pad(year, 4)}-${pad(month)}-${pad(day)}T${clock}.${pad(Math.floor(rest % SECOND_MS), 3)}Z`;
};

const offsetMs = (zone: string | undefined): number => {
  if (zone === undefined || zone === 'Z') return 0;
  const sign = zone.startsWith('-') ? -1 : 1;
  return sign * (Number(zone.slice(1, 3)) * HOUR_MS + Number(zone.slice(4, 6)) * MINUTE_MS);
};

/**
 * ISO 8601 (`2026-11-21`, `2026-11-21T09:30:00Z`, with offset; without one it is UTC) as milliseconds since 1970.
 * null when it is not one, or names a day or hour that does not exist.
 */
export const parseIso = (text: string): number | null => {
  const found = ISO.exec(text);
  if (!found) return null;
  const part = (index: number): number => Number(found[index] ?? 0);
  const [year, month, day] = [part(1), part(2), part(3)];
  if (part(4) > 23 || part(5) > 59 || part(6) > 59) return null;
  const days = daysFromCivil(year, month, day);
  const back = civilFromDays(days);
  if (back[0] !== year || back[1] !== month || back[2] !== day) return null;
  const millis = Number((found[7] ?? '').padEnd(3, '0').slice(0, 3));
  return days * DAY_MS + part(4) * HOUR_MS + part(5) * MINUTE_MS + part(6) * SECOND_MS + millis - offsetMs(found[8]);
};

/** `90s`, `15m`, `24h`, `7d`, `2w`, with or without a leading minus, as milliseconds; null when it is not one. */
export const parseDurationMs = (text: string): number | null => {
  const found = DURATION.exec(text);
  if (!found) return null;
  return Number(found[1]) * (UNIT_MS[found[2] ?? ''] ?? 0);
};

/** A moment as a caller writes it: ISO 8601, or a duration before now (`-24h`, `24h`), or `now`. null: neither. */
export const parseMoment = (text: string, nowMs: number): number | null => {
  if (text === 'now') return nowMs;
  const duration = parseDurationMs(text);
  return duration === null ? parseIso(text) : nowMs - duration;
};
