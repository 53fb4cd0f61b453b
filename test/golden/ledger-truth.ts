import { isDeepStrictEqual } from 'node:util';
import type { LedgerEntry } from '../../schemas/ledger-entry.ts';
import { bookOf, type PriceBook } from '../../services/ledger/prices/price.ts';
import { tableSource } from '../../services/ledger/step-fixture.ts';
import { readFixture } from './captured-runs.ts';

/** What can be recovered from each capture (`expected.json`), and the same facts of bookings, to be compared. */

export const BUCKETS = ['input_uncached', 'cache_read', 'cache_write', 'output_text', 'reasoning'] as const;
type Bucket = (typeof BUCKETS)[number];
type Buckets = Readonly<Record<Bucket, number>>;

interface Expected {
  readonly calls: Readonly<
    Record<
      | 'truth_answered'
      | 'visible_with_true_usage'
      | 'visible_without_usage'
      | 'aggregate_rows'
      | 'failed_visible'
      | 'failed_shown_as_ok',
      number
    >
  >;
  readonly recoverable: Buckets;
  readonly recoverable_cost_usd_fixture: number | null;
  readonly reported_but_wrong: Readonly<Record<'calls' | 'input_total' | 'output_total', number>>;
  readonly observations_written_by_hand: readonly (Buckets & { readonly model: string })[];
  readonly by_model: Readonly<Record<string, Buckets & { readonly calls: number }>>;
  /** Why the generic convention alone does not recover all of it, of recordings that came with their convention. */
  readonly generic_alone_is_short?: string;
}

const expected = (readFixture('expected.json') as { readonly emitters: Readonly<Record<string, Expected>> }).emitters;
export const EMITTERS: readonly string[] = Object.keys(expected).sort();
/** Of which emitters the generic convention alone falls short, with the reason, as their fixture says. */
export const SHORT_IN_FIXTURES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(expected).flatMap(([emitter, { generic_alone_is_short: why }]) =>
    why === undefined ? [] : [[emitter, why] as const],
  ),
);

// ------------------------------------------------------------------------ prices

const { note: _note, ...pricing } = (
  readFixture('index.json') as { readonly pricing: Readonly<Record<string, Readonly<Record<string, number>>>> }
).pricing;

/** The frozen prices of the captures: reasoning as output, writes to the cache as input where no price is told. */
export const FIXTURE_PRICES: PriceBook = bookOf([
  tableSource(
    'fixture',
    Object.fromEntries(
      Object.entries(pricing).map(([model, rate]) => [
        model,
        {
          input_mtok: String(rate['input']),
          cache_read_mtok: String(rate['cached_read']),
          cache_write_mtok: String(rate['cache_write'] ?? rate['input']),
          output_mtok: String(rate['output']),
        },
      ]),
    ),
  ),
]);

// ------------------------------------------------------------------------- facts

/** A booking without the circumstances of its booking. */
export type Net = Omit<
  LedgerEntry,
  'entry_id' | 'reason' | 'reverses_entry_id' | 'booked_at' | 'batch_id' | 'logged_at'
>;

interface Facts {
  /** Calls with usage, a sum counted as the calls it stands for. */
  readonly known: number;
  readonly unknown: number;
  readonly failed: number;
  readonly buckets: Buckets;
  /** Sums by model; calls only where calls are told one by one. */
  readonly models: Readonly<Record<string, Buckets & { readonly calls: number | null }>>;
  /** Figures the emitter counted itself: flagged, and in no sum above. */
  readonly estimated: { readonly calls: number; readonly input: number; readonly output: number };
}

const hasTokens = (booking: Net): boolean => booking.input_tokens !== null || booking.output_tokens !== null;

const bucketsOf = (bookings: readonly Net[]): Buckets => {
  const sum = (read: (booking: Net) => number | null) => bookings.reduce((total, one) => total + (read(one) ?? 0), 0);
  return {
    input_uncached: sum((one) => one.input_tokens),
    cache_read: sum((one) => one.cache_read_tokens),
    cache_write: sum((one) => (one.cache_write_tokens ?? 0) + (one.cache_write_1h_tokens ?? 0)),
    output_text: sum((one) => one.output_tokens),
    reasoning: sum((one) => one.reasoning_tokens),
  };
};

const callsOf = (bookings: readonly Net[]): number => bookings.reduce((sum, one) => sum + one.calls, 0);

const undated = (model: string): string => model.replace(/-20\d{6}$/, '');

/** What the bookings of one emitter say. */
export const factsOf = (emitter: string, bookings: readonly Net[]): Facts => {
  const told = bookings.filter(hasTokens);
  const known = told.filter((booking) => !booking.estimated);
  const local = bucketsOf(told.filter((booking) => booking.estimated));
  const isAggregated = (expected[emitter]?.calls.aggregate_rows ?? 0) > 0;
  const models = Map.groupBy(known, (booking) => booking.model ?? '(no model)');
  return {
    known: callsOf(known),
    unknown: callsOf(bookings.filter((booking) => booking.unpriced_reason === 'no_usage')),
    failed: callsOf(bookings.filter((booking) => booking.outcome === 'failed')),
    buckets: bucketsOf(known),
    models: Object.fromEntries(
      [...models]
        .map(([model, list]) => [model, { calls: isAggregated ? null : callsOf(list), ...bucketsOf(list) }] as const)
        .sort(),
    ),
    estimated: {
      calls: callsOf(told) - callsOf(known),
      input: local.input_uncached + local.cache_read + local.cache_write,
      output: local.output_text + local.reasoning,
    },
  };
};

/** What the ledger ought to say of an emitter: the table, and what its application wrote by hand, as README tells. */
export const truthOf = (emitter: string): Facts & { readonly shownAsOk: number; readonly costUsd: number | null } => {
  const truth = expected[emitter];
  if (truth === undefined) throw new Error(`no expectation for ${emitter}`);
  const { calls, observations_written_by_hand: byHand, reported_but_wrong: wrong } = truth;
  const isAggregated = calls.aggregate_rows > 0;
  const models = new Map<string, Buckets & { readonly calls: number | null }>();
  const add = (model: string, sums: Buckets, count: number) => {
    const before = models.get(model);
    models.set(model, {
      calls: isAggregated ? null : count + (before?.calls ?? 0),
      ...addBuckets(sums, before),
    });
  };
  for (const [model, sums] of Object.entries(truth.by_model)) add(model, sums, sums.calls);
  for (const one of byHand) add(one.model, one, 1);
  const recoverable = truth.recoverable_cost_usd_fixture;
  return {
    known: (isAggregated ? calls.truth_answered : calls.visible_with_true_usage) + byHand.length,
    unknown: calls.visible_without_usage,
    failed: calls.failed_visible,
    buckets: byHand.reduce<Buckets>((sum, one) => addBuckets(one, sum), addBuckets(truth.recoverable, undefined)),
    models: Object.fromEntries([...models].sort()),
    estimated: { calls: wrong.calls, input: wrong.input_total, output: wrong.output_total },
    shownAsOk: calls.failed_shown_as_ok,
    costUsd: recoverable === null ? null : recoverable + byHand.reduce((sum, one) => sum + costOf(one), 0),
  };
};

const addBuckets = (a: Buckets, b: Buckets | undefined): Buckets => ({
  input_uncached: a.input_uncached + (b?.input_uncached ?? 0),
  cache_read: a.cache_read + (b?.cache_read ?? 0),
  cache_write: a.cache_write + (b?.cache_write ?? 0),
  output_text: a.output_text + (b?.output_text ?? 0),
  reasoning: a.reasoning + (b?.reasoning ?? 0),
});

/** By the frozen prices, in USD. */
const costOf = (one: Buckets & { readonly model: string }): number => {
  const rate = pricing[undated(one.model)] ?? {};
  const input = rate['input'] ?? 0;
  const output = one.output_text + one.reasoning;
  return (
    (one.input_uncached * input +
      one.cache_read * (rate['cached_read'] ?? input) +
      one.cache_write * (rate['cache_write'] ?? input) +
      output * (rate['output'] ?? 0)) /
    1e6
  );
};

/**
 * Facts and truth, to be compared. A failed call that looks fine may be booked as failed or as unknown: where there is
 * one, both are told together.
 */
export const compared = (
  emitter: string,
  bookings: readonly Net[],
): { readonly facts: object; readonly truth: object } => {
  const { shownAsOk, costUsd: _cost, ...truth } = truthOf(emitter);
  const facts = factsOf(emitter, bookings);
  if (shownAsOk === 0) return { facts, truth };
  const { unknown, failed, ...rest } = facts;
  const { unknown: trueUnknown, failed: trueFailed, ...trueRest } = truth;
  return {
    facts: { ...rest, unknown_or_failed: unknown + failed },
    truth: { ...trueRest, unknown_or_failed: trueUnknown + trueFailed + shownAsOk },
  };
};

/** True when the bookings say what the table says. */
export const isAsTold = (emitter: string, bookings: readonly Net[]): boolean => {
  const { facts, truth } = compared(emitter, bookings);
  return isDeepStrictEqual(facts, truth);
};

/** Cost of the bookings without those the emitter counted itself, in USD. */
export const knownCost = (bookings: readonly Net[]): number =>
  bookings.reduce((sum, one) => sum + (one.estimated ? 0 : Number(one.cost_usd ?? 0)), 0);

/** In what more is booked than the payload tells, estimates included; empty when in nothing. */
export const overCounted = (emitter: string, bookings: readonly Net[]): readonly string[] => {
  const truth = truthOf(emitter);
  const told = bookings.filter(hasTokens);
  const has = bucketsOf(told);
  const inputOf = (sums: Buckets) => sums.input_uncached + sums.cache_read + sums.cache_write;
  const outputOf = (sums: Buckets) => sums.output_text + sums.reasoning;
  return [
    ...(callsOf(told) > truth.known + truth.estimated.calls ? ['calls'] : []),
    ...(inputOf(has) > inputOf(truth.buckets) + truth.estimated.input ? ['input'] : []),
    ...(outputOf(has) > outputOf(truth.buckets) + truth.estimated.output ? ['output'] : []),
  ];
};
