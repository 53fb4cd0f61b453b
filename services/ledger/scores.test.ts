import { expect, test } from 'vitest';
import { recognisedAnew } from './recognition.ts';
import { runBatches, stepOf } from './step-fixture.ts';

const evalOf = (id: string, facts: Readonly<Record<string, string>>, overrides = {}) =>
  stepOf(id, { step_kind: 'eval', signal: 'log', span_id: 'judged', facts, ...overrides });

test('an evaluation becomes one row about the span its record stands in', () => {
  const facts = { 'evaluation.name': 'Relevance', 'evaluation.value': '0.83', 'evaluation.label': 'pass' };
  const step = evalOf('e', facts, { response_id: 'r-1', session_id: 's-1' });
  const { scores } = runBatches([[step], [step]]);
  expect(scores).toHaveLength(1);
  expect(scores[0]).toMatchObject({
    tenant_id: 'acme',
    run_id: 'run-1',
    span_id: 'judged',
    step_id: 'e',
    session_id: 's-1',
    response_id: 'r-1',
    name: 'Relevance',
    value: 0.83,
    label: 'pass',
    evaluator: 'scope-a',
  });
});

test("an evaluator's own span is about the span above it", () => {
  const step = stepOf('e', { parent_span_id: 'above', agent_name: 'judge', facts: { 'evaluation.value': '1' } });
  expect(runBatches([[step]]).scores).toMatchObject([{ span_id: 'above', evaluator: 'judge', name: 'e', value: 1 }]);
});

test('zero is a score, and what is no number is a label and never 0', () => {
  const { scores } = runBatches([
    [
      evalOf('a', { 'evaluation.value': '0' }),
      evalOf('b', { 'evaluation.value': 'relevant' }),
      evalOf('c', { 'evaluation.value': 'NaN', 'evaluation.label': 'broken' }),
      evalOf('d', { 'evaluation.value': '1e999' }),
      evalOf('e', { 'evaluation.value': '' }),
      evalOf('f', { 'evaluation.name': 'nothing told' }),
    ],
  ]);
  expect(scores.map(({ step_id, value, label }) => [step_id, value, label])).toEqual([
    ['a', 0, null],
    ['b', null, 'relevant'],
    ['c', null, 'broken'],
    ['d', null, '1e999'],
  ]);
});

test('a copy of an evaluation from another log position is no second score', () => {
  const step = evalOf('e', { 'evaluation.value': '1' });
  expect(runBatches([[step], [{ ...step, log_partition: 3 }]]).scores).toHaveLength(1);
});

test('a step that is read anew says its score again under the same id, in a newer version', () => {
  const step = evalOf('e', { 'evaluation.name': 'old', 'evaluation.value': '1' });
  const again = recognisedAnew({ ...step, facts: { 'evaluation.name': 'new', 'evaluation.value': '1' } }, 5);
  const [first, second] = runBatches([[step], [again]]).scores;
  expect(second).toMatchObject({ name: 'new', score_id: first?.['score_id'] });
  expect(Number(second?.['version'])).toBeGreaterThan(Number(first?.['version']));
});

const NUMBERED = {
  ...{ 'evaluation.0.name': 'hallucination', 'evaluation.0.value': '0', 'evaluation.0.by': 'judge-v2' },
  ...{ 'evaluation.1.name': 'quality', 'evaluation.1.value': '0.9', 'evaluation.1.of': 'trace' },
  ...{ 'evaluation.2.name': 'coherence', 'evaluation.2.label': 'coherent', 'evaluation.2.of': 'session' },
  ...{ 'evaluation.3.name': 'says nothing' },
};
const targets = ({ scores }: ReturnType<typeof runBatches>) =>
  scores.map(({ name, value, label, run_id, trace_id, span_id, evaluator }) => [
    ...[name, value, label, evaluator],
    ...[run_id, trace_id, span_id],
  ]);

test('a span that tells several evaluations tells of itself, of its trace and of its session', () => {
  const step = stepOf('s', { step_kind: 'llm', parent_span_id: 'above', facts: NUMBERED });
  const ran = runBatches([[step], [step]]);
  expect(targets(ran)).toEqual([
    ['hallucination', 0, null, 'judge-v2', 'run-1', 'trace-1', 's'],
    ['quality', 0.9, null, 'scope-a', 'run-1', 'trace-1', ''],
    ['coherence', null, 'coherent', 'scope-a', 'run-1', '', ''],
  ]);
  expect(new Set(ran.scores.map(({ score_id }) => score_id)).size).toBe(3);
});

test('a carrier of evaluations tells of the one span it links to, not of the span above it', () => {
  const linkTo = (...traces: readonly string[]) => traces.map((trace_id) => ({ trace_id, span_id: 'judged' }));
  const carrier = { step_kind: 'eval' as const, parent_span_id: 'above', facts: NUMBERED };
  expect(targets(runBatches([[stepOf('c', { ...carrier, links: linkTo('t-2') })]]))).toEqual([
    ['hallucination', 0, null, 'judge-v2', 't-2', 't-2', 'judged'],
    ['quality', 0.9, null, 'scope-a', 't-2', 't-2', ''],
    ['coherence', null, 'coherent', 'scope-a', 'run-1', '', ''],
  ]);
  // Links of a step of work, and several links, name no target.
  for (const other of [{ step_kind: 'agent' as const, links: linkTo('t-2') }, { links: linkTo('t-2', 't-3') }])
    expect(targets(runBatches([[stepOf('c', { ...carrier, ...other })]]))[0]?.slice(4)).toEqual([
      'run-1',
      'trace-1',
      'c',
    ]);
});
