import { ConfigError } from '../runtime/errors.ts';
import { typedDurationMs } from './typed-range.ts';

/** An audit reads whole tables: more often than this it would do nothing else. */
const EVERY_MIN_MS = 10_000;
const EVERY_MAX_MS = 24 * 3_600_000;

/** `30s`, `10m`, `2h` as milliseconds; from ten seconds to a day. Throws ConfigError for anything else. */
export const parseEvery = (text: string): number => {
  const ms = typedDurationMs(text.trim());
  if (ms !== null && ms >= EVERY_MIN_MS && ms <= EVERY_MAX_MS) return ms;
  throw new ConfigError([{ key: '--every', value: text, allowed: 'a time from 10s to 24h, such as 30s, 10m, 2h' }]);
};
