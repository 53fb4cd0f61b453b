import type { PostAnswer } from '../runtime/outbound.ts';

/** A page that nobody could be told for a day has been seen elsewhere by then; it is given up and shown as failed. */
export const GIVE_UP_MS = 24 * 3_600_000;
const BACKOFF_FIRST_MS = 1_000;
/** A sink that was away is tried again within five minutes of its return. */
export const BACKOFF_MAX_MS = 300_000;
/** A sink may ask for a pause, but not for silence. */
export const RETRY_AFTER_MAX_MS = 3_600_000;

/** What an answer means for its delivery. */
export type Verdict =
  | { readonly kind: 'sent' }
  /** Never to be tried again: the sink understood, and refused this very message. */
  | { readonly kind: 'refused'; readonly error: string }
  /** `pauseMs`: how long the sink asked to be left alone; null when it did not. */
  | { readonly kind: 'later'; readonly error: string; readonly pauseMs: number | null };

/** 400, 413, 422: this message is not understood. 410: the endpoint is gone for good. */
const REFUSALS: ReadonlySet<number> = new Set([400, 410, 413, 422]);

/** Reads an answer. Redirects are not followed: where pages go is the config's word alone. */
export const verdictOf = (answer: PostAnswer, nowMs: number): Verdict => {
  if (answer.kind === 'unreachable') return { kind: 'later', error: answer.reason, pauseMs: null };
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: 'sent' };
  const said = answer.excerpt === '' ? '' : `: ${answer.excerpt}`;
  const error = status >= 300 && status < 400 ? `HTTP ${status}: redirects are not followed` : `HTTP ${status}${said}`;
  if (REFUSALS.has(status)) return { kind: 'refused', error };
  return { kind: 'later', error, pauseMs: readRetryAfter(answer.retryAfter, nowMs) };
};

/** Pause before the next attempt after `attempts` failed ones, ms; `random` in [0, 1) spreads those that failed together. */
export const backoffMs = (attempts: number, random: number): number =>
  Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempts - 1, 20)) * (0.5 + random / 2);

/**
 * Ms until a moment that was set at most `mostMs` ahead. A moment further away than that was set by a clock that has
 * been put back since: it is now.
 */
export const waitUntil = (momentMs: number, mostMs: number, nowMs: number): number =>
  momentMs - nowMs > mostMs ? 0 : Math.max(0, momentMs - nowMs);

/** `Retry-After` (RFC 9110, 10.2.3: seconds or an HTTP date) as ms from now, an hour at most; null when absent or odd. */
export const readRetryAfter = (text: string | null, nowMs: number): number | null => {
  if (text === null) return null;
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(RETRY_AFTER_MAX_MS, Math.max(0, ms)) : null;
};

/** Whether the n-th failure is told: the first, second, fourth, eighth … so that a day of them is ten events. */
export const isTold = (attempts: number): boolean => (attempts & (attempts - 1)) === 0;
