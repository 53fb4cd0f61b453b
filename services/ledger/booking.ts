import { createHash } from 'node:crypto';
import {
  type BookingReason,
  type CallBooking,
  type LedgerEntry,
  TOKEN_COLUMNS,
  type TokenColumn,
} from '../../schemas/ledger-entry.ts';
import type { PricedBooking } from './call-booking.ts';
import { callIdOf, type DesiredCall } from './desired.ts';
import { negateCost } from './money.ts';

/** What stands in the books for one call. */
export interface BookedCall {
  /** How often it was booked; part of the entry's id, also after the call was taken back. */
  readonly revision: number;
  readonly pricing_key: string;
  /** null: taken back, nothing stands. */
  readonly booking: CallBooking | null;
  /** When the price it stands with was asked for (reprice-command.ts), ms; absent: nobody asked. */
  readonly repricedAtMs?: number;
}

export type Books = ReadonlyMap<string, BookedCall>;

/** When and in which batch entries are written. */
export interface BookingMoment {
  /** `YYYY-MM-DD hh:mm:ss.mmm` UTC: log time. */
  readonly at: string;
  readonly batchId: string;
  /** Hash of the price book in force. */
  readonly priceBook: string;
}

/** What is known of why the books change. */
export interface WhyBooked {
  /** Calls that another run describes: no longer desired, and told as duplicates. */
  readonly elsewhere?: ReadonlySet<string>;
  /** Steps of the run were read anew. */
  readonly isAnew?: boolean;
}

/**
 * desired − booked: the entries that bring the books to what the evidence says, and the books after them. A change is a
 * reversal, which repeats every dimension of the entry it takes back with the figures' signs turned, and a new entry;
 * so the sum over any slice is right before and after.
 */
export const bookDifference = (
  books: Books,
  desired: readonly { readonly call: DesiredCall; readonly priced: PricedBooking }[],
  ids: { readonly tenantId: string; readonly runId: string },
  moment: BookingMoment,
  why: WhyBooked = {},
): { readonly books: Books; readonly entries: readonly LedgerEntry[] } => {
  const next = new Map(books);
  const entries: LedgerEntry[] = [];
  const wanted = new Set(desired.map(({ call }) => call.call_id));
  const gone = [...books].filter(([callId, booked]) => booked.booking !== null && !wanted.has(callId));
  const merged = gone.length === 0 ? new Set<string>() : memberCallIds(desired, ids);
  for (const [callId, booked] of gone) {
    if (booked.booking === null) continue;
    const reason = reasonGone(callId, merged, why);
    entries.push(reversalOf(booked.booking, booked.revision, reason, moment));
    next.set(callId, { ...booked, booking: null });
  }
  for (const { priced } of [...desired].sort((a, b) => (a.call.call_id < b.call.call_id ? -1 : 1))) {
    const { booking } = priced;
    const before = books.get(booking.call_id);
    const reason = reasonOf(before?.booking ?? null, booking, why);
    if (reason === null) {
      next.set(booking.call_id, bookedNow(before, priced, before?.revision ?? 0));
      continue;
    }
    const revision = (before?.revision ?? 0) + 1;
    if (before?.booking) entries.push(reversalOf(before.booking, before.revision, reason, moment));
    entries.push(entryOf(booking, revision, reason, moment));
    next.set(booking.call_id, bookedNow(before, priced, revision));
  }
  return { books: next, entries };
};

/** What was asked of its price before is remembered beside what is asked now. */
const bookedNow = (
  before: BookedCall | undefined,
  { repricedAtMs, ...priced }: PricedBooking,
  revision: number,
): BookedCall => ({ ...before, ...priced, revision, ...(repricedAtMs === undefined ? {} : { repricedAtMs }) });

/** Ids the calls would have had if each piece of evidence stood alone: tells a merged call from a replaced one. */
const memberCallIds = (
  desired: readonly { readonly call: DesiredCall }[],
  { tenantId, runId }: { readonly tenantId: string; readonly runId: string },
): ReadonlySet<string> =>
  new Set(desired.flatMap(({ call }) => call.ranked.map((leaf) => callIdOf(tenantId, runId, leaf.step_id))));

const FIGURES: ReadonlySet<string> = new Set([
  ...TOKEN_COLUMNS,
  'ts',
  'outcome',
  'calls',
  'estimated',
  'quantities',
  'reported_cost_usd',
]);
const PRICE_FIELDS: ReadonlySet<string> = new Set(['cost_usd', 'price_id', 'unpriced_reason', 'untold']);

/** Why a call is no longer desired. */
const reasonGone = (callId: string, merged: ReadonlySet<string>, { isAnew, elsewhere }: WhyBooked): BookingReason => {
  if (isAnew === true) return 're_recognised';
  return merged.has(callId) || elsewhere?.has(callId) === true ? 'duplicate' : 'superseded';
};

/** Why the books change, by the fields that differ; null when none does. */
const reasonOf = (before: CallBooking | null, after: CallBooking, { isAnew }: WhyBooked): BookingReason | null => {
  if (before === null) return isAnew === true ? 're_recognised' : 'booked';
  const stored: ReadonlyMap<string, unknown> = new Map(Object.entries(before));
  const changed = Object.entries(after)
    .filter(([field, value]) => JSON.stringify(stored.get(field)) !== JSON.stringify(value))
    .map(([field]) => field);
  if (changed.length === 0) return null;
  if (isAnew === true) return 're_recognised';
  if (changed.some((field) => FIGURES.has(field))) return 'superseded';
  return changed.every((field) => PRICE_FIELDS.has(field)) ? 'repriced' : 'enriched';
};

// ---------------------------------------------------------------------- entries

/** Books one call by itself, as its first revision. */
export const entryOf = (
  booking: CallBooking,
  revision: number,
  reason: BookingReason,
  moment: BookingMoment,
): LedgerEntry => ({
  entry_id: entryId(booking.call_id, revision, 'booking'),
  ...booking,
  reason,
  reverses_entry_id: null,
  booked_at: moment.at,
  batch_id: moment.batchId,
  price_book: moment.priceBook,
  logged_at: moment.at,
});

const reversalOf = (
  booking: CallBooking,
  revision: number,
  reason: BookingReason,
  moment: BookingMoment,
): LedgerEntry => ({
  entry_id: entryId(booking.call_id, revision, 'reversal'),
  ...booking,
  ...negatedTokens(booking),
  calls: -booking.calls,
  quantities: Object.fromEntries(Object.entries(booking.quantities).map(([name, value]) => [name, turn(value)])),
  cost_usd: booking.cost_usd === null ? null : negateCost(booking.cost_usd),
  reported_cost_usd: booking.reported_cost_usd === null ? null : negateCost(booking.reported_cost_usd),
  reason,
  reverses_entry_id: entryId(booking.call_id, revision, 'booking'),
  booked_at: moment.at,
  batch_id: moment.batchId,
  price_book: moment.priceBook,
  logged_at: moment.at,
});

const negatedTokens = (booking: CallBooking): Readonly<Record<TokenColumn, number | null>> => ({
  input_tokens: turnNullable(booking.input_tokens),
  cache_read_tokens: turnNullable(booking.cache_read_tokens),
  cache_write_tokens: turnNullable(booking.cache_write_tokens),
  cache_write_1h_tokens: turnNullable(booking.cache_write_1h_tokens),
  output_tokens: turnNullable(booking.output_tokens),
  reasoning_tokens: turnNullable(booking.reasoning_tokens),
  audio_input_tokens: turnNullable(booking.audio_input_tokens),
  audio_output_tokens: turnNullable(booking.audio_output_tokens),
});

const turnNullable = (value: number | null): number | null => (value === null ? null : turn(value));
/** Without making −0 of 0. */
const turn = (value: number): number => (value === 0 ? 0 : -value);

const entryId = (callId: string, revision: number, side: 'booking' | 'reversal'): string =>
  createHash('sha256')
    .update(JSON.stringify([callId, revision, side]))
    .digest('hex')
    .slice(0, 32);
