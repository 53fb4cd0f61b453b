import { describe, expect, test } from 'vitest';
import { stepOf } from '../batch-fixture.ts';

describe('langsmith', () => {
  test('details that stand only in JSON are taken out of figures that contain them', () => {
    const step = stepOf({
      'langsmith.span.kind': 'llm',
      'gen_ai.operation.name': 'chat',
      'gen_ai.system': 'openai',
      'gen_ai.request.model': 'gpt-4.1',
      'gen_ai.usage.input_tokens': 2505,
      'gen_ai.usage.output_tokens': 139,
      'langsmith.usage_metadata': JSON.stringify({
        input_tokens: 2505,
        output_tokens: 139,
        total_tokens: 2644,
        input_token_details: { audio: 0, cache_read: 1024 },
        output_token_details: { audio: 0, reasoning: 64 },
      }),
      'langsmith.metadata.thread_id': 's-1',
      'langsmith.metadata.user_id': 'u-1',
    });
    expect(step).toMatchObject({
      family: 'langsmith',
      step_kind: 'llm',
      session_id: 's-1',
      user_id: 'u-1',
      call: { input_tokens: 1481, cache_read_tokens: 1024, output_tokens: 75, reasoning_tokens: 64, untold: [] },
    });
  });

  test('the kind of run is right where the operation is not', () => {
    const step = stepOf({
      'langsmith.span.kind': 'retriever',
      'gen_ai.operation.name': 'embeddings',
      'gen_ai.prompt': '{"input":"refund"}',
    });
    expect(step).toMatchObject({ step_kind: 'retrieval', call: null });
  });

  test('a tool has its run’s name, and its result without the wrapping', () => {
    const tool = (completion: string) =>
      stepOf({
        'langsmith.span.kind': 'tool',
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.system': 'langchain',
        'langsmith.trace.name': 'lookup',
        'langsmith.metadata.tool_call_id': 'c1',
        'gen_ai.prompt': '{"id":1}',
        'gen_ai.completion': completion,
      });
    expect(tool('{"outputs":"ok"}')).toMatchObject({
      step_kind: 'tool',
      tool_name: 'lookup',
      tool_call_id: 'c1',
      tool_arguments: '{"id":1}',
      provider: null,
    });
    expect(tool('{"outputs":"ok"}').tool_result_hash).toBe(tool('ok').tool_result_hash);
    expect(tool('{"outputs":"ok","id":2}').tool_result_hash).not.toBe(tool('ok').tool_result_hash);
  });

  test('an exception beside a status OK is a failure', () => {
    const events = [
      { name: 'exception', attributes: [{ key: 'exception.message', value: { stringValue: 'Error: 400' } }] },
    ];
    const step = stepOf(
      { 'langsmith.span.kind': 'llm', 'gen_ai.request.model': 'gpt-5' },
      { status: { code: 1 }, events },
    );
    expect(step).toMatchObject({ status: 'error', error_message: 'Error: 400', call: { outcome: 'failed' } });
  });
});
