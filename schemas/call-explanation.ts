import type { TokenBuckets, TokenColumn } from './ledger-entry.ts';
import type { Signal } from './step-kinds.ts';

/**
 * Why the figures of a run's model calls are what they are: which steps told of a call, whose word stands, how its cost
 * was added up. Made by the ledger's own rules from what it holds of the run; read by the API and its pages.
 */

/** What makes a step tell of the same call as another one. A closed list: words stand where it is shown. */
export const BONDS = [
  'only', // nobody else tells of this call
  'response_id', // both name the same answer of the provider
  'log_of_span', // a record written inside the span
  'inside', // its span lies inside the other's, with the same figures
  'beside', // two instrumentations below one parent, at the same time, with the same model and figures
  'same_time', // elsewhere in the run, one inside the other's time, with the same model and figures
] as const;
export type Bond = (typeof BONDS)[number];

/** Why one of two words about the same call stands before the other. */
export const PRECEDENCES = [
  'alone', // there is no other
  'usage', // it tells tokens, the other none
  'measured', // the other's figures are estimates
  'detail', // it tells more of the buckets apart
  'response_id', // it names the provider's answer
  'order', // nothing else decides: nearer to the wire, then by id
] as const;
export type Precedence = (typeof PRECEDENCES)[number];

/** Why a step that tells tokens is not booked by itself. */
export const SET_ASIDE = [
  'wrapper', // it repeats or sums calls below it, which are booked
  'around', // it lies around calls and tells no more than they do
  'in_sum', // it tells nothing and lies in a step that tells the sum
  'elsewhere', // another run tells of the same call from within, and has it booked
  'other_signal', // its family is believed by another signal, which is heard in this run
] as const;
export type SetAside = (typeof SET_ASIDE)[number];

/** One step's word about a call. Buckets are disjoint; null: it did not say. */
export interface Testimony extends TokenBuckets {
  readonly step_id: string;
  readonly signal: Signal;
  readonly family: string;
  readonly scope_name: string;
  readonly name: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly model: string | null;
  readonly response_id: string | null;
  readonly outcome: 'ok' | 'failed';
  readonly estimated: boolean;
  readonly untold: readonly string[];
  /** USD, decimal, as the emitter said; never part of our cost. */
  readonly reported_cost_usd: string | null;
}

/** A testimony that counts for a call, and how. */
export interface Evidence extends Testimony {
  readonly is_believed: boolean;
  readonly bond: Bond;
  /** The step it is bound to; null for the only one. */
  readonly bound_to: string | null;
  /** For the believed one: what puts it before the next. For the others: what puts the believed one before it. */
  readonly precedence: Precedence;
}

/** One line of a bill: tokens × rate. */
export interface BillLine {
  readonly bucket: string;
  readonly quantity: number;
  /** Told by the telemetry, or worked out from how long the call took and what the price says of the machine. */
  readonly basis: 'measured' | 'modelled';
  /** The rate used; another bucket's where the price has none of its own. */
  readonly rate_key: string;
  /** USD per `per` units, decimal text. */
  readonly rate_usd: string;
  readonly per: number;
  /** Decimal text, rounded so that the lines come to the total. */
  readonly cost_usd: string;
}

export interface CallExplanation {
  readonly call_id: string;
  /** Best first. */
  readonly evidence: readonly Evidence[];
  /** Bucket → the step whose figure stands. Buckets nobody told are absent. */
  readonly bucket_from: Partial<Readonly<Record<TokenColumn, string>>>;
  /** The bill of the cost that is booked; null: no cost, or the price it was booked with is not in the book any more. */
  readonly bill: readonly BillLine[] | null;
  /** Parts of a local model's cost that are neither measured nor modelled: not in the bill. Null: no bill. */
  readonly unknown_parts: readonly string[] | null;
  /** The provider was not told and was inferred from the model's name; null: no price. */
  readonly is_price_inferred: boolean | null;
}

export interface RunExplanation {
  readonly calls: readonly CallExplanation[];
  /** Steps with figures or calls of their own that are no booking, each with the reason. */
  readonly set_aside: readonly (Testimony & { readonly because: SetAside })[];
  /** Steps beyond what is held of one run: their calls were booked one by one and are not explained. */
  readonly summarised_steps: number;
}
