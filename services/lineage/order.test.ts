import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import type { LineageEdge } from '../../schemas/lineage-edge.ts';
import { callOf, stepOf } from '../ledger/step-fixture.ts';
import { charsOf } from './evidence.ts';
import { netEdges, runBatches } from './run-fixture.ts';
import { parseState, serialiseState } from './state.ts';

/** Small ranges on purpose: missing parents, circles, agents in themselves and edges told twice must be common. */
const stepArbitrary = fc.record({
  parent: fc.nat({ max: 11 }),
  signal: fc.constantFrom('span' as const, 'span' as const, 'span' as const, 'log' as const, 'action' as const),
  step_kind: fc.constantFrom(
    'agent' as const,
    'agent' as const,
    'tool' as const,
    'llm' as const,
    'delegation' as const,
    'retrieval' as const,
    'egress' as const,
    'workflow' as const,
    'other' as const,
  ),
  start: fc.nat({ max: 4 }),
  agent_name: fc.constantFrom(null, null, 'triage', 'refunds', 'Refund Desk', 'a:b/c "ü"'),
  agent_id: fc.constantFrom(null, 'ag-1', 'ag-2'),
  tool_name: fc.constantFrom(null, 'search', 'transfer_to_refund_desk', 'transfer_to_agent'),
  tool_arguments: fc.constantFrom(null, '{"agent":"refunds"}', '{"from_agent":"triage"}', '{cut'),
  request_model: fc.constantFrom(null, 'gpt-5', 'claude'),
  response_model: fc.constantFrom(null, 'gpt-5-2025-08-07'),
  provider: fc.constantFrom(null, 'openai', 'azure.ai.openai'),
  user_id: fc.constantFrom(null, null, 'user-7'),
  call: fc.constantFrom(null, callOf(), callOf({ role: 'wrapper' })),
  links: fc.constantFrom([], [{ trace_id: 'elsewhere', span_id: 's1' }], [{ trace_id: 'trace-1', span_id: 's1' }]),
  facts: fc.constantFrom(
    {},
    {},
    { 'data.namespace': 'postgres://db', 'data.name': 'orders', 'data.operation': 'insert' },
    { 'data.dataset': 'policies' },
    { 'egress.host': 'Example.com' },
  ),
});

const buildStep = (at: number, draw: typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never): AgentStep => {
  const { parent, start, ...rest } = draw;
  const above = parent >= 10 ? '' : `s${parent}`;
  const isSpan = draw.signal === 'span';
  return stepOf(`s${at}`, {
    ...rest,
    name: draw.step_kind === 'agent' ? 'invoke_agent helper' : `step ${at}`,
    log_offset: at,
    span_id: isSpan ? `s${at}` : above,
    parent_span_id: isSpan ? above : '',
    start_unix_micros: 1_795_000_000_000_000 + start,
  });
};

/** Steps in some order, each twice, some also as a copy that says other things, in batches of some size. */
const arrivals = fc
  .array(stepArbitrary, { minLength: 1, maxLength: 10 })
  .map((draws) => draws.map((draw, at) => buildStep(at, draw)))
  .chain((steps) =>
    fc.record({
      steps: fc.constant(steps),
      order: fc.shuffledSubarray([...steps, ...steps], { minLength: steps.length * 2, maxLength: steps.length * 2 }),
      copied: fc.subarray(steps),
      cuts: fc.array(fc.nat({ max: 4 }), { maxLength: 14 }),
    }),
  );

const split = (steps: readonly AgentStep[], cuts: readonly number[]): readonly (readonly AgentStep[])[] => {
  const batches: (readonly AgentStep[])[] = [];
  let from = 0;
  for (const cut of cuts) {
    batches.push(steps.slice(from, from + cut));
    from += cut;
  }
  return [...batches, steps.slice(from)].filter((batch) => batch.length > 0);
};

const ends = (edge: LineageEdge): string =>
  [edge.from_kind, edge.from_id, edge.edge, edge.to_kind, edge.to_id].join(' ');

describe('whatever the order, the repetitions and the batches', () => {
  test('the edges in force are the same', () => {
    fc.assert(
      fc.property(arrivals, ({ steps, order, copied, cuts }) => {
        const copies = copied.map((step) => ({ ...step, log_partition: 1, agent_name: 'copied', user_id: null }));
        const plain = runBatches([[...steps, ...copies]]);
        const shuffled = runBatches(split([...copies, ...order], cuts));
        expect(netEdges(shuffled.rows)).toEqual(netEdges(plain.rows));
        const early = runBatches(split([...order, ...copies], cuts));
        expect(netEdges(early.rows)).toEqual(netEdges(plain.rows));
      }),
      { numRuns: 600 },
    );
  });

  test('no id is used twice, no edge is in force twice, and every reversal takes back one edge in every dimension', () => {
    fc.assert(
      fc.property(arrivals, fc.constantFrom(0, 1, 2_000), ({ order, cuts }, takenBackMax) => {
        const { rows, state } = runBatches(split(order, cuts), { takenBackMax });
        const forgotten = [...state.set.values()].filter(({ edge }) => edge === null);
        expect(forgotten.length).toBeLessThanOrEqual(takenBackMax);
        const byId = new Map(rows.map((row) => [row.edge_id, row]));
        expect(byId.size).toBe(rows.length);
        for (const [key, list] of Map.groupBy(rows, ends)) {
          const net = list.reduce((sum, row) => sum + row.weight, 0);
          expect([0, 1], key).toContain(net);
        }
        const reversals = rows.filter((row) => row.weight === -1);
        expect(new Set(reversals.map((row) => row.reverses_edge_id)).size).toBe(reversals.length);
        for (const reversal of reversals) {
          const origin = byId.get(reversal.reverses_edge_id ?? '');
          const { edge_id: _id, weight, reverses_edge_id: _r, batch_id: _b, logged_at: _l, ...what } = reversal;
          expect(weight).toBe(-1);
          expect(origin).toMatchObject({ ...what, weight: 1, reverses_edge_id: null });
        }
      }),
      { numRuns: 400 },
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

  test('beyond the limits every edge is still told, by itself or by what stands for more', () => {
    const limits = fc.constantFrom(
      { stepsMax: 3, tellingReserve: 2, edgesMax: 4 },
      { stepCharsMax: 900, edgeCharsMax: 1_500 },
    );
    fc.assert(
      fc.property(arrivals, limits, ({ steps, order, cuts }, few) => {
        const bounded = runBatches(split(order, cuts), few);
        if (few.stepsMax !== undefined) expect(bounded.state.steps.size).toBeLessThanOrEqual(5);
        expect(bounded.state.chars).toBe([...bounded.state.steps.values()].reduce((sum, one) => sum + charsOf(one), 0));
        const net = netEdges(bounded.rows);
        const flagged = net.filter((edge) => edge.flags.includes('summarised') || edge.flags.includes('more'));
        if (bounded.state.spilled.size > 0) expect(flagged.length).toBeGreaterThan(0);
        // Every object a step names itself is met, whoever it is told to belong to.
        const told = new Set(net.map((edge) => `${edge.to_kind}:${edge.to_id}`));
        for (const step of steps.filter((one) => one.user_id !== null)) {
          expect(told.has(`user:${step.user_id}`) || told.has('user:*')).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});
