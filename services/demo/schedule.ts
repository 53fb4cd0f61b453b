/**
 * When the demo plays what. Pure and addressed by slot number: slot n always plays the same capture at the same time
 * with the same salt, so a restart continues, and a slot sent twice is recognised as a duplicate.
 */

/** Length of a slot: one recorded agent run begins in each. A human pace for a page that is looked at. */
export const SLOT_MS = 60_000;
const HOUR_MS = 3_600_000;
/** History played in at the first start: the day that the first page shows, so that its charts are not empty. */
export const HISTORY_MS = 24 * HOUR_MS;
/** Longest pause after which missed slots are still filled in; beyond it only HISTORY_MS is. */
export const CATCH_UP_MS = HISTORY_MS;

/** The slot in which a time lies. */
export const slotAt = (ms: number): number => Math.floor(ms / SLOT_MS);

/** Start of a slot in milliseconds since 1970, moved within the slot so that runs do not begin on the minute. */
export const slotStartMs = (slot: number): number => slot * SLOT_MS + (mix(slot) % (SLOT_MS / 4));

/** Which capture a slot plays: every one comes, in an order that does not look like a list. */
export const captureOf = (slot: number, captures: number): number => mix(slot) % captures;

/** One slot in this many is played without care: card numbers and keys stay in what tools gave back. */
const CARELESS_EVERY = 20;

/** Whether secrets of the recording are masked in this slot, as a careful tool would. */
export const isCareful = (slot: number): boolean => mix(~slot) % CARELESS_EVERY !== 0;

/** A morning: all slots of the last hour, half of them two hours before that, and this share of the night. */
const MORNING_HOURS = 2.5;
const NIGHT_SHARE = 0.05;

/** Share of the slots of that age that the history holds, 0 to 1: a day in some 250 plays instead of 1,440. */
const historyShare = (ageHours: number): number =>
  ageHours < 1 ? 1 : NIGHT_SHARE + (1 - NIGHT_SHARE) * Math.exp(-(((ageHours - 1) / MORNING_HOURS) ** 2));

const MIX_RANGE = 2 ** 32;
/** Another order than that of the captures: else the night would play the same few. */
const HISTORY_SEED = 0x5bd1e995;

/** Slots to fill in at a start, oldest first. `last` = the last slot already played, null at the first start. */
export const slotsToFill = (nowMs: number, last: number | null): readonly number[] => {
  const until = slotAt(nowMs) - 1;
  const oldest = slotAt(nowMs - (last === null ? HISTORY_MS : CATCH_UP_MS));
  const from = last === null ? oldest : Math.max(oldest, last + 1);
  return Array.from({ length: Math.max(0, until - from + 1) }, (_, at) => from + at).filter(
    (slot) => mix(slot ^ HISTORY_SEED) < historyShare((nowMs - slot * SLOT_MS) / HOUR_MS) * MIX_RANGE,
  );
};

/** A 32-bit integer hash (splitmix-like), good enough to scatter slot numbers. */
const mix = (n: number): number => {
  let x = (n ^ 0x9e3779b9) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97) >>> 0;
  return (x ^ (x >>> 15)) >>> 0;
};
