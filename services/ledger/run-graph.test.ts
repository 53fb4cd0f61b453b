import { describe, expect, test } from 'vitest';
import { desiredCalls } from './desired.ts';
import { evidenceOf } from './evidence.ts';
import { buildRunGraph } from './run-graph.ts';
import { llmOf } from './step-fixture.ts';

/** Calls whose parents are named by `parents`, each telling `tokens` in and out. */
const callsOf = (parents: Readonly<Record<string, string>>, tokens: (id: string) => number | null) =>
  Object.entries(parents).map(([id, parent]) =>
    evidenceOf(llmOf(id, tokens(id), tokens(id), { span_id: id, parent_span_id: parent })),
  );
const booked = (evidence: ReturnType<typeof callsOf>) =>
  desiredCalls(buildRunGraph(evidence), 'acme', 'run-1').here.map((call) => call.ranked.map((leaf) => leaf.step_id));

describe('parents in a circle', () => {
  const circle = { b: 'c', c: 'd', d: 'b' };

  test('are cut at the smallest id, whatever came first', () => {
    for (const order of ['bcd', 'cdb', 'dcb']) {
      const evidence = callsOf(circle, () => 5).sort((x, y) => order.indexOf(x.step_id) - order.indexOf(y.step_id));
      const graph = buildRunGraph(evidence);
      const depths = graph.steps.map((step) => `${step.step_id}${graph.ancestorsOf(step).length}`);
      expect(depths).toEqual(['b0', 'c2', 'd1']);
    }
  });

  test('do not lose calls of unknown usage: the innermost stands for the nested ones, as in any chain', () => {
    expect(booked(callsOf(circle, () => null))).toEqual([['c']]);
    expect(booked(callsOf({ a: 'a' }, () => null))).toEqual([['a']]);
  });

  test('do not lose calls that differ', () => {
    expect(booked(callsOf(circle, (id) => id.charCodeAt(0)))).toEqual([['b'], ['c'], ['d']]);
    expect(booked(callsOf(circle, (id) => 1 + 'cdb'.indexOf(id)))).toEqual([['b'], ['c'], ['d']]);
  });

  test('leave what hangs below them in its place', () => {
    const graph = buildRunGraph(callsOf({ ...circle, e: 'd', f: 'e' }, () => 5));
    const f = graph.steps.find((step) => step.step_id === 'f');
    expect(f && graph.ancestorsOf(f).map((step) => step.step_id)).toEqual(['e', 'd', 'b']);
  });
});
