import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import type { LedgerEntry } from '../../schemas/ledger-entry.ts';
import { bookOf } from '../../services/ledger/prices/price.ts';
import { createPriceBook } from '../../services/ledger/prices/registry.ts';
import { netBookings, runBatches, tableSource } from '../../services/ledger/step-fixture.ts';
import { readFixture, stepsOfCapture } from './captured-runs.ts';

interface Expected {
  readonly calls: {
    readonly visible_with_true_usage: number;
    readonly visible_without_usage: number;
    readonly failed_visible: number;
  };
  readonly recoverable: Readonly<Record<Bucket, number>>;
  readonly recoverable_cost_usd_fixture: number;
  readonly by_model: Readonly<Record<string, Readonly<Record<Bucket | 'calls', number>>>>;
}
type Bucket = 'input_uncached' | 'cache_read' | 'cache_write' | 'output_text' | 'reasoning';

const expected = (readFixture('expected.json') as { readonly emitters: Readonly<Record<string, Expected>> }).emitters;
const { note: _note, ...pricing } = (
  readFixture('index.json') as { readonly pricing: Readonly<Record<string, Readonly<Record<string, number>>>> }
).pricing;

const PRICES = bookOf([
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

const LIST_PRICES = createPriceBook();

const EMITTERS = ['otel-openai', 'vercel-ai7', 'vercel-ai7-default', 'genkit', 'google-adk', 'strands'];

const byRun = (steps: readonly AgentStep[]): ReadonlyMap<string, readonly AgentStep[]> =>
  Map.groupBy(steps, (step) => `${step.tenant_id}|${step.run_id}`);

type Net = Omit<LedgerEntry, 'entry_id' | 'reason' | 'reverses_entry_id' | 'booked_at' | 'batch_id' | 'logged_at'>;

/** Books every run of the capture; `arrange` says how its steps arrive. */
const book = (steps: readonly AgentStep[], arrange: (run: readonly AgentStep[]) => readonly (readonly AgentStep[])[]) =>
  [...byRun(steps)].flatMap(
    ([key, run]) =>
      netBookings(runBatches(arrange(run), PRICES, undefined, key).entries) as readonly unknown[] as Net[],
  );

const bucketsOf = (bookings: readonly Net[]): Readonly<Record<Bucket, number>> => {
  const sum = (read: (booking: Net) => number | null) => bookings.reduce((total, one) => total + (read(one) ?? 0), 0);
  return {
    input_uncached: sum((one) => one.input_tokens),
    cache_read: sum((one) => one.cache_read_tokens),
    cache_write: sum((one) => (one.cache_write_tokens ?? 0) + (one.cache_write_1h_tokens ?? 0)),
    output_text: sum((one) => one.output_tokens),
    reasoning: sum((one) => one.reasoning_tokens),
  };
};

const pick = (record: Readonly<Record<Bucket, number>>): Readonly<Record<Bucket, number>> => ({
  input_uncached: record.input_uncached,
  cache_read: record.cache_read,
  cache_write: record.cache_write,
  output_text: record.output_text,
  reasoning: record.reasoning,
});

const hasTokens = (booking: Net): boolean => booking.input_tokens !== null || booking.output_tokens !== null;

const factsOf = (bookings: readonly Net[], nameOf: (model: string) => string) => {
  const counted = bookings.filter(hasTokens);
  const models = Map.groupBy(counted, (booking) => nameOf(booking.model ?? ''));
  return {
    known: counted.reduce((sum, one) => sum + one.calls, 0),
    unknown: bookings.filter((one) => one.unpriced_reason === 'no_usage').length,
    failed: bookings.filter((one) => one.outcome === 'failed').length,
    buckets: bucketsOf(counted),
    models: Object.fromEntries(
      [...models].map(([model, list]) => [model, { calls: list.length, ...bucketsOf(list) }] as const).sort(),
    ),
  };
};

/**
 * Strands starts an agent outside the context of the caller, so three spans of the Anthropic SDK come as traces of their
 * own: each is a run with one step, and its call is booked there beside the agent's `chat` span in the other run. A run
 * cannot see another run's steps; these calls are known to be counted twice until twins are joined across runs.
 */
const STRAYS: Readonly<Record<string, number>> = { strands: 3 };

const undated = (model: string): string => model.replace(/-20\d{6}$/, '');

describe.each(EMITTERS)('%s', (emitter) => {
  const truth = expected[emitter];
  if (truth === undefined) throw new Error(`no expectation for ${emitter}`);
  const strayRuns = new Set(
    [...byRun(stepsOfCapture(emitter))]
      .filter(([, run]) => run.length === 1 && run[0]?.scope_name === 'com.anthropic.sdk.typescript')
      .map(([key]) => key),
  );
  const all = stepsOfCapture(emitter);
  const steps = all.filter((step) => !strayRuns.has(`${step.tenant_id}|${step.run_id}`));
  const atOnce = book(steps, (run) => [run]);
  const nameOf = strayRuns.size === 0 ? (model: string) => model : undated;

  test('every call the payload tells of is booked once, with the tokens it tells', () => {
    const facts = factsOf(atOnce, nameOf);
    expect(facts).toEqual({
      known: truth.calls.visible_with_true_usage,
      unknown: truth.calls.visible_without_usage,
      failed: truth.calls.failed_visible,
      buckets: pick(truth.recoverable),
      models: Object.fromEntries(
        Object.entries(truth.by_model)
          .map(([model, sums]) => [nameOf(model), { calls: sums.calls, ...pick(sums) }] as const)
          .sort(),
      ),
    });
  });

  test('only calls whose other account lost its trace are counted twice, and only where that is known', () => {
    expect(book(all, (run) => [run]).length - atOnce.length).toBe(STRAYS[emitter] ?? 0);
  });

  test('the cost is that of the recoverable tokens', () => {
    const cost = atOnce.reduce((sum, booking) => sum + Number(booking.cost_usd ?? 0), 0);
    expect(Math.abs(cost - truth.recoverable_cost_usd_fixture)).toBeLessThan(1e-9);
  });

  test('one step at a time, backwards and twice, gives the same bookings', () => {
    const oneByOne = book(steps, (run) => [...run].reverse().flatMap((step) => [[step], [step]]));
    expect(oneByOne).toEqual(atOnce);
  });

  test('nothing that is priced by the public list is left without a price', () => {
    const unpriced = [...byRun(all)].flatMap(([key, run]) =>
      runBatches([run], LIST_PRICES, undefined, key).entries.filter((entry) => entry.unpriced_reason === 'no_price'),
    );
    expect(unpriced).toEqual([]);
  });
});
