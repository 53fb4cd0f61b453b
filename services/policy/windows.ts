/** A named time of the week in a time zone, from the lists. */
export interface TimeWindow {
  readonly days: readonly Day[];
  /** Minutes from midnight; `to` before `from` runs over midnight and belongs to the day it began. */
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly zone: string;
}

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

const DAY_MINUTES = 1_440;

/** Minutes from midnight of `hh:mm` (24:00 is the end of the day); null when it is none. */
export const minuteOf = (text: string): number | null => {
  const match = /^(\d{2}):(\d{2})$/.exec(text);
  const minute = Number(match?.[1]) * 60 + Number(match?.[2]);
  return match === null || Number(match[2]) > 59 || minute > DAY_MINUTES ? null : minute;
};

/** Whether this machine knows the time zone. */
export const isZone = (zone: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};

const formats = new Map<string, Intl.DateTimeFormat>();

const formatOf = (zone: string): Intl.DateTimeFormat => {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  formats.set(zone, made);
  return made;
};

/** Whether the moment lies in the window, by the wall clock of its zone. */
export const isInWindow = (moment: Date, window: TimeWindow): boolean => {
  const parts = Object.fromEntries(
    formatOf(window.zone)
      .formatToParts(moment)
      .map(({ type, value }) => [type, value]),
  );
  const day = DAYS.indexOf(String(parts['weekday']).slice(0, 3).toLowerCase() as Day);
  const minute = Number(parts['hour']) * 60 + Number(parts['minute']);
  const isDay = (index: number): boolean => window.days.includes(DAYS[(index + 7) % 7] ?? 'mon');
  if (window.fromMinute < window.toMinute) return isDay(day) && minute >= window.fromMinute && minute < window.toMinute;
  return (isDay(day) && minute >= window.fromMinute) || (isDay(day - 1) && minute < window.toMinute);
};
