import { describe, expect, test } from 'vitest';
import { stepOf } from '../batch-fixture.ts';

describe('mastra', () => {
  test.each([
    ['agent_run', 'agent'],
    ['model_inference', 'llm'],
    ['model_step', 'workflow'],
    ['model_chunk', 'other'],
    ['tool_call', 'tool'],
    ['mcp_tool_call', 'tool'],
    ['workflow_run', 'workflow'],
    ['workflow_step', 'workflow'],
    ['rag_embedding', 'embedding'],
    ['memory_operation', 'other'],
    ['scorer_run', 'eval'],
    ['something_new', 'other'],
  ])('a span of type %s is a step of kind %s', (type, kind) => {
    expect(stepOf({ 'mastra.span.type': type })).toMatchObject({ family: 'mastra', step_kind: kind });
  });

  test('the sum of an answer is a call, its silent inferences are calls, its steps are none', () => {
    const usage = { 'gen_ai.usage.input_tokens': 9_000, 'gen_ai.usage.output_tokens': 300 };
    const generation = stepOf({ 'mastra.span.type': 'model_generation', 'gen_ai.request.model': 'gpt-5', ...usage });
    expect(generation).toMatchObject({ step_kind: 'llm', call: { role: 'leaf', input_tokens: 9_000 } });
    expect(stepOf({ 'mastra.span.type': 'model_inference' }).call).toMatchObject({ role: 'leaf', input_tokens: null });
    expect(stepOf({ 'mastra.span.type': 'model_step' }).call).toBeNull();
    expect(stepOf({ 'mastra.span.type': 'model_generation' })).toMatchObject({ step_kind: 'workflow', call: null });
  });

  test('a call that ended in an error failed, whatever its status', () => {
    const step = stepOf(
      {
        'mastra.span.type': 'model_inference',
        'gen_ai.request.model': 'gpt-5',
        'gen_ai.response.finish_reasons': '["error"]',
      },
      { status: { code: 1 } },
    );
    expect(step).toMatchObject({ status: 'error', call: { outcome: 'failed' } });
  });

  test('a workflow is named by its run', () => {
    const step = stepOf({ 'mastra.span.type': 'workflow_run' }, { name: 'invoke_workflow support' });
    expect(step.workflow).toBe('support');
  });

  test('the provider’s answer that a step repeats is not read for usage', () => {
    const step = stepOf({
      'mastra.span.type': 'model_step',
      'mastra.metadata.body': '{"usage":{"input_tokens":5,"output_tokens":6}}',
    });
    expect(step.call).toBeNull();
  });
});
