import { z } from 'zod';
import { type Cursor, decodeCursor, encodeCursor } from '../cursor.ts';
import { problem } from '../problem.ts';
import type { TimeRange } from '../queries/query.ts';
import { parseMoment } from '../time.ts';

/** Longest text a filter may carry: ids and names are far shorter. */
const TEXT_CHARS_MAX = 512;

export const text = z.string().min(1).max(TEXT_CHARS_MAX);
export const tenantInput = z.string().max(64).optional().describe('Tenant; absent: all that the caller may see.');
/** A moment as a caller writes it; `rangeOf` reads it. */
export const momentInput = (description: string) =>
  text
    .optional()
    .describe(`${description} ISO 8601 (UTC when no zone is given), or a duration before now such as 24h.`);
/** Rows of a page: `fallback` when absent, 1 to `most`. */
export const limitInput = (fallback: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, 'a whole number')
    .transform(Number)
    .pipe(z.number().min(1).max(most))
    .optional()
    .transform((value) => value ?? fallback)
    .describe(`Rows of a page, 1 to ${most}; ${fallback} when absent.`);
export const cursorInput = z.string().max(1024).optional().describe('`next_cursor` of the page before.');
export const runIdParams = z.strictObject({ run_id: text });

/** Widest range one read may ask for: the longest retention we ship. */
const RANGE_MS_MAX = 800 * 86_400_000;
const DAY_MS = 86_400_000;

/**
 * The range asked for; `to` defaults to now and `from` to a day before it. Throws 400 when a moment cannot be read,
 * the range is empty or wider than the retention.
 */
export const rangeOf = (input: { from?: string | undefined; to?: string | undefined }, nowMs: number): TimeRange => {
  const moment = (name: 'from' | 'to', fallback: number): number => {
    const asked = input[name];
    if (asked === undefined) return fallback;
    const found = parseMoment(asked, nowMs);
    if (found === null) {
      throw problem(400, `${name}: '${asked}' is neither ISO 8601 nor a duration before now such as 24h`, {
        parameter: name,
      });
    }
    return found;
  };
  // Up to the next millisecond, so that what was stored just now is inside a half-open range.
  const toMs = moment('to', nowMs + 1);
  const fromMs = moment('from', toMs - DAY_MS);
  if (fromMs >= toMs) throw problem(400, 'from must lie before to', { parameter: 'from' });
  if (toMs - fromMs > RANGE_MS_MAX) throw problem(400, 'a range may span at most 800 days', { parameter: 'from' });
  return { fromMs, toMs };
};

/** The cursor asked for; throws 400 when it is not one of ours. */
export const cursorOf = (asked: string | undefined): Cursor | undefined => {
  if (asked === undefined) return undefined;
  const cursor = decodeCursor(asked);
  if (cursor === null)
    throw problem(400, 'cursor: not a cursor of this API; take `next_cursor` as it is', { parameter: 'cursor' });
  return cursor;
};

/** Cuts the row too many that told there is more, and says where the next page begins. */
export const pageOf = <T>(
  rows: readonly T[],
  limit: number,
  cursor: (row: T) => Cursor,
): { readonly rows: readonly T[]; readonly nextCursor: string | null } => {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { rows: page, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(cursor(last)) : null };
};
