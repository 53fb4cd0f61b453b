import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../../schemas/agent-step.ts';
import { attributeList, logRequest, normalize, recordOf, stepOf, stepsOf, type Values } from '../batch-fixture.ts';

const log = (name: string, attributes: Values, over: object = {}): AgentStep => {
  const record = {
    timeUnixNano: '1795228800000000000',
    attributes: attributeList({ 'event.name': name, 'session.id': 's-1', 'installation.id': 'device', ...attributes }),
    ...over,
  };
  const [step] = stepsOf(normalize([recordOf(logRequest([record], 'gemini-cli'))], 'logs'));
  if (step === undefined) throw new Error('no step');
  return step;
};

const RESPONSE: Values = {
  model: 'gemini-2.5-pro',
  input_token_count: 1000,
  output_token_count: 50,
  cached_content_token_count: 300,
  thoughts_token_count: 20,
  tool_token_count: 0,
  status_code: 200,
  duration_ms: 12,
};

describe('a log record of Gemini CLI', () => {
  test('api_response is one call: thoughts come beside the output, cached tokens are part of the input', () => {
    expect(log('gemini_cli.api_response', RESPONSE)).toMatchObject({
      family: 'gemini-cli',
      step_kind: 'llm',
      session_id: 's-1',
      user_id: 'device',
      agent_name: 'gemini-cli',
      provider: 'gcp.gemini',
      response_model: 'gemini-2.5-pro',
      call: {
        outcome: 'ok',
        input_tokens: 700,
        cache_read_tokens: 300,
        output_tokens: 50,
        reasoning_tokens: 20,
        untold: [],
      },
    });
  });

  test('counts the tokens of tool prompts as input, as they are billed', () => {
    expect(log('gemini_cli.api_response', { ...RESPONSE, tool_token_count: 40 }).call?.input_tokens).toBe(740);
  });

  test('knows Vertex AI by how the program signs in, and a person by the address', () => {
    const step = log('gemini_cli.api_response', { ...RESPONSE, auth_type: 'vertex-ai', 'user.email': 'a@b.c' });
    expect(step).toMatchObject({ provider: 'gcp.vertex_ai', user_id: 'a@b.c' });
  });

  test('api_error is a call that failed', () => {
    const step = log('gemini_cli.api_error', { model: 'gemini-2.5-pro', error: 'quota', status_code: 429 });
    expect(step).toMatchObject({
      status: 'error',
      error_type: 'http_429',
      error_message: 'quota',
      call: { outcome: 'failed', input_tokens: null },
    });
  });

  test('in OTel’s words repeats the one before it and is no call', () => {
    const step = log('gen_ai.client.inference.operation.details', {
      'gen_ai.operation.name': 'generate_content',
      'gen_ai.request.model': 'gemini-2.5-pro',
      'gen_ai.usage.input_tokens': 1000,
      'gen_ai.usage.output_tokens': 50,
    });
    expect(step).toMatchObject({ step_kind: 'other', call: null, flags: ['repeats_log'] });
  });

  test('of a tool is the tool where there are no spans, and repeats the span where there are', () => {
    const call: Values = { function_name: 'read_file', function_args: '{"path":"x"}', success: false, error: 'gone' };
    expect(log('gemini_cli.tool_call', call)).toMatchObject({
      step_kind: 'tool',
      tool_name: 'read_file',
      tool_arguments: '{"path":"x"}',
      status: 'error',
      error_message: 'gone',
    });
    const ids = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
    expect(log('gemini_cli.tool_call', call, ids)).toMatchObject({ step_kind: 'other', flags: ['repeats_span'] });
  });
});

describe('a span of Gemini CLI', () => {
  const scope = 'gemini-cli';

  test('llm_call is a call whose thoughts and cached tokens are not told', () => {
    const step = stepOf(
      {
        'gen_ai.operation.name': 'llm_call',
        'gen_ai.request.model': 'gemini-2.5-pro',
        'gen_ai.conversation.id': 's-1',
        'gen_ai.prompt.name': 'prompt-1',
        'gen_ai.usage.input_tokens': 1000,
        'gen_ai.usage.output_tokens': 50,
      },
      {},
      scope,
    );
    expect(step).toMatchObject({
      step_kind: 'llm',
      session_id: 's-1',
      prompt_name: null,
      facts: { 'prompt.id': 'prompt-1' },
      call: { role: 'leaf', input_tokens: 1000, output_tokens: 50, untold: ['cache_read', 'reasoning'] },
    });
  });

  test('tool_call holds arguments and answer where messages stand; its status says ok when the tool failed', () => {
    const answer = {
      status: 'error',
      request: { args: { path: 'x' } },
      response: {
        errorType: 'file_not_found',
        responseParts: [{ functionResponse: { name: 'read_file', response: { error: 'File not found: x' } } }],
      },
    };
    const step = stepOf(
      {
        'gen_ai.operation.name': 'tool_call',
        'gen_ai.tool.name': 'read_file',
        'gen_ai.tool.call_id': 'call-1',
        'gen_ai.input.messages': '{"callId":"call-1","args":{"path":"x"}}',
        'gen_ai.output.messages': JSON.stringify(answer),
      },
      { status: { code: 1 } },
      scope,
    );
    expect(step).toMatchObject({
      step_kind: 'tool',
      tool_call_id: 'call-1',
      tool_arguments: '{"path":"x"}',
      status: 'error',
      error_type: 'file_not_found',
      error_message: 'File not found: x',
    });
    expect(step.tool_result_hash).not.toBeNull();
  });

  test('agent_call is an agent', () => {
    const said = { 'gen_ai.operation.name': 'agent_call', 'gen_ai.agent.name': 'investigator' };
    expect(stepOf(said, {}, scope)).toMatchObject({ step_kind: 'agent', agent_name: 'investigator' });
  });
});
