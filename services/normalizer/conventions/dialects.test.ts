import { describe, expect, test } from 'vitest';
import {
  attributeList,
  contentOf,
  logRequest,
  normalize,
  recordOf,
  rowsOf,
  span,
  spanRequest,
  stepOf,
  stepsOf,
} from '../batch-fixture.ts';

describe('dialects', () => {
  test('Anthropic’s SDK counts re-sends: the attempt is one more', () => {
    const step = stepOf(
      { 'gen_ai.operation.name': 'chat', 'http.request.resend_count': 1 },
      {},
      'com.anthropic.sdk.typescript',
    );
    expect(step).toMatchObject({ family: 'anthropic-sdk', attempt: 2 });
  });

  test('Strands leaves cached tokens out for Claude and keeps them in for GPT', () => {
    const figures = { 'gen_ai.usage.input_tokens': 1000, 'gen_ai.usage.cache_read.input_tokens': 400 };
    const call = (model: string) =>
      stepOf({
        'gen_ai.event.start_time': 'x',
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': model,
        ...figures,
      });
    expect(call('claude-haiku-4-5')).toMatchObject({ family: 'strands', call: { input_tokens: 1000 } });
    expect(call('us.anthropic.claude-sonnet-4')).toMatchObject({ call: { input_tokens: 1000 } });
    expect(call('gpt-5')).toMatchObject({ call: { input_tokens: 600 } });
  });

  test('ADK: thoughts from the JSON are added to the output', () => {
    const usage = {
      promptTokenCount: 100,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 30,
      cachedContentTokenCount: 40,
    };
    const step = stepOf(
      {
        'gen_ai.system': 'gcp.vertex.agent',
        'gcp.vertex.agent.llm_response': JSON.stringify({ usageMetadata: usage }),
      },
      { name: 'call_llm' },
      'gcp.vertex.agent',
    );
    expect(step.call).toMatchObject({
      input_tokens: 60,
      cache_read_tokens: 40,
      output_tokens: 20,
      reasoning_tokens: 30,
    });
  });

  test('Genkit: the nearest flow is the agent, the outermost the workflow', () => {
    const step = stepOf({
      'genkit:type': 'action',
      'genkit:metadata:subtype': 'model',
      'genkit:name': 'googleai/gemini-2.5-pro',
      'genkit:path':
        '/{triageFlow,t:flow}/{generate,t:util}/{refundsFlow,t:flow,s:flow}/{googleai/gemini-2.5-pro,t:action,s:model}',
    });
    expect(step).toMatchObject({
      agent_name: 'refundsFlow',
      workflow: 'triageFlow',
      provider: 'gcp.gemini',
      request_model: 'gemini-2.5-pro',
    });
  });
});

describe('generic', () => {
  test('recognises a model call of an emitter nobody wrote a file for', () => {
    const step = stepOf({
      'acme.span.kind': 'LLM',
      'acme.request.model': 'gpt-5',
      'acme.usage.prompt_tokens': 100,
      'acme.usage.cached_prompt_tokens': 40,
      'acme.usage.completion_tokens': 20,
      'acme.usage.reasoning_tokens': 5,
      'acme.usage.total_tokens': 120,
      'acme.session.id': 's-1',
      'acme.max_tokens': 4000,
    });
    expect(step).toMatchObject({
      family: 'generic',
      step_kind: 'llm',
      request_model: 'gpt-5',
      provider: 'openai',
      session_id: 's-1',
      call: { role: 'leaf', input_tokens: 60, cache_read_tokens: 40, output_tokens: 15, reasoning_tokens: 5 },
    });
  });

  test('a run of an agent that names its model and sums its calls is a wrapper', () => {
    const run = stepOf(
      { agent_name: 'triage', model_name: 'gpt-5', 'acme.usage.input_tokens': 9 },
      { name: 'agent run' },
    );
    expect(run).toMatchObject({ step_kind: 'agent', agent_name: 'triage', call: { role: 'wrapper', input_tokens: 9 } });
  });

  test('a block of usage in an exporter’s own attribute is read, also beside OTel’s names', () => {
    const block = {
      prompt_tokens: 100,
      completion_tokens: 20,
      tokens: 120,
      prompt_cached_tokens: 7,
      time_to_first_token: 0.4,
    };
    const own = stepOf({ 'acme.metrics': JSON.stringify(block), 'acme.model': 'gpt-5' });
    expect(own).toMatchObject({ step_kind: 'llm', call: { input_tokens: 100, output_tokens: 20 } });
    const typed = JSON.stringify({ type: 'json', value: { promptTokens: 100, completionTokens: 20 } });
    const named = stepOf({ 'gen_ai.request.model': 'gpt-5', 'acme.metrics': typed });
    expect(named).toMatchObject({ family: 'otel-gen-ai', call: { input_tokens: 100, output_tokens: 20 } });
  });

  test('an answered call whose status is an error without any other sign did not fail', () => {
    const call = { 'acme.model': 'gpt-5', 'acme.usage.input_tokens': 9, 'acme.usage.output_tokens': 3 };
    const status = { status: { code: 2, message: 'Rate limit' } };
    expect(stepOf(call, status)).toMatchObject({
      status: 'unset',
      flags: expect.arrayContaining(['status_disbelieved']),
    });
    expect(stepOf({ ...call, 'error.type': 'timeout' }, status)).toMatchObject({ status: 'error' });
    expect(stepOf({ 'acme.model': 'gpt-5' }, status)).toMatchObject({ step_kind: 'llm', call: { outcome: 'failed' } });
  });

  test('a wrapper by its word carries sums as a wrapper', () => {
    const step = stepOf({ 'acme.span.type': 'AGENT', 'acme.usage.input_tokens': 7, 'acme.model': 'gpt-5' });
    expect(step).toMatchObject({ step_kind: 'agent', call: { role: 'wrapper', input_tokens: 7 } });
  });

  test('a tool is known by its name key', () => {
    const step = stepOf({ 'acme.tool.name': 'search', 'acme.tool.parameters': '{"q":"x"}', 'acme.tool.call.id': 'c1' });
    expect(step).toMatchObject({
      step_kind: 'tool',
      tool_name: 'search',
      tool_call_id: 'c1',
      tool_arguments: '{"q":"x"}',
    });
  });

  test('flattened messages are read in the order of their numbers', () => {
    expect(
      contentOf({
        'llm.input_messages.1.message.role': 'user',
        'llm.input_messages.1.message.content': 'Hi',
        'llm.input_messages.0.message.role': 'system',
        'llm.input_messages.0.message.content': 'Be kind.',
        'llm.output_messages.0.message.role': 'assistant',
        'llm.output_messages.0.message.tool_calls.0.tool_call.function.name': 'f',
        'llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments': '{"a":1}',
        'llm.output_messages.0.message.tool_calls.0.tool_call.id': 'c1',
      }),
    ).toEqual([
      ['input', 'system', 'text', 'Be kind.'],
      ['input', 'user', 'text', 'Hi'],
      ['output', 'assistant', 'tool_call', '{"arguments":{"a":1},"id":"c1","name":"f"}'],
    ]);
  });

  test('an ordinary span is kept as other, with its attributes', () => {
    const batch = normalize([recordOf(spanRequest([span({ 'db.system': 'postgres', 'thread.id': 7 })]))]);
    expect(rowsOf(batch, 'spans')).toMatchObject([
      {
        step_kind: 'other',
        call_role: null,
        session_id: null,
        attributes: { 'db.system': 'postgres', 'thread.id': '7' },
      },
    ]);
  });

  test('a log that tells of a call is a call; an ordinary one keeps its body as content', () => {
    const call = {
      attributes: attributeList({ 'event.name': 'acme.api_request', model: 'claude-x', input_tokens: '5' }),
    };
    const batch = normalize([recordOf(logRequest([call, { body: { stringValue: 'started' } }]))], 'logs');
    expect(stepsOf(batch).map((step) => [step.step_kind, step.call?.input_tokens ?? null])).toEqual([
      ['llm', 5],
      ['other', null],
    ]);
    expect(rowsOf(batch, 'span_content')).toMatchObject([{ role: 'body', content: 'started' }]);
  });
});
