import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { ONLY_FOR_HEADER } from '../../schemas/topics.ts';
import { CLAIMS_MAX } from './claim.ts';
import { type FoldRun, playLedger, type Take } from './fold-fixture.ts';
import { llmOf, netBookings, stepOf, sumsBy, TEST_PRICES } from './step-fixture.ts';

const START = 1_795_000_000_000_000;
const SECOND = 1_000_000;
const at = (from: number, to: number) => ({
  start_unix_micros: START + from * SECOND,
  end_unix_micros: START + to * SECOND,
});
const inRun = (run_id: string, service = 'shop') => ({ run_id, trace_id: run_id, service });

/** The framework's span, below an agent, and the SDK's own, in a trace of its own. */
const agent = stepOf('agent', { ...inRun('framework'), step_kind: 'agent', agent_name: 'refunds', ...at(0, 20) });
const placed = llmOf('placed', 900, 50, {
  ...inRun('framework'),
  ...at(1, 5),
  parent_span_id: 'agent',
  scope_name: 'framework',
  request_model: 'claude-haiku-4-5',
  provider: 'anthropic',
});
const lost = llmOf('lost', 900, 50, {
  ...inRun('sdk'),
  ...at(2, 4),
  scope_name: 'sdk',
  request_model: 'claude-haiku-4-5-20251001',
  response_id: 'msg-1',
  provider: 'anthropic',
});

const calls = ({ entries }: FoldRun): number => entries.reduce((sum, entry) => sum + entry.calls, 0);
const play = (...steps: readonly AgentStep[]): FoldRun => playLedger(steps, TEST_PRICES);

describe('a call that two runs describe', () => {
  test('is booked in the run that has it in its place, and taken back as a duplicate where it had none', () => {
    for (const steps of [
      [agent, placed, lost],
      [lost, placed, agent],
    ]) {
      const played = play(...steps);
      expect(netBookings(played.entries)).toMatchObject([{ run_id: 'framework', agent_name: 'refunds', calls: 1 }]);
      expect(played.entries.map(({ run_id, calls: n, reason }) => [run_id, n, reason])).toContainEqual([
        'sdk',
        -1,
        'duplicate',
      ]);
      expect(played.runs.get('acme|sdk')).toMatchObject({ calls: 0, cost_usd: null, steps: 1 });
      expect(played.runs.get('acme|framework')).toMatchObject({ calls: 1, steps: 2 });
      expect(played.links).toMatchObject([{ run_id: 'sdk', root_run_id: 'framework', reason: 'same_call' }]);
    }
  });

  test('what the ledger tells itself is meant for the ledger alone, and never counts as a step', () => {
    const { produced, runs } = play(agent, placed, lost);
    expect(produced).toHaveLength(6);
    expect(new Set(produced.map(({ headers }) => headers?.[ONLY_FOR_HEADER]))).toEqual(new Set(['ledger']));
    expect([...runs.keys()].sort()).toEqual(['acme|framework', 'acme|sdk']);
  });

  test('a figure with the cached tokens told apart is the same figure', () => {
    const split = { ...lost, call: lost.call && { ...lost.call, input_tokens: 300, cache_read_tokens: 600 } };
    expect(calls(play(agent, placed, split))).toBe(1);
  });

  test('what the SDK tells more is told by the booking that stands, in the place the framework gives it', () => {
    const split = { ...lost, call: lost.call && { ...lost.call, input_tokens: 300, cache_read_tokens: 600 } };
    const played = play(split, placed, agent);
    expect(netBookings(played.entries)).toMatchObject([
      {
        ...{ run_id: 'framework', trace_id: 'framework', span_id: 'placed', agent_name: 'refunds', calls: 1 },
        ...{ model: 'claude-haiku-4-5-20251001', input_tokens: 300, cache_read_tokens: 600, output_tokens: 50 },
      },
    ]);
    expect(played.runs.get('acme|framework')).toMatchObject({ steps: 2, llm_steps: 1, input_tokens: 900 });
  });

  test('whose framework opened its span some seconds before is found, over the turn of any second', () => {
    for (const wait of [0, 0.5, 1, 1.9, 2, 3, 3.9]) {
      for (const start of [10, 10.7, 11, 59.9]) {
        const early = { ...placed, ...at(start, start + 30) };
        const late = { ...lost, ...at(start + wait, start + wait + 2) };
        expect(calls(play(agent, early, late)), `${start} ${wait}`).toBe(1);
        expect(calls(play(late, agent, early)), `${start} ${wait}`).toBe(1);
      }
    }
  });

  test('of another service it must be one that stands between, and the very same response', () => {
    const other = { ...lost, ...inRun('gateway', 'gateway') };
    const gateway = { ...other, vantage: 'gateway' as const };
    const named = { ...placed, response_id: 'msg-1' };
    expect(calls(play(agent, placed, gateway))).toBe(2);
    expect(calls(play(agent, named, other))).toBe(2);
    expect(calls(play(agent, named, gateway))).toBe(1);
  });
});

describe('calls that are only alike stay two', () => {
  const change = (name: string, other: AgentStep, first: AgentStep = placed) => ({ name, first, other });
  test.each([
    change('another response', lost, { ...placed, response_id: 'msg-2' }),
    change('another model', { ...lost, request_model: 'gpt-5' }),
    change('another time', { ...lost, ...at(4, 6) }),
    change('a framework that waited long', { ...lost, ...at(31, 33) }, { ...placed, ...at(1, 40) }),
    change('the same scope', { ...lost, scope_name: 'framework' }),
    change('other tokens', { ...lost, call: lost.call && { ...lost.call, input_tokens: 901 } }),
    change('another tenant', { ...lost, tenant_id: 'other' }),
    change('a place of its own', { ...lost, parent_span_id: 'elsewhere' }),
    change('both without a place', lost, { ...placed, parent_span_id: '' }),
    change('no tokens', { ...lost, call: lost.call && { ...lost.call, output_tokens: null } }),
    change('a local estimate', { ...lost, call: lost.call && { ...lost.call, estimated: true } }),
  ])('$name', ({ first, other }) => {
    expect(calls(play(first, other))).toBe(2);
    expect(calls(play(other, first))).toBe(2);
  });

  test('and of one run they are one call, which stays in it', () => {
    const higher = { ...lost, ...inRun('framework') };
    const booked = netBookings(play(agent, placed, higher).entries);
    expect(booked).toMatchObject([{ run_id: 'framework', calls: 1 }]);
  });

  test('a replay that repeats response ids at another time is no twin', () => {
    const replayed = { ...lost, ...inRun('replay'), step_id: 'replayed', ...at(100, 103) };
    expect(calls(play({ ...placed, response_id: 'msg-1' }, lost, replayed))).toBe(2);
  });
});

const SEED = Number(process.env['SEED'] ?? 7);
test(`whatever the order, the batches and the repetitions, the same calls are booked (seed ${SEED})`, () => {
  const pairs = [0, 1, 2].flatMap((n) => [
    { ...placed, step_id: `placed-${n}`, span_id: `placed-${n}`, ...at(n, n + 5) },
    { ...lost, step_id: `lost-${n}`, ...inRun(`sdk-${n}`), ...at(n + 1, n + 4), response_id: null },
  ]);
  const alone = { ...lost, step_id: 'alone', ...inRun('alone'), ...at(40, 41) };
  const steps = [agent, ...pairs, alone];
  const DIMENSIONS = ['run_id', 'agent_name', 'model', 'service'] as const;
  const plain = play(...steps);
  expect(calls(plain)).toBe(4);
  const take: fc.Arbitrary<Take> = fc.record({
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    size: fc.integer({ min: 1, max: 4 }),
  });
  const linksOf = ({ links }: FoldRun) =>
    [...new Set(links.map((link) => [link['run_id'], link['root_run_id'], link['reason']].join(' ')))].sort();
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...steps, ...steps], { minLength: steps.length * 2, maxLength: steps.length * 2 }),
      fc.array(take, { maxLength: 60 }),
      fc.boolean(),
      (order, takes, isDoubled) => {
        const played = playLedger(order, TEST_PRICES, takes, isDoubled);
        expect(sumsBy(played.entries, DIMENSIONS)).toEqual(sumsBy(plain.entries, DIMENSIONS));
        expect(linksOf(played)).toEqual(linksOf(plain));
        expect(new Set(played.entries.map(({ entry_id }) => entry_id)).size).toBe(played.entries.length);
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
});

test('claims of one beat and output count are bounded: beyond it twins are booked as they were told', () => {
  const many = Array.from({ length: CLAIMS_MAX }, (_, n) => ({ ...lost, step_id: `other-${n}`, ...inRun(`r-${n}`) }));
  expect(calls(play(...many, agent, placed))).toBe(CLAIMS_MAX + 1);
});
