/**
 * When the demo plays what. Pure and addressed by slot number: slot n always plays the same capture at the same time
 * with the same salt, so a restart continues, and a slot sent twice is recognised as a duplicate.
 */

/** Length of a slot: one recorded agent run begins in each. A human pace for a page that is looked at. */
export const SLOT_MS = 60_000;
/** History played in at the first start, so that charts are not empty. */
export const HISTORY_MS = 4 * 3_600_000;
/** Longest pause after which missed slots are still filled in; beyond it only HISTORY_MS is. */
export const CATCH_UP_MS = HISTORY_MS;

/** The slot in which a time lies. */
export const slotAt = (ms: number): number => Math.floor(ms / SLOT_MS);

/** Start of a slot in milliseconds since 1970, moved within the slot so that runs do not begin on the minute. */
export const slotStartMs = (slot: number): number => slot * SLOT_MS + (mix(slot) % (SLOT_MS / 4));

/** Which capture a slot plays: every one comes, in an order that does not look like a list. */
export const captureOf = (slot: number, captures: number): number => mix(slot) % captures;

/** Slots to fill in at a start, oldest first. `last` = the last slot already played, null at the first start. */
export const slotsToFill = (nowMs: number, last: number | null): readonly number[] => {
  const until = slotAt(nowMs) - 1;
  const oldest = slotAt(nowMs - (last === null ? HISTORY_MS : CATCH_UP_MS));
  const from = last === null ? oldest : Math.max(oldest, last + 1);
  return Array.from({ length: Math.max(0, until - from + 1) }, (_, at) => from + at);
};

/** A 32-bit integer hash (splitmix-like), good enough to scatter slot numbers. */
const mix = (n: number): number => {
  let x = (n ^ 0x9e3779b9) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97) >>> 0;
  return (x ^ (x >>> 15)) >>> 0;
};
