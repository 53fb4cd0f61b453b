import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dateMicros, hourOfText, utcMicrosText, utcMillisText } from './utc-time.ts';

// As far as microseconds are whole numbers of a double: 1684 to 2255. Later years are right to 2 µs.
const millis = fc.integer({ min: -9_007_199_254_740, max: 9_007_199_254_739 });

test('agrees with the calendar of the platform', () => {
  fc.assert(
    fc.property(millis, fc.integer({ min: 0, max: 999 }), (ms, micros) => {
      const iso = new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
      expect(utcMillisText(ms)).toBe(iso);
      const text = utcMicrosText(ms * 1000 + micros);
      expect(text).toBe(`${iso}${String(micros).padStart(3, '0')}`);
      expect(hourOfText(text)).toBe(Math.floor(ms / 3_600_000) * 3600);
      expect(dateMicros(text.slice(0, 10))).toBe(Date.parse(text.slice(0, 10)) * 1000);
    }),
    { numRuns: 1000 },
  );
});

test('refuses dates that do not exist', () => {
  expect([dateMicros('2026-02-30'), dateMicros('2026-13-01'), dateMicros('today')]).toEqual([null, null, null]);
});
