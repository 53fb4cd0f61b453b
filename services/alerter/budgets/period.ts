import type { Budget, Period } from './budget.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Offsets from UTC lie within ±14 h today and within ±16 h in all of history. */
const OFFSET_MAX_MS = 16 * 3_600_000;
/** Clocks that are put back cross a date line by an hour or two (Newfoundland went from 0:01 back to 23:01). */
const TURNED_BACK_MAX_MS = 3 * 3_600_000;

/** A date of some zone as the UTC midnight of the same date: dates compare and step like numbers. */
type LocalDate = number;

/** Gives the local date of an instant in a zone. Creating one is dear, asking is cheap. */
export type DateReader = (ms: number) => LocalDate;

/** A reader for an IANA zone; null when there is no such zone. */
export const createDateReader = (timezone: string): DateReader | null => {
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
    });
    return (ms) => {
      const [month = 1, day = 1, year = 1970] = format.format(ms).split('/').map(Number);
      return Date.UTC(year, month - 1, day);
    };
  } catch {
    return null;
  }
};

/**
 * The period of a budget in which an instant lies: from the first instant of its local date (or month) to the first
 * of the next. Days have 23 to 25 hours and sometimes other lengths; midnight need not exist (then the day begins when
 * clocks go on), a date need not exist (then it has no period). Where clocks are put back over midnight, the hour that
 * comes twice belongs to the later day. So periods meet without gap or overlap.
 */
export const periodAt = (kind: Budget['period'], dateOf: DateReader, ms: number): Period => {
  let first = firstDate(kind, dateOf(ms));
  let period = between(dateOf, first, nextDate(kind, first));
  while (ms >= period.endMs) {
    first = nextDate(kind, first);
    period = between(dateOf, first, nextDate(kind, first));
  }
  return period;
};

/** The period that ended where this one begins. */
export const periodBefore = (kind: Budget['period'], dateOf: DateReader, period: Period): Period =>
  periodAt(kind, dateOf, period.startMs - 1);

const firstDate = (kind: Budget['period'], date: LocalDate): LocalDate => {
  if (kind === 'day') return date;
  const at = new Date(date);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1);
};

const nextDate = (kind: Budget['period'], date: LocalDate): LocalDate => {
  if (kind === 'day') return date + DAY_MS;
  const at = new Date(date);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
};

const between = (dateOf: DateReader, from: LocalDate, until: LocalDate): Period => ({
  startMs: firstInstant(dateOf, from),
  endMs: firstInstant(dateOf, until),
});

/** The first instant whose local date is `date` or, where that date does not exist, a later one. To the second. */
const firstInstant = (dateOf: DateReader, date: LocalDate): number => {
  let before = date - OFFSET_MAX_MS;
  let at = date + OFFSET_MAX_MS;
  while (at - before > 1000) {
    const middle = before + Math.floor((at - before) / 2000) * 1000;
    if (dateOf(middle) >= date) at = middle;
    else before = middle;
  }
  // The halving finds one crossing; clocks that were put back over midnight cross twice, and the first one counts.
  for (let earlier = at - MINUTE_MS; earlier >= at - TURNED_BACK_MAX_MS; earlier -= MINUTE_MS)
    if (dateOf(earlier) >= date) return firstOf(dateOf, date, earlier);
  return at;
};

const firstOf = (dateOf: DateReader, date: LocalDate, found: number): number => {
  let at = found;
  while (dateOf(at - MINUTE_MS) >= date) at -= MINUTE_MS;
  while (dateOf(at - 1000) >= date) at -= 1000;
  return at;
};
