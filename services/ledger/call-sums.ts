import type { CallBooking } from '../../schemas/ledger-entry.ts';
import { inputTotal, outputTotal } from './evidence.ts';
import { COST_DECIMALS, formatCost, parseScaled } from './money.ts';

/** Sums over bookings in force. `input_tokens`: the whole prompt, cached or not; `output_tokens`: with reasoning. */
export interface CallSums {
  readonly calls: number;
  readonly failed_calls: number;
  readonly unknown_calls: number;
  readonly unpriced_calls: number;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cost_usd: string | null;
}

export const EMPTY_SUMS: CallSums = {
  calls: 0,
  failed_calls: 0,
  unknown_calls: 0,
  unpriced_calls: 0,
  input_tokens: null,
  output_tokens: null,
  cost_usd: null,
};

/** Adds bookings to sums. A sum is null only when not one of its parts is known. */
export const addCalls = (sums: CallSums, booked: Iterable<{ readonly booking: CallBooking | null }>): CallSums => {
  let next = sums;
  for (const { booking } of booked) {
    if (booking === null) continue;
    next = {
      calls: next.calls + booking.calls,
      failed_calls: next.failed_calls + (booking.outcome === 'failed' ? booking.calls : 0),
      unknown_calls: next.unknown_calls + (booking.unpriced_reason === 'no_usage' ? booking.calls : 0),
      unpriced_calls: next.unpriced_calls + (isUnpriced(booking.unpriced_reason) ? booking.calls : 0),
      input_tokens: addNullable(next.input_tokens, inputTotal(booking)),
      output_tokens: addNullable(next.output_tokens, outputTotal(booking)),
      cost_usd: addCost(next.cost_usd, booking.cost_usd),
    };
  }
  return next;
};

/** Tokens are known, the price is not. */
const isUnpriced = (reason: string | null): boolean =>
  reason === 'no_price' || reason === 'no_model' || reason === 'ambiguous_model';

const addNullable = (a: number | null, b: number | null): number | null => (b === null ? a : (a ?? 0) + b);

const addCost = (a: string | null, b: string | null): string | null =>
  b === null ? a : formatCost((parseScaled(a ?? '0', COST_DECIMALS) ?? 0n) + (parseScaled(b, COST_DECIMALS) ?? 0n));
