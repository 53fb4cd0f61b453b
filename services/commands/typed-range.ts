import { parseDurationMs, parseMoment } from '../api/time.ts';
import { ConfigError, type ConfigProblem } from '../runtime/errors.ts';
import type { World } from './world.ts';

/** A range of time as typed. */
export interface TypedRange {
  readonly from: string;
  readonly to?: string;
}

/** Reads moments that were typed. Throws ConfigError with everything that is wrong. */
export const typedRange = (
  { from, to }: TypedRange,
  { clock }: Pick<World, 'clock'>,
): { readonly fromMs: number; readonly toMs: number } => {
  const problems: ConfigProblem[] = [];
  const fromMs = typedMoment('--from', from, { clock }, problems);
  const toMs = to === undefined ? clock.nowMs() : typedMoment('--to', to, { clock }, problems);
  if (problems.length === 0 && toMs <= fromMs)
    problems.push({ key: '--to', value: to ?? 'now', allowed: 'a time after --from' });
  if (problems.length > 0) throw new ConfigError(problems);
  return { fromMs, toMs };
};

/** Reads one moment that was typed, as ms since 1970; adds to `problems` what is wrong with it, and is 0 then. */
export const typedMoment = (
  key: string,
  text: string,
  { clock }: Pick<World, 'clock'>,
  problems: ConfigProblem[],
): number => {
  const ms = parseMoment(text, clock.nowMs());
  if (ms === null) problems.push({ key, value: text, allowed: 'such as 2h, or 2026-03-01T12:00:00Z' });
  return ms ?? 0;
};

/** A duration that was typed, such as `90s`, `30m`, `24h`, `7d`, as milliseconds; null for anything else, nothing included. */
export const typedDurationMs = (text: string): number | null => {
  const ms = text.startsWith('-') ? null : parseDurationMs(text);
  return ms === 0 ? null : ms;
};

/** How long ago `--since` is, in milliseconds. Throws ConfigError for what is no duration. */
export const sinceMs = (text: string): number => {
  const ms = typedDurationMs(text);
  if (ms !== null) return ms;
  throw new ConfigError([
    { key: '--since', value: text, allowed: 'a duration before now such as 90s, 30m, 24h or 7d' },
  ]);
};
