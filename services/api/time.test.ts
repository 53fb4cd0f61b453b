import { describe, expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { isoOf, parseDurationMs, parseIso, parseMoment } from './time.ts';

describe('time', () => {
  test.each([0, 1, 951_782_400_000, 1_763_717_711_123, -1, -62_135_596_800_000, 9_214_646_400_000])(
    'writes %i as the calendar has it, and reads it back',
    (ms) => {
      expect(isoOf(ms)).toBe(new Date(ms).toISOString());
      expect(parseIso(isoOf(ms))).toBe(ms);
    },
  );

  test.each([
    ['2026-11-21', 1_795_219_200_000],
    ['2026-11-21 09:30', 1_795_253_400_000],
    ['2026-11-21T09:30:00+02:00', 1_795_246_200_000],
    ['2026-11-21T09:30:00.123456789Z', 1_795_253_400_123],
  ])('reads %s', (text, ms) => expect(parseIso(text)).toBe(ms));

  test.each([
    '',
    'yesterday',
    '2026-02-30',
    '2026-13-01',
    '2026-11-21T24:00Z',
    '2026-11-21T09:60Z',
    '20261121',
    "2026-11-21' OR 1",
  ])('refuses %j', (text) => expect(parseIso(text)).toBeNull());

  test('takes durations before now, with and without the minus', () => {
    expect(parseMoment('24h', 100_000_000)).toBe(100_000_000 - 86_400_000);
    expect(parseMoment('-15m', 1_000_000)).toBe(100_000);
    expect(parseMoment('now', 5)).toBe(5);
    expect(parseDurationMs('9999999h')).toBeNull();
  });
});

describe('cursor', () => {
  test('comes back as it went out, also with odd ids', () => {
    for (const id of ['abc', '日本', "a'b"]) {
      expect(decodeCursor(encodeCursor({ ts_micros: '-12', id }))).toEqual({ ts_micros: '-12', id });
    }
  });

  test.each(['', 'zzz', '!!!', Buffer.from('1e9|x').toString('base64url'), Buffer.from('1|').toString('base64url')])(
    'refuses %j',
    (text) => expect(decodeCursor(text)).toBeNull(),
  );
});
