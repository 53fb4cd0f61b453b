import { expect, test } from 'vitest';
import { runBatches } from '../../services/ledger/step-fixture.ts';
import {
  attributeList,
  logRequest,
  normalize,
  recordOf,
  span,
  spanRequest,
  stepsOf,
} from '../../services/normalizer/batch-fixture.ts';

/** https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/#event-gen_aievaluationresult */
const evaluation = (attributes: Readonly<Record<string, string | number>>, over: object = {}): object => ({
  timeUnixNano: '1795300000500000000',
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  eventName: 'gen_ai.evaluation.result',
  attributes: attributeList(attributes),
  ...over,
});

const scoresOf = (logs: readonly object[]) => {
  const steps = stepsOf(normalize([recordOf(logRequest(logs, 'judge'))], 'logs'));
  const [first] = steps;
  return runBatches([steps], undefined, undefined, `${first?.tenant_id}|${first?.run_id}`);
};

test('an evaluation event of the semantic conventions becomes a score of the span it stands in, and books nothing', () => {
  const { scores, entries } = scoresOf([
    evaluation({
      'gen_ai.evaluation.name': 'Relevance',
      'gen_ai.evaluation.score.value': 4,
      'gen_ai.evaluation.score.label': 'relevant',
      'gen_ai.evaluation.explanation': 'quotes what was asked',
      'gen_ai.response.id': 'chatcmpl-123',
    }),
    evaluation({ 'gen_ai.evaluation.name': 'Toxicity', 'gen_ai.evaluation.score.value': 0 }),
    evaluation({ 'gen_ai.evaluation.name': 'Intent', 'gen_ai.evaluation.score.label': 'fail' }),
    evaluation({ 'gen_ai.evaluation.name': 'Broken', 'error.type': 'timeout' }),
  ]);
  expect(scores.map(({ name, value, label, span_id }) => [name, value, label, span_id])).toEqual([
    ['Relevance', 4, 'relevant', 'b7ad6b7169203331'],
    ['Toxicity', 0, null, 'b7ad6b7169203331'],
    ['Intent', null, 'fail', 'b7ad6b7169203331'],
  ]);
  expect(scores[0]).toMatchObject({
    response_id: 'chatcmpl-123',
    evaluator: 'judge',
    trace_id: '0af7651916cd43dd8448eb211c80319c',
  });
  expect(JSON.stringify(scores)).not.toContain('quotes what was asked');
  expect(entries).toEqual([]);
});

test('a span link to another trace ties the two runs, whichever comes first', () => {
  const linked = span(
    { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'b', 'gen_ai.conversation.id': 'talk' },
    { links: [{ traceId: '1'.repeat(32), spanId: '2'.repeat(16) }] },
  );
  const steps = stepsOf(normalize([recordOf(spanRequest([linked]))]));
  const [first] = steps;
  const { links } = runBatches([steps], undefined, undefined, `${first?.tenant_id}|${first?.run_id}`);
  expect(links.map(({ reason, root_run_id, session_id }) => [reason, session_id ?? root_run_id])).toEqual([
    ['hand_off', '1'.repeat(32)],
    ['conversation', 'talk'],
  ]);
});
