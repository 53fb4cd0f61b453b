import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { criticalPath } from './critical-path.ts';
import type { SpanCostRow, WorkflowSpanRow } from './queries/workflow-path.ts';
import { shareOfCost, totalOf, workflowPath } from './workflow-path.ts';

const span = (run_id: string, span_id: string, start: number, end: number, more: Partial<WorkflowSpanRow> = {}) => ({
  run_id,
  trace_id: run_id,
  span_id,
  parent_span_id: '',
  start,
  end,
  name: span_id,
  step_kind: 'tool',
  agent_name: null,
  tool_name: null,
  ...more,
});
const cost = (run_id: string, span_id: string, cost_usd: string | null, calls_without_cost = 0): SpanCostRow => ({
  run_id,
  trace_id: run_id,
  span_id,
  cost_usd,
  calls_without_cost,
});

/** A run that forks into a and b and joins: its end waited for whichever took longer. */
const forked = (run: string, at: number, a: number, b: number): readonly WorkflowSpanRow[] => [
  span(run, 'root', at, at + 10 + Math.max(a, b), { step_kind: 'agent', agent_name: 'lead', name: 'invoke_agent' }),
  span(run, 'a', at + 10, at + 10 + a, { parent_span_id: 'root', tool_name: 'search', agent_name: 'lead' }),
  span(run, 'b', at + 10, at + 10 + b, { parent_span_id: 'root', tool_name: 'fetch', agent_name: 'lead' }),
];

describe('the critical paths of a workflow', () => {
  test('sum to what each run waited for: of two steps side by side the longer one of that run', () => {
    const spans = [...forked('r1', 0, 50, 30), ...forked('r2', 1_000, 20, 60), ...forked('r3', 2_000, 40, 10)];
    const costs = [cost('r1', 'a', '0.1'), cost('r2', 'a', '0.2'), cost('r2', 'b', '0.7'), cost('r3', 'b', null, 2)];
    const found = workflowPath(spans, costs);
    expect(
      found.steps.map(({ name, micros, runs_on_path, cost_usd }) => [name, micros, runs_on_path, cost_usd]),
    ).toEqual([
      ['search', 90, 2, '0.3'],
      ['fetch', 60, 1, '0.7'],
      ['invoke_agent', 30, 3, null],
    ]);
    expect([found.micros, found.cost_usd, found.calls_without_cost]).toEqual([180, '1', 2]);
    expect(found.steps.map(({ cost_usd }) => shareOfCost(cost_usd, found.cost_usd))).toEqual([0.3, 0.7, null]);
    expect(found.steps.map(({ spans: count }) => count)).toEqual([3, 3, 3]);
  });

  test('name what nothing tells: time no span covers, and bookings of no span', () => {
    const spans = [span('r', 'a', 0, 40), span('r', 'b', 60, 100, { parent_span_id: 'gone' })];
    const found = workflowPath(spans, [cost('r', '', '2'), cost('r', 'a', '1')]);
    expect(found.steps.find(({ step_kind }) => step_kind === null)).toMatchObject({
      name: null,
      micros: 20,
      cost_usd: '2',
    });
    expect([found.orphans, found.micros, found.cost_usd]).toEqual([1, 100, '3']);
  });

  test('tell one span id of two runs apart', () => {
    const found = workflowPath([span('r1', 'a', 0, 5, { name: 'x' }), span('r2', 'a', 0, 7, { name: 'y' })], []);
    expect(found.steps.map(({ name, micros }) => [name, micros])).toEqual([
      ['y', 7],
      ['x', 5],
    ]);
  });

  test('of no runs are nothing, not zero dollars', () => {
    expect(workflowPath([], [])).toMatchObject({ steps: [], micros: 0, cost_usd: null });
    expect(shareOfCost('0', '0')).toBeNull();
  });
});

test('of any runs the steps add up to their lengths and bookings, in whatever order rows come', () => {
  const draw = fc.record({
    run: fc.integer({ min: 0, max: 3 }),
    parent: fc.nat({ max: 8 }),
    start: fc.nat({ max: 50 }),
    length: fc.nat({ max: 40 }),
    name: fc.constantFrom('x', 'y', 'z'),
    picos: fc.option(fc.integer({ min: 0, max: 9_999 }), { nil: null }),
  });
  fc.assert(
    fc.property(fc.array(draw, { maxLength: 30 }), (draws) => {
      const spans = draws.map(({ run, parent, start, length, name }, at) =>
        span(`r${run}`, `s${at}`, start, start + length, { parent_span_id: `s${parent}`, name }),
      );
      const costs = draws.map(({ run, picos }, at) =>
        cost(`r${run}`, `s${at}`, picos === null ? null : `0.00${picos}`),
      );
      const found = workflowPath(spans, costs);
      const lengths = [...Map.groupBy(spans, ({ run_id }) => run_id).values()].map((own) =>
        criticalPath(own).reduce((sum, { start, end }) => sum + end - start, 0),
      );
      const total = lengths.reduce((sum, length) => sum + length, 0);
      expect(found.micros).toBe(total);
      expect(found.steps.reduce((sum, { micros }) => sum + micros, 0)).toBe(total);
      expect(found.cost_usd).toBe(totalOf(costs));
      expect(workflowPath([...spans].reverse(), [...costs].reverse())).toEqual(found);
    }),
    { numRuns: 300 },
  );
});
