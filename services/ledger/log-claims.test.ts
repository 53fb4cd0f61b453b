import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { addFindings, NO_FINDINGS, settledFindings, spansElsewhere } from './findings.ts';
import { type FoldRun, playLedger, type Take } from './fold-fixture.ts';
import { llmOf, netBookings, stepOf, sumsBy, TEST_PRICES } from './step-fixture.ts';

const START = 1_795_000_000_000_000;
const SECOND = 1_000_000;
const at = (from: number, to = from) => ({
  start_unix_micros: START + Math.round(from * SECOND),
  end_unix_micros: START + Math.round(to * SECOND),
});
const inTrace = (run_id: string) => ({ run_id, trace_id: run_id, family: 'generic' });

/** The span of a call in its trace, and the record of the conversation that repeats it. */
const span = llmOf('span', 900, 50, { ...inTrace('trace'), ...at(1, 5), parent_span_id: 'agent' });
const record = llmOf(
  'record',
  600,
  40,
  {
    ...at(5.01),
    ...{ run_id: 'conversation', trace_id: '', span_id: '', family: 'generic', signal: 'log', name: 'api_response' },
    ...{ session_id: 's-1', user_id: 'ada', response_id: 'msg-1' },
  },
  { cache_read_tokens: 300, reasoning_tokens: 10 },
);
const agent = stepOf('agent', { ...inTrace('trace'), step_kind: 'agent', agent_name: 'refunds', ...at(0, 20) });

const calls = ({ entries }: FoldRun): number => entries.reduce((sum, entry) => sum + entry.calls, 0);
const play = (...steps: readonly AgentStep[]): FoldRun => playLedger(steps, TEST_PRICES);

describe('a call told by a span and by a log record without a trace', () => {
  test('is booked where its span stands, with what the record tells of it', () => {
    for (const steps of [
      [agent, span, record],
      [record, span, agent],
    ]) {
      const played = play(...steps);
      expect(netBookings(played.entries)).toMatchObject([
        {
          ...{ run_id: 'trace', span_id: 'span', agent_name: 'refunds', session_id: 's-1', user_id: 'ada', calls: 1 },
          ...{ input_tokens: 600, cache_read_tokens: 300, output_tokens: 40, reasoning_tokens: 10 },
        },
      ]);
      expect(played.runs.get('acme|conversation')).toMatchObject({ calls: 0, cost_usd: null, steps: 1 });
    }
  });

  test('is one call also where the span sums for what is around it', () => {
    const turn = { ...span, step_id: 'turn', span_id: 'turn', ...at(0.5, 6) };
    const sum = { ...span, parent_span_id: 'turn', request_model: null };
    const told = { ...sum, call: sum.call && { ...sum.call, role: 'wrapper' as const } };
    const other = { ...told, ...at(5.2, 5.9), step_id: 'other', span_id: 'other' };
    const second = { ...record, ...at(5.9), step_id: 'second', response_id: 'msg-2' };
    const both = { ...turn, call: turn.call && { ...turn.call, input_tokens: 1_800, output_tokens: 100 } };
    const played = play(agent, both, told, other, record, second);
    expect(netBookings(played.entries)).toMatchObject([
      { run_id: 'trace', model: 'gpt-5', calls: 1 },
      { run_id: 'trace', model: 'gpt-5', calls: 1 },
    ]);
    expect(
      netBookings(played.entries)
        .map(({ span_id }) => span_id)
        .sort(),
    ).toEqual(['other', 'span']);
  });

  test('is found over the turn of any beat, as long as the record was written within two seconds of the end', () => {
    for (const end of [10, 10.7, 11.3, 12, 13.9]) {
      for (const late of [-1.9, -0.1, 0, 1, 1.9, 2]) {
        const ended = { ...span, ...at(end - 3, end) };
        expect(calls(play(ended, { ...record, ...at(end + late) })), `${end} ${late}`).toBe(1);
      }
      expect(calls(play({ ...span, ...at(end - 3, end) }, { ...record, ...at(end + 2.1) })), `${end}`).toBe(2);
    }
  });

  test('told by two kinds of records and by two instrumentations is one call', () => {
    const details = { ...record, step_id: 'details', name: 'details', ...at(5.02) };
    const sdk = { ...span, step_id: 'sdk', span_id: 'sdk', scope_name: 'sdk', ...at(1.5, 4.9) };
    expect(calls(play(agent, span, sdk, record, details))).toBe(1);
    expect(calls(play(details, record, sdk, span, agent))).toBe(1);
  });
});

describe('calls that are only alike stay two', () => {
  const change = (name: string, other: AgentStep, first: AgentStep = span) => ({ name, first, other });
  test.each([
    change('another time', { ...record, ...at(8) }),
    change('another conversation', record, { ...span, session_id: 's-2' }),
    change('another model', { ...record, request_model: 'claude-haiku-4-5' }),
    change('another response', record, { ...span, response_id: 'msg-2' }),
    change('another service', { ...record, service: 'other' }),
    change('another tenant', { ...record, tenant_id: 'other' }),
    change('other tokens', { ...record, call: record.call && { ...record.call, input_tokens: 601 } }),
    change('a local estimate', { ...record, call: record.call && { ...record.call, estimated: true } }),
    change('a family whose file says which signal is believed', { ...record, family: 'claude-code' }),
  ])('$name', ({ first, other }) => {
    expect(calls(play(first, other))).toBe(2);
    expect(calls(play(other, first))).toBe(2);
  });

  test('of two records of one voice one stays, though both look like the one span there is', () => {
    const twin = { ...record, step_id: 'twin', response_id: 'msg-2', ...at(5.02) };
    expect(calls(play(span, record, twin))).toBe(2);
    expect(calls(play(twin, record, span))).toBe(2);
    // Told by two kinds of records each, in whatever order they were written.
    const details = [twin, record].map((one, n) => ({ ...one, step_id: `d${n}`, name: 'details', ...at(5.03 + n) }));
    expect(calls(play(span, record, twin, ...details))).toBe(2);
  });

  test('a span and what only sums it are one span: of two records beside them one stays', () => {
    const around = stepOf('around', {
      ...inTrace('trace'),
      ...{ step_kind: 'workflow', parent_span_id: 'agent', call: span.call && { ...span.call, role: 'wrapper' } },
      ...at(0.5, 5.005),
    });
    const plumbing = stepOf('plumbing', { ...inTrace('trace'), parent_span_id: 'around', ...at(0.6, 5.004) });
    const inner = { ...span, parent_span_id: 'plumbing' };
    const twin = { ...record, step_id: 'twin', response_id: 'msg-2', ...at(5.02) };
    expect(calls(play(agent, around, plumbing, inner, record, twin))).toBe(2);
  });

  test('a record goes to the span of its own response, though another one fits and ended before', () => {
    const other = { ...span, step_id: 'other', span_id: 'other', ...at(1, 4.9) };
    const own = { ...span, response_id: 'msg-1' };
    const stranger = { ...record, ...at(5.02), step_id: 'stranger', response_id: null, user_id: 'bob' };
    const booked = netBookings(play(agent, other, own, record, stranger).entries);
    expect(booked.map(({ span_id, user_id }) => `${span_id} ${user_id}`).sort()).toEqual(['other bob', 'span ada']);
  });

  test('a span that comes later takes its own record, and the other is booked again', () => {
    const early = { ...span, ...at(1, 4.5) };
    const late = { ...span, step_id: 'late', span_id: 'late', ...at(1, 5) };
    const first = { ...record, ...at(4.5) };
    const second = { ...record, step_id: 'second', response_id: null, ...at(5) };
    const oneByOne = [late, second, first, early].map(() => ({ from: 0, size: 1 }));
    const played = playLedger([late, second, first, early], TEST_PRICES, [...oneByOne, ...oneByOne, ...oneByOne]);
    expect(netBookings(played.entries).map(({ run_id }) => run_id)).toEqual(['trace', 'trace']);
  });
});

test('the newest finding about a record counts, whatever the order in which findings come', () => {
  const step = (id: string, run: string): AgentStep => ({ ...record, step_id: id, facts: { 'call.run': run } });
  const about = { record: step('record', 'conversation'), key: 'acme|#log-1' };
  const [first, second] = [step('first', 'trace'), step('second', 'trace')];
  const told = [
    ...settledFindings({ ...about, before: null, after: first, revision: 2 }),
    ...settledFindings({ ...about, before: first, after: second, revision: 3 }),
  ]
    .flatMap(({ value }) => {
      const decoded = decodeAgentStep(value);
      return decoded.kind === 'refused' ? [] : [decoded.value];
    })
    .filter(({ run_id }) => run_id === 'conversation');
  expect(told).toHaveLength(2);
  for (const order of [told, [...told].reverse()])
    expect([...spansElsewhere(addFindings(NO_FINDINGS, order).findings)]).toEqual([['record', ['second']]]);
});

const TELLERS = ['span', 'api', 'details'] as const;
/** Calls that are all alike, at one of a few moments, each told by at least one account. */
const callsArbitrary = fc.array(
  fc.record({
    moment: fc.constantFrom(0, 30, 60),
    offset: fc.double({ min: 0, max: 0.4, noNaN: true }),
    told: fc.subarray([...TELLERS], { minLength: 1 }),
    isTraced: fc.boolean(),
  }),
  { minLength: 1, maxLength: 7 },
);
type Draw = typeof callsArbitrary extends fc.Arbitrary<infer T> ? T : never;
/** Who of them names the response. */
const namersArbitrary = fc.subarray([...TELLERS]);
type Namers = typeof namersArbitrary extends fc.Arbitrary<infer T> ? T : never;

const accountsOf = (
  { moment, offset, told, isTraced }: Draw[number],
  n: number,
  namers: Namers,
): readonly AgentStep[] =>
  told.map((kind) => {
    const named = { response_id: namers.includes(kind) ? `msg-${n}` : null };
    return kind === 'span'
      ? {
          ...span,
          ...inTrace(isTraced ? `trace-${n}` : 'trace'),
          ...{ step_id: `span-${n}`, span_id: `span-${n}`, ...named },
          ...at(moment + offset, moment + offset + 1),
        }
      : { ...record, ...{ step_id: `${kind}-${n}`, name: kind, ...named }, ...at(moment + offset + 1.01) };
  });

const SEED = Number(process.env['SEED'] ?? 11);
describe(`of calls that are all alike (seed ${SEED})`, () => {
  test('as many are booked as the one who tells most of them tells, at each moment', () => {
    fc.assert(
      fc.property(callsArbitrary, namersArbitrary, (drawn, namers) => {
        const played = play(...drawn.flatMap((one, n) => accountsOf(one, n, namers)));
        const byMoment = Object.values(Object.groupBy(drawn, ({ moment }) => String(moment)));
        const least = byMoment.reduce(
          (sum, some = []) =>
            sum + Math.max(...TELLERS.map((kind) => some.filter(({ told }) => told.includes(kind)).length)),
          0,
        );
        expect(calls(played)).toBeGreaterThanOrEqual(least);
        expect(calls(played)).toBeLessThanOrEqual(drawn.length);
        if (namers.length === 0) expect(calls(played)).toBe(least);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test('whatever the order, the batches and the repetitions, the same sums are booked', () => {
    const take: fc.Arbitrary<Take> = fc.record({
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      size: fc.integer({ min: 1, max: 4 }),
    });
    const arrivals = fc
      .tuple(callsArbitrary, namersArbitrary)
      .map(([drawn, namers]) => drawn.flatMap((one, n) => accountsOf(one, n, namers)))
      .chain((steps) =>
        fc.record({
          steps: fc.constant(steps),
          order: fc.shuffledSubarray([...steps, ...steps], {
            minLength: steps.length * 2,
            maxLength: steps.length * 2,
          }),
        }),
      );
    fc.assert(
      fc.property(arrivals, fc.array(take, { maxLength: 80 }), fc.boolean(), ({ steps, order }, takes, isDoubled) => {
        const plain = play(...steps);
        const played = playLedger(order, TEST_PRICES, takes, isDoubled);
        const DIMENSIONS = ['run_id', 'model', 'session_id', 'user_id', 'service', 'span_id'] as const;
        expect(sumsBy(played.entries, DIMENSIONS)).toEqual(sumsBy(plain.entries, DIMENSIONS));
        expect(netBookings(played.entries)).toEqual(netBookings(plain.entries));
        expect(new Set(played.entries.map(({ entry_id }) => entry_id)).size).toBe(played.entries.length);
      }),
      { seed: SEED, numRuns: 100 },
    );
  });
});
