import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDateReader, type DateReader, periodAt, periodBefore } from './period.ts';

/** Zones with what calendars can do to a midnight. */
const EDGES: readonly (readonly [zone: string, what: string, aroundUtc: string])[] = [
  ['Europe/Berlin', '23 hours', '2026-03-29T01:00:00Z'],
  ['Europe/Berlin', '25 hours', '2026-10-25T01:00:00Z'],
  ['America/Sao_Paulo', 'midnight does not exist', '2018-11-04T03:00:00Z'],
  ['America/Sao_Paulo', 'put back at midnight', '2019-02-17T02:00:00Z'],
  ['America/St_Johns', 'put back at 0:01 over midnight', '2009-11-01T02:31:00Z'],
  ['Africa/Cairo', 'midnight does not exist', '2026-04-23T22:00:00Z'],
  ['Asia/Beirut', 'midnight does not exist', '2026-03-28T22:00:00Z'],
  ['America/Havana', 'put back at one o’clock to midnight', '2026-11-01T05:00:00Z'],
  ['Pacific/Apia', 'a date does not exist', '2011-12-30T10:00:00Z'],
  ['Pacific/Kwajalein', 'a date does not exist', '1993-08-21T12:00:00Z'],
  ['Australia/Lord_Howe', 'half an hour', '2026-04-04T15:00:00Z'],
  ['Asia/Kathmandu', 'offset of 5:45', '2026-01-01T00:00:00Z'],
  ['Pacific/Chatham', 'offset of 12:45', '2026-09-26T14:00:00Z'],
  ['Asia/Pyongyang', 'clocks moved at midnight', '2018-05-04T15:00:00Z'],
  ['Etc/GMT+12', 'the last date on earth', '2026-06-01T12:00:00Z'],
  ['Pacific/Kiritimati', 'the first date on earth', '2026-06-01T10:00:00Z'],
  ['UTC', 'nothing', '2026-02-28T23:00:00Z'],
];

const readerOf = (zone: string): DateReader => {
  const reader = createDateReader(zone);
  if (reader === null) throw new Error(`no zone ${zone}`);
  return reader;
};

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const text = (ms: number) => new Date(ms).toISOString();

/** By brute force, minute by minute: where the greatest date seen so far grows, a day begins. */
const dayStarts = (dateOf: DateReader, fromMs: number, toMs: number): readonly number[] => {
  const starts: number[] = [];
  let greatest = dateOf(fromMs);
  for (let ms = fromMs; ms <= toMs; ms += MINUTE_MS) {
    const date = dateOf(ms);
    if (date > greatest) {
      starts.push(ms);
      greatest = date;
    }
  }
  return starts;
};

describe('days of a zone', () => {
  test.each(EDGES)('%s (%s) begin where walking through the minutes finds them', (zone, _what, around) => {
    const dateOf = readerOf(zone);
    const centre = Date.parse(around);
    const starts = dayStarts(dateOf, centre - 72 * HOUR_MS, centre + 72 * HOUR_MS);
    for (const [at, start] of starts.entries()) {
      const end = starts[at + 1];
      if (end === undefined) break;
      for (const inside of [start, start + 1, Math.floor((start + end) / 2), end - 1]) {
        const period = periodAt('day', dateOf, inside);
        expect([text(period.startMs), text(period.endMs)], `at ${text(inside)}`).toEqual([text(start), text(end)]);
      }
      const before = periodBefore('day', dateOf, { startMs: end, endMs: end });
      expect(text(before.startMs)).toBe(text(start));
    }
  });

  test('have the lengths the calendars say', () => {
    const lengthOf = (zone: string, at: string) => {
      const { startMs, endMs } = periodAt('day', readerOf(zone), Date.parse(at));
      return (endMs - startMs) / HOUR_MS;
    };
    expect(lengthOf('Europe/Berlin', '2026-03-29T10:00:00Z')).toBe(23);
    expect(lengthOf('Europe/Berlin', '2026-10-25T10:00:00Z')).toBe(25);
    expect(lengthOf('Australia/Lord_Howe', '2026-04-05T00:00:00Z')).toBe(24.5);
    expect(lengthOf('America/Sao_Paulo', '2018-11-04T12:00:00Z')).toBe(23);
  });

  test('a date that does not exist has no period: the 29th of December 2011 ends where the 31st begins in Apia', () => {
    const dateOf = readerOf('Pacific/Apia');
    const last = periodAt('day', dateOf, Date.parse('2011-12-30T09:59:59Z'));
    const next = periodAt('day', dateOf, Date.parse('2011-12-30T10:00:00Z'));
    expect(text(last.endMs)).toBe('2011-12-30T10:00:00.000Z');
    expect(next.startMs).toBe(last.endMs);
    expect(periodBefore('day', dateOf, next)).toEqual(last);
    expect(dateOf(next.startMs) - dateOf(last.startMs)).toBe(48 * HOUR_MS);
  });
});

describe('periods', () => {
  test('hold their instant, meet without gap or overlap, and begin with the local date', () => {
    const zones = [...new Set(EDGES.map(([zone]) => zone))];
    const readers = new Map(zones.map((zone) => [zone, readerOf(zone)]));
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom('day' as const, 'month' as const),
        fc.integer({ min: Date.UTC(1990, 0, 1), max: Date.UTC(2100, 0, 1) }),
        (zone, kind, ms) => {
          const dateOf = readers.get(zone);
          if (dateOf === undefined) throw new Error(zone);
          const period = periodAt(kind, dateOf, ms);
          expect(ms).toBeGreaterThanOrEqual(period.startMs);
          expect(ms).toBeLessThan(period.endMs);
          expect(periodAt(kind, dateOf, period.startMs)).toEqual(period);
          expect(periodAt(kind, dateOf, period.endMs - 1)).toEqual(period);
          expect(periodAt(kind, dateOf, period.endMs).startMs).toBe(period.endMs);
          expect(periodBefore(kind, dateOf, period).endMs).toBe(period.startMs);
          const days = (period.endMs - period.startMs) / (24 * HOUR_MS);
          expect(days).toBeGreaterThan(kind === 'day' ? 0.9 : 27.9);
          expect(days).toBeLessThan(kind === 'day' ? 2.1 : 31.2);
          if (kind === 'month') expect(new Date(dateOf(period.startMs)).getUTCDate()).toBe(1);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('of a zone that is none are refused', () => {
    for (const zone of ['Mars/Olympus', '', 'Europe/', '../etc/passwd']) expect(createDateReader(zone)).toBeNull();
  });
});
