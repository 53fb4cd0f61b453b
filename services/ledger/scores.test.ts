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
