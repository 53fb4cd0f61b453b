import { expect, test } from 'vitest';
import { ConfigError } from '../runtime/errors.ts';
import { parseSelection } from './dlq-selection.ts';
import { sinceMs, typedRange } from './typed-range.ts';

const NOW_MS = Date.parse('2026-11-22T12:00:00Z');
const world = { clock: { nowMs: () => NOW_MS, sleep: async () => {} } };

test('a duration is a count and a unit; anything else names what is allowed', () => {
  expect([sinceMs('90s'), sinceMs('30m'), sinceMs('24h'), sinceMs('7d'), sinceMs('1w')]).toEqual([
    90_000, 1_800_000, 86_400_000, 604_800_000, 604_800_000,
  ]);
  for (const wrong of ['', '24', '0h', '-1h', '1y', '1e3h', '24 h', '2026-11-22'])
    expect(() => sinceMs(wrong)).toThrow(ConfigError);
});

test('a moment is a time, UTC unless it says otherwise, or how long ago; every command reads it alike', () => {
  const moments: readonly (readonly [string, string])[] = [
    ['2h', '2026-11-22T10:00:00Z'],
    ['1w', '2026-11-15T12:00:00Z'],
    ['2026-11-21', '2026-11-21T00:00:00Z'],
    ['2026-11-21T09:30:00', '2026-11-21T09:30:00Z'],
    ['2026-11-21T09:30:00+02:00', '2026-11-21T07:30:00Z'],
  ];
  for (const [from, wanted] of moments) {
    expect(typedRange({ from }, world), from).toEqual({ fromMs: Date.parse(wanted), toMs: NOW_MS });
    expect(parseSelection({ positions: [], since: from }, world.clock).sinceMs, from).toBe(Date.parse(wanted));
  }
  for (const from of ['', 'yesterday', '2026-02-30', '2026-11-21T25:00:00Z', '5', '1h30m'])
    expect(() => typedRange({ from }, world), from).toThrow(ConfigError);
  expect(() => typedRange({ from: '1h', to: '2h' }, world)).toThrow(ConfigError);
});
