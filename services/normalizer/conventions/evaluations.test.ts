import { describe, expect, test } from 'vitest';
import { stepOf, type Values } from '../batch-fixture.ts';

const told = (attributes: Values, over: object = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(stepOf(attributes, over).facts).filter(([name]) => name.startsWith('evaluation.')));

/** The examples of spec/feedback/annotations.md. */
describe('annotations and evaluations of OpenInference', () => {
  test('are told of the span, the trace and the session', () => {
    expect(
      told({
        'openinference.span.kind': 'CHAIN',
        'session.id': 'session-123',
        'annotations.0.annotation.name': 'hallucination',
        'annotations.0.annotation.score': 1,
        'annotations.0.annotation.label': 'hallucinated',
        'annotations.0.annotation.explanation': 'The claim is not supported by the retrieved documents.',
        'annotations.0.annotation.annotator_kind': 'LLM',
        'annotations.0.annotation.identifier': 'judge-v2',
        'trace.annotations.0.annotation.name': 'retrieval_quality',
        'trace.annotations.0.annotation.score': 0.92,
        'trace.annotations.0.annotation.annotator_kind': 'CODE',
        'session.annotations.0.annotation.name': 'conversational_coherence',
        'session.annotations.0.annotation.label': 'coherent',
      }),
    ).toEqual({
      'evaluation.0.name': 'hallucination',
      'evaluation.0.value': '1',
      'evaluation.0.label': 'hallucinated',
      'evaluation.0.by': 'judge-v2',
      'evaluation.1.name': 'retrieval_quality',
      'evaluation.1.value': '0.92',
      'evaluation.1.by': 'CODE',
      'evaluation.1.of': 'trace',
      'evaluation.2.name': 'conversational_coherence',
      'evaluation.2.label': 'coherent',
      'evaluation.2.of': 'session',
    });
  });

  test('one result told in both words is one, and zero is a score', () => {
    const result = { name: 'toxicity', score: 0, annotator_kind: 'HUMAN' };
    const both = Object.entries(result).flatMap(([field, value]) => [
      [`annotations.7.annotation.${field}`, value],
      [`evaluations.0.evaluation.${field}`, value],
    ]);
    expect(told({ 'gen_ai.operation.name': 'chat', ...Object.fromEntries(both) })).toEqual({
      'evaluation.0.name': 'toxicity',
      'evaluation.0.value': '0',
      'evaluation.0.by': 'HUMAN',
    });
  });

  test('hostile ones are bounded, and words that do not fit together are nothing', () => {
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, n) => [`evaluations.${n}.evaluation.score`, n] as const),
    );
    expect(Object.keys(told({ 'openinference.span.kind': 'EVALUATOR', ...many }))).toHaveLength(32);
    expect(told({ 'annotations.0.evaluation.score': 1, 'evaluations.x.evaluation.score': 1 })).toEqual({});
  });
});

test('events of a span tell its evaluations, each one', () => {
  const event = (name: string, score: number) => ({
    name: 'gen_ai.evaluation.result',
    attributes: [
      { key: 'gen_ai.evaluation.name', value: { stringValue: name } },
      { key: 'gen_ai.evaluation.score.value', value: { doubleValue: score } },
    ],
  });
  const events = [event('Relevance', 0.83), event('Toxicity', 0), { name: 'exception', attributes: [] }];
  expect(told({ 'gen_ai.operation.name': 'chat' }, { events })).toEqual({
    'evaluation.0.name': 'Relevance',
    'evaluation.0.value': '0.83',
    'evaluation.1.name': 'Toxicity',
    'evaluation.1.value': '0',
  });
});

test('an EVALUATOR span of Phoenix may tell its result in its metadata', () => {
  const facts = told({
    'openinference.span.kind': 'EVALUATOR',
    'metadata.evaluator_name': 'answer_relevance',
    'metadata.score': 0.95,
    'metadata.label': 'relevant',
    'metadata.explanation': 'Answer directly addresses the question',
  });
  expect(facts).toEqual({
    'evaluation.0.name': 'answer_relevance',
    'evaluation.0.value': '0.95',
    'evaluation.0.label': 'relevant',
    'evaluation.0.by': 'answer_relevance',
  });
  expect(told({ 'openinference.span.kind': 'CHAIN', 'metadata.score': 3 })).toEqual({});
});

test('a case of Pydantic Evals tells what its evaluators found, by name', () => {
  const result = (name: string, value: unknown) => ({ [name]: { name, value, reason: 'long', source: {} } });
  const { facts } = stepOf(
    {
      scores: JSON.stringify(result('accuracy', 0.5)),
      labels: JSON.stringify(result('tone', 'formal')),
      assertions: JSON.stringify({ ...result('is_valid', true), ...result('is_short', false) }),
    },
    { name: 'case: {case_name}' },
    'pydantic-evals',
  );
  expect(facts).toMatchObject({
    'evaluation.0.name': 'accuracy',
    'evaluation.0.value': '0.5',
    'evaluation.1.value': 'formal',
    'evaluation.2.value': '1',
    'evaluation.2.label': 'pass',
    'evaluation.3.name': 'is_short',
    'evaluation.3.value': '0',
    'evaluation.3.label': 'fail',
  });
  expect(told({ scores: JSON.stringify(result('accuracy', 0.5)) })).toEqual({});
});
