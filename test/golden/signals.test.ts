import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { netBookings, runBatches, sumsBy, TEST_PRICES } from '../../services/ledger/step-fixture.ts';
import { claudeCodeEvents, claudeCodeSpans } from '../../services/normalizer/conventions/claude-code-fixture.ts';
import { stepsOfCapture } from './captured-runs.ts';

/** Programs that tell every call by log records and by spans: which is booked is stated, and none is booked twice. */

type Arrange = (run: readonly AgentStep[]) => readonly (readonly AgentStep[])[];

const atOnce: Arrange = (run) => [run];

/** Bookings in force of every run. */
const booked = (steps: readonly AgentStep[], arrange: Arrange = atOnce) =>
  [...Map.groupBy(steps, (step) => `${step.tenant_id}|${step.run_id}`)].flatMap(([key, run]) =>
    netBookings(runBatches(arrange(run), TEST_PRICES, undefined, key).entries),
  );

/** Entries of every run in the order they were written, summed as SQL would. */
const sums = (steps: readonly AgentStep[], arrange: Arrange) =>
  sumsBy(
    [...Map.groupBy(steps, (step) => `${step.tenant_id}|${step.run_id}`)].flatMap(
      ([key, run]) => runBatches(arrange(run), TEST_PRICES, undefined, key).entries,
    ),
    ['model', 'outcome', 'family'],
  );

const counted = (bookings: readonly Readonly<Record<string, unknown>>[]) => ({
  ok: bookings.filter((one) => one['outcome'] === 'ok').length,
  failed: bookings.filter((one) => one['outcome'] === 'failed').length,
  models: [...new Set(bookings.map((one) => String(one['model'])))].sort(),
  ...Object.fromEntries(
    TOKEN_COLUMNS.map((column) => [column, bookings.reduce((sum, one) => sum + Number(one[column] ?? 0), 0)]),
  ),
});

/** Batches that cut between the accounts of a call; the longest run has near a thousand steps. */
const few = (run: readonly AgentStep[]): readonly (readonly AgentStep[])[] =>
  Array.from({ length: Math.ceil(run.length / 17) }, (_, at) => run.slice(at * 17, (at + 1) * 17));

const of = (steps: readonly AgentStep[], signal: AgentStep['signal']) => steps.filter((step) => step.signal === signal);

const SESSIONS: readonly (readonly [name: string, steps: readonly AgentStep[]])[] = [
  ['codex', stepsOfCapture('codex')],
  ['gemini-cli', stepsOfCapture('gemini-cli')],
  ['claude-code', [...claudeCodeSpans(), ...claudeCodeEvents('in trace')]],
];

describe.each(SESSIONS)('%s', (_name, steps) => {
  const logs = of(steps, 'log');
  const spans = of(steps, 'span');
  const believed = counted(booked(logs));

  test('is booked by its log records alone when both arrive', () => {
    expect(counted(booked(steps))).toEqual(believed);
    expect(believed.ok).toBeGreaterThan(0);
  });

  test('gives the same sums whichever signal arrives first, a few steps at a time, backwards and twice', () => {
    const expected = sums(steps, atOnce);
    const orders: readonly Arrange[] = [
      (run) => [of(run, 'span'), of(run, 'log')],
      (run) => [of(run, 'log'), of(run, 'span')],
      (run) => few([...run].reverse()).flatMap((batch) => [batch, batch]),
    ];
    for (const order of orders) expect(sums(steps, order)).toEqual(expected);
  });

  test('is booked by its spans when no log record is ever sent', () => {
    const alone = counted(booked(spans));
    expect({ ok: alone.ok, models: alone.models }).toEqual({ ok: believed.ok, models: believed.models });
    // Spans may lack how the input was cached and what was thought, never the whole.
    const prompt = (sum: typeof alone) =>
      ['input_tokens', 'cache_read_tokens', 'cache_write_tokens'].reduce(
        (total, column) => total + Number(Reflect.get(sum, column)),
        0,
      );
    expect(prompt(alone)).toBe(prompt(believed));
  });
});

test('Claude Code without traces: every event is in the run of its session, and booked there', () => {
  const alone = claudeCodeEvents('alone');
  expect(new Set(alone.map((step) => step.run_id)).size).toBe(1);
  expect(counted(booked(alone))).toEqual(counted(booked(claudeCodeEvents('in trace'))));
});
