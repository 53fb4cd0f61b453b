/** What a booking stands for. 'fee' and 'capacity' are costs that belong to no single call. */
export const ENTRY_KINDS = ['call', 'fee', 'capacity'] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** Why a call carries no cost. A contract: unknown is NULL with a reason, never zero. */
export const UNPRICED_REASONS = [
  'no_usage', // nobody told the tokens
  'no_price', // a model the price book does not know, or no rate for something it used
  'no_model', // tokens without a model
  'ambiguous_model', // no provider told, and several providers price this model differently
  'failed', // the request failed and reported no usage
] as const;
export type UnpricedReason = (typeof UNPRICED_REASONS)[number];

/** Why an entry was written. A reversal and the entry that takes its place carry the same reason. */
export const BOOKING_REASONS = [
  'booked', // first booking of a call
  'superseded', // evidence that came later says something else of the call
  'duplicate', // two bookings turned out to be one call
  'enriched', // same figures, more is known of who and where
  'repriced', // same figures, another price
  're_recognised', // the emitter convention reads the step differently now
] as const;
export type BookingReason = (typeof BOOKING_REASONS)[number];

/** The token columns: disjoint buckets, signed, null = not told. `input_tokens` is uncached, `output_tokens` excludes reasoning. */
export const TOKEN_COLUMNS = [
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'cache_write_1h_tokens',
  'output_tokens',
  'reasoning_tokens',
  'audio_input_tokens',
  'audio_output_tokens',
] as const;
export type TokenColumn = (typeof TOKEN_COLUMNS)[number];
export type TokenBuckets = Readonly<Record<TokenColumn, number | null>>;

/** Nothing told of any bucket. */
export const NO_TOKENS: TokenBuckets = {
  input_tokens: null,
  cache_read_tokens: null,
  cache_write_tokens: null,
  cache_write_1h_tokens: null,
  output_tokens: null,
  reasoning_tokens: null,
  audio_input_tokens: null,
  audio_output_tokens: null,
};

/** What an entry says of its call: every dimension and figure, without the circumstances of the booking. */
export interface CallBooking extends TokenBuckets {
  readonly entry_kind: EntryKind;
  readonly tenant_id: string;
  /** Time of the call, `YYYY-MM-DD hh:mm:ss.uuuuuu` UTC. */
  readonly ts: string;
  readonly call_id: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly run_id: string;
  readonly session_id: string | null;
  readonly service: string;
  readonly environment: string | null;
  readonly agent_name: string | null;
  readonly workflow: string | null;
  readonly user_id: string | null;
  readonly account: string | null;
  readonly region: string | null;
  readonly service_tier: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly provider: string | null;
  readonly model: string | null;
  readonly family: string;
  readonly outcome: 'ok' | 'failed';
  /** 1, or the number an aggregate stands for; negative in a reversal. */
  readonly calls: number;
  readonly quantities: Readonly<Record<string, number>>;
  /** Details nobody told: they sit in the enclosing bucket and the cost is an upper bound. `calls`: the count is a guess. */
  readonly untold: readonly string[];
  /** Decimal string, 12 places, USD. */
  readonly cost_usd: string | null;
  readonly price_id: string | null;
  readonly estimated: boolean;
  readonly unpriced_reason: UnpricedReason | null;
  /** Decimal string, 12 places, USD, as the emitter reported it: compared, never mixed in. */
  readonly reported_cost_usd: string | null;
}

/** A row of `ledger_entries`: append-only, so that sum() over any slice is right at any moment. */
export interface LedgerEntry extends CallBooking {
  readonly entry_id: string;
  readonly reason: BookingReason;
  /** The entry this one takes back, or null. */
  readonly reverses_entry_id: string | null;
  /** `YYYY-MM-DD hh:mm:ss.mmm` UTC, time of the log. */
  readonly booked_at: string;
  readonly batch_id: string;
  /** Hash of the price book that was in force when this was written; which price was used is said by `price_id`. */
  readonly price_book: string;
  readonly logged_at: string;
}
