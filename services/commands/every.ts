import { ConfigError } from '../runtime/errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };
/** An audit reads whole tables: more often than this it would do nothing else. */
const EVERY_MIN_MS = 10_000;
const EVERY_MAX_MS = 24 * 3_600_000;

/** `30s`, `10m`, `2h` as milliseconds; from ten seconds to a day. Throws ConfigError for anything else. */
export const parseEvery = (text: string): number => {
  const [, count = '', unit = ''] = /^(\d{1,6})([smh])$/.exec(text.trim()) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? 0);
  if (count !== '' && ms >= EVERY_MIN_MS && ms <= EVERY_MAX_MS) return ms;
  throw new ConfigError([{ key: '--every', value: text, allowed: 'a time from 10s to 24h, such as 30s, 10m, 2h' }]);
};
