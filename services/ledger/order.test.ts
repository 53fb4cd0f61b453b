import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { COST_DECIMALS, parseScaled } from './money.ts';
import { parseState, serialiseState } from './state.ts';
import { callOf, netBookings, runBatches, stepOf, sumsBy } from './step-fixture.ts';

/** Small ranges on purpose: twins, equal figures, shared parents and shared response ids must be common. */
const callArbitrary = fc.record({
  role: fc.constantFrom('leaf' as const, 'leaf' as const, 'leaf' as const, 'wrapper' as const),
  outcome: fc.constantFrom('ok' as const, 'ok' as const, 'failed' as const),
  input_tokens: fc.constantFrom(null, 0, 100, 200, 300),
  cache_read_tokens: fc.constantFrom(null, null, 100),
  output_tokens: fc.constantFrom(null, 0, 10, 20, 30),
  reasoning_tokens: fc.constantFrom(null, null, 10),
  untold: fc.subarray(['cache_read', 'reasoning']),
  estimated: fc.constantFrom(false, false, true),
  quantities: fc.constantFrom({}, {}, { images: 2 }),
  reported_cost_usd: fc.constantFrom(null, '0.5'),
});

const stepArbitrary = fc.record({
  parent: fc.nat({ max: 9 }),
  signal: fc.constantFrom('span' as const, 'span' as const, 'log' as const),
  step_kind: fc.constantFrom('llm' as const, 'llm' as const, 'agent' as const, 'tool' as const, 'other' as const),
  start: fc.nat({ max: 5 }),
  length: fc.nat({ max: 4 }),
  scope_name: fc.constantFrom('a', 'b', 'c'),
  // One that believes its log records, one whose calls tell what ran inside them.
  family: fc.constantFrom('test', 'test', 'codex', 'openai-agents'),
  response_id: fc.constantFrom(null, null, 'r1', 'r2'),
  request_model: fc.constantFrom('gpt-5', 'claude-haiku-4-5', 'nobody-knows', null),
  response_model: fc.constantFrom(null, 'gpt-5-2025-08-07'),
  agent_name: fc.constantFrom(null, null, 'triage', 'refunds'),
  session_id: fc.constantFrom(null, null, 's1', 's2'),
  labels: fc.constantFrom({}, { team: 'x' }, { z: '1', a: '2' }),
  call: fc.option(callArbitrary, { freq: 4 }),
});

const buildStep = (at: number, draw: typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never): AgentStep => {
  const { parent, start, length, call, ...rest } = draw;
  const above = parent === 9 ? '' : `s${parent}`;
  const isLog = draw.signal === 'log';
  return stepOf(`s${at}`, {
    ...rest,
    log_offset: at,
    provider: 'openai',
    span_id: isLog ? above : `s${at}`,
    parent_span_id: isLog ? '' : above,
    start_unix_micros: 1_795_000_000_000_000 + start * 1_000_000,
    end_unix_micros: 1_795_000_000_000_000 + (start + length) * 1_000_000,
    call: call === null ? null : callOf(call),
  });
};

/** Steps in some order, some of them twice (again, or as a copy with other facts), in batches of some size. */
const arrivals = fc
  .array(stepArbitrary, { minLength: 1, maxLength: 8 })
  .map((draws) => draws.map((draw, at) => buildStep(at, draw)))
  .chain((steps) =>
    fc.record({
      steps: fc.constant(steps),
      order: fc.shuffledSubarray([...steps, ...steps], { minLength: steps.length * 2, maxLength: steps.length * 2 }),
      copied: fc.subarray(steps),
      cuts: fc.array(fc.nat({ max: 4 }), { maxLength: 12 }),
    }),
  );

const split = (steps: readonly AgentStep[], cuts: readonly number[]): readonly (readonly AgentStep[])[] => {
  const batches: (readonly AgentStep[])[] = [];
  let from = 0;
  for (const cut of cuts) {
    if (from >= steps.length) break;
    batches.push(steps.slice(from, from + cut));
    from += cut;
  }
  return [...batches, steps.slice(from)].filter((batch) => batch.length > 0);
};

const DIMENSIONS = ['model', 'agent_name', 'session_id', 'outcome', 'service'] as const;

describe('whatever the order, the repetitions and the batches', () => {
  test('the sums of every slice, the bookings in force and the row of the run are the same', () => {
    fc.assert(
      fc.property(arrivals, ({ steps, order, copied, cuts }) => {
        const copies = copied.map((step) => ({ ...step, log_partition: 1, agent_name: 'copied', session_id: null }));
        const plain = runBatches([[...steps, ...copies]]);
        const shuffled = runBatches(split([...copies, ...order], cuts));
        expect(netBookings(shuffled.entries)).toEqual(netBookings(plain.entries));
        expect(sumsBy(shuffled.entries, DIMENSIONS)).toEqual(sumsBy(plain.entries, DIMENSIONS));
        const { version: _v, batch_id: _b, logged_at: _l, ...run } = shuffled.run;
        expect(plain.run).toMatchObject(run);
        expect(shuffled.duplicates).toHaveLength(copies.length);
      }),
      { numRuns: 500 },
    );
  });

  test('entries add up to what the books hold, and every reversal takes back exactly one entry', () => {
    fc.assert(
      fc.property(arrivals, ({ order, cuts }) => {
        const { entries, state } = runBatches(split(order, cuts));
        const byId = new Map(entries.map((entry) => [entry.entry_id, entry]));
        expect(byId.size).toBe(entries.length);
        const held = [...state.books.values()].flatMap(({ booking }) => (booking === null ? [] : [booking]));
        expect(sum(entries)).toEqual(sum(held));
        const reversals = entries.filter((entry) => entry.reverses_entry_id !== null);
        expect(new Set(reversals.map((entry) => entry.reverses_entry_id)).size).toBe(reversals.length);
        for (const reversal of reversals) {
          const origin = byId.get(reversal.reverses_entry_id ?? '');
          expect(origin).toBeDefined();
          if (origin === undefined) continue;
          expect(sum([origin, reversal]).every((figure) => figure === 0n)).toBe(true);
          const dimensions = [...DIMENSIONS, 'ts', 'trace_id', 'labels', 'untold', 'unpriced_reason'] as const;
          for (const dimension of dimensions) expect(reversal[dimension]).toEqual(origin[dimension]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a state reads back from its text, and equal states give equal text', () => {
    fc.assert(
      fc.property(arrivals, ({ order, cuts }) => {
        const { state } = runBatches(split(order, cuts));
        const text = serialiseState(state);
        expect(parseState(text)).toEqual(state);
        expect(serialiseState(parseState(text))).toBe(text);
      }),
      { numRuns: 200 },
    );
  });
});

type Summed = Parameters<typeof sumsBy>[0][number];
const sum = (bookings: readonly Pick<Summed, 'calls' | 'cost_usd' | (typeof TOKEN_COLUMNS)[number]>[]): bigint[] =>
  bookings.reduce<bigint[]>(
    (total, booking) =>
      [
        BigInt(booking.calls),
        parseScaled(booking.cost_usd ?? '0', COST_DECIMALS) ?? 0n,
        ...TOKEN_COLUMNS.map((column) => BigInt(booking[column] ?? 0)),
      ].map((figure, at) => figure + (total[at] ?? 0n)),
    new Array<bigint>(TOKEN_COLUMNS.length + 2).fill(0n),
  );
