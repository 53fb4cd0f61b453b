import type { Bond, Evidence, Precedence, SetAside } from '../../schemas/call-explanation.ts';
import type { BookingRow } from './queries/bookings.ts';

/** The reasons of the ledger in words: the API and the pages say the same. */

const BOND_WORDS: Readonly<Record<Bond, string>> = {
  only: 'standing alone',
  response_id: 'the response id',
  log_of_span: 'the span the record was written in',
  inside: 'one span lying inside the other, with the same figures',
  beside: 'one parent, one time, one model and the same figures',
  same_time: 'lying in the time of the other, with the same model and figures',
};

/** Said of the one that stands before another. */
const PRECEDENCE_WORDS: Readonly<Record<Precedence, string>> = {
  alone: 'is the only one that tells of it',
  usage: 'tells tokens where the other does not',
  measured: 'was measured where the other is an estimate',
  detail: 'tells more of the buckets apart',
  response_id: 'names the response of the provider',
  order: 'says as much as the other and is nearer to the wire (then: the smaller id)',
};

/** Why one step's word stands or does not, and how it is known to be about this call. */
export const evidenceWords = (step: Pick<Evidence, 'is_believed' | 'bond' | 'precedence'>): string => {
  const stands = step.is_believed
    ? `believed: it ${PRECEDENCE_WORDS[step.precedence]}`
    : `not believed first: the believed one ${PRECEDENCE_WORDS[step.precedence]}`;
  return step.bond === 'only' ? stands : `${stands}; same call by ${BOND_WORDS[step.bond]}`;
};

export const SET_ASIDE_WORDS: Readonly<Record<SetAside, string>> = {
  wrapper: 'repeats or sums the calls below it, which are booked',
  around: 'lies around calls that are booked and tells no more than they do',
  in_sum: 'tells nothing; the step around it tells the sum, which is booked',
  other_signal: 'repeats what this program says by another signal, which is believed and booked',
  elsewhere: 'stands alone in its trace; another run tells of the same call from within, and has it booked',
};

const UNPRICED: Readonly<Record<string, string>> = {
  no_usage: 'nobody told its tokens',
  no_price: 'no price is known for this model',
  no_model: 'nobody told its model',
  ambiguous_model: 'no provider was told, and several price this model differently',
  failed: 'it failed and told no tokens',
};

const UNTOLD: Readonly<Record<string, string>> = {
  cache_read: 'tokens read from the cache (they count as input)',
  cache_write: 'tokens written to the cache (they count as input)',
  reasoning: 'reasoning (it counts as output)',
  input: 'input (it is missing from the cost)',
  output: 'output (it is missing from the cost)',
  calls: 'how many calls the sum stands for',
};

/** What is uncertain about a booking, as a sentence a person can act on; '' when nothing is. */
export const uncertainty = (entry: BookingRow): string => {
  if (entry.cost_usd === null)
    return `Cost unknown: ${UNPRICED[entry.unpriced_reason ?? ''] ?? entry.unpriced_reason ?? 'no reason told'}.`;
  const untold = entry.untold.map((name) => UNTOLD[name] ?? name);
  const missing = entry.untold.includes('input') || entry.untold.includes('output');
  return [
    untold.length > 0 && `Not told: ${untold.join(', ')}; the cost is ${missing ? 'incomplete' : 'an upper bound'}.`,
    entry.estimated && 'The tokens were counted by the sender, not by the provider: an estimate.',
  ]
    .filter((part) => part !== false)
    .join(' ');
};

const REASONS: Readonly<Record<string, string>> = {
  booked: 'first booked',
  superseded: 'later evidence says something else of it',
  duplicate: 'turned out to be another call told twice',
  enriched: 'same figures, more is known of who and where',
  repriced: 'same figures, another price',
  re_recognised: 'its steps are read differently now',
};

/** Why an entry was written. */
export const bookingWords = (entry: Pick<BookingRow, 'reason' | 'reverses_entry_id'>): string => {
  const why = REASONS[entry.reason] ?? entry.reason;
  return entry.reverses_entry_id === null ? why : `taken back: ${why}`;
};
