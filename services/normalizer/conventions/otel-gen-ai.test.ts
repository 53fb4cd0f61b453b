import { describe, expect, test } from 'vitest';
import {
  attributeList,
  contentOf,
  logRequest,
  normalize,
  recordOf,
  span,
  spanRequest,
  stepOf,
  stepsOf,
  type Values,
} from '../batch-fixture.ts';

describe('otel-gen-ai', () => {
  test.each([
    ['chat', 'llm'],
    ['generate_content', 'llm'],
    ['text_completion', 'llm'],
    ['embeddings', 'embedding'],
    ['retrieval', 'retrieval'],
    ['create_agent', 'agent'],
    ['invoke_agent', 'agent'],
    ['plan', 'agent'],
    ['invoke_workflow', 'workflow'],
    ['execute_tool', 'tool'],
    ['something_new', 'other'],
  ])('operation %s is a step of kind %s', (operation, kind) => {
    expect(stepOf({ 'gen_ai.operation.name': operation })).toMatchObject({ step_kind: kind, family: 'otel-gen-ai' });
  });

  test('new names: disjoint buckets out of inclusive figures', () => {
    expect(
      stepOf({
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'anthropic',
        'gen_ai.request.model': 'claude-sonnet-4-5',
        'gen_ai.usage.input_tokens': 1000,
        'gen_ai.usage.cache_read.input_tokens': 600,
        'gen_ai.usage.cache_write.input_tokens': 300,
        'anthropic.usage.cache_creation.ephemeral_1h_input_tokens': 100,
        'gen_ai.usage.output_tokens': 50,
        'gen_ai.usage.reasoning.output_tokens': 20,
      }).call,
    ).toMatchObject({
      role: 'leaf',
      input_tokens: 100,
      cache_read_tokens: 600,
      cache_write_tokens: 200,
      cache_write_1h_tokens: 100,
      output_tokens: 30,
      reasoning_tokens: 20,
      untold: [],
    });
  });

  test('old names mean the same', () => {
    expect(
      stepOf({
        'gen_ai.system': 'az.ai.openai',
        'gen_ai.request.model': 'gpt-4',
        'gen_ai.usage.prompt_tokens': '12',
        'gen_ai.usage.completion_tokens': 3,
        'gen_ai.usage.cache_creation.input_tokens': 2,
      }),
    ).toMatchObject({
      step_kind: 'llm',
      provider: 'azure.ai.openai',
      call: { input_tokens: 10, cache_write_tokens: 2, output_tokens: 3, untold: ['cache_read', 'reasoning'] },
    });
  });

  test('0 is said, absent is not', () => {
    const call = stepOf({
      'gen_ai.operation.name': 'chat',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.cache_read.input_tokens': 0,
    }).call;
    expect(call).toMatchObject({ input_tokens: 7, cache_read_tokens: 0, output_tokens: null, reasoning_tokens: null });
    expect(call?.untold).toEqual([]);
  });

  test('not one token on either side is what nobody told: SDKs fill in zeros', () => {
    const zeros = { 'gen_ai.usage.input_tokens': 0, 'gen_ai.usage.output_tokens': 0 };
    const call = stepOf({ 'gen_ai.operation.name': 'chat', ...zeros }).call;
    expect(call).toMatchObject({ role: 'leaf', input_tokens: null, output_tokens: null });
    expect(stepOf({ 'gen_ai.operation.name': 'invoke_agent', ...zeros }).call).toBeNull();
  });

  test('cached tokens larger than the input were never part of it', () => {
    const { call } = stepOf({
      'gen_ai.operation.name': 'chat',
      'gen_ai.usage.input_tokens': 100,
      'gen_ai.usage.cache_read.input_tokens': 900,
    });
    expect(call).toMatchObject({ input_tokens: 100, cache_read_tokens: 900 });
  });

  test('an agent that carries sums is a wrapper; one without describes no call', () => {
    expect(stepOf({ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.usage.input_tokens': 9 }).call?.role).toBe(
      'wrapper',
    );
    expect(stepOf({ 'gen_ai.operation.name': 'invoke_agent' }).call).toBeNull();
  });

  test('a call without figures is a call with unknown figures', () => {
    expect(stepOf({ 'gen_ai.operation.name': 'chat' }).call).toMatchObject({ role: 'leaf', input_tokens: null });
  });

  test.each([
    ['openai.responses', 'openai'],
    ['google.generative-ai', 'gcp.gemini'],
    ['gcp.vertex_ai', 'gcp.vertex_ai'],
    ['az.ai.openai', 'azure.ai.openai'],
    ['xai', 'x_ai'],
    ['Anthropic', 'anthropic'],
  ])('provider %s is %s', (said, provider) => {
    expect(stepOf({ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': said }).provider).toBe(provider);
  });

  test.each(['shop', 'langchain', 'gcp.vertex.agent'])('%s is no provider; the model tells it, flagged', (said) => {
    const step = stepOf({ 'gen_ai.operation.name': 'chat', 'gen_ai.system': said, 'gen_ai.request.model': 'claude-x' });
    expect(step).toMatchObject({ provider: 'anthropic' });
    expect(step.flags).toContain('provider_inferred');
  });

  test.each([
    ['error.type', span({ 'gen_ai.operation.name': 'chat', 'error.type': 'timeout' }), 'timeout'],
    ['a status', span({ 'gen_ai.operation.name': 'chat' }, { status: { code: 2, message: 'boom' } }), null],
    [
      'an exception event beside a status OK',
      span(
        { 'gen_ai.operation.name': 'chat' },
        { status: { code: 1 }, events: [{ name: 'exception', attributes: attributeList({ 'exception.type': 'X' }) }] },
      ),
      'X',
    ],
    ['an HTTP status', span({ 'gen_ai.operation.name': 'chat', 'http.response.status_code': 429 }), 'http_429'],
  ])('a call failed by %s', (_name, item, type) => {
    const [step] = stepsOf(normalize([recordOf(spanRequest([item]))]));
    expect(step).toMatchObject({ status: 'error', error_type: type, call: { outcome: 'failed' } });
  });

  test('MCP: a call of a tool is a tool, its session is no conversation', () => {
    expect(
      stepOf({ 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'get_weather', 'mcp.session.id': 's1' }),
    ).toMatchObject({ step_kind: 'tool', tool_name: 'get_weather', session_id: null, facts: { 'mcp.session': 's1' } });
    expect(stepOf({ 'mcp.method.name': 'resources/read' }).step_kind).toBe('retrieval');
    expect(stepOf({ 'mcp.method.name': 'initialize' }).step_kind).toBe('other');
  });

  test.each(['transfer_to_agent', 'transfer_to_refunds', 'handoff_to_x', 'delegate_to_b'])(
    'tool %s hands over',
    (name) => {
      expect(stepOf({ 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': name }).step_kind).toBe(
        'delegation',
      );
    },
  );

  test('a details event repeats its span only when it has usage', () => {
    const log = (attributes: Values) => ({
      eventName: 'gen_ai.client.inference.operation.details',
      attributes: attributeList({ 'gen_ai.operation.name': 'chat', ...attributes }),
    });
    const steps = stepsOf(
      normalize([recordOf(logRequest([log({ 'gen_ai.usage.input_tokens': 5 }), log({})]))], 'logs'),
    );
    expect(steps.map((step) => [step.step_kind, step.call?.role ?? null, step.flags])).toEqual([
      ['llm', 'leaf', ['repeats_span']],
      ['other', null, []],
    ]);
  });

  test('the attribute event.name wins over a source position', () => {
    const log = {
      eventName: 'event src/telemetry.rs:1153',
      attributes: attributeList({ 'event.name': 'app.started' }),
    };
    expect(stepsOf(normalize([recordOf(logRequest([log]))], 'logs'))[0]?.name).toBe('app.started');
  });

  test('messages become parts by role, whatever the dialect', () => {
    const messages = [
      { role: 'system', content: 'Be kind.' },
      { role: 'user', parts: [{ type: 'text', content: 'Hi' }] },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c1', function: { name: 'f', arguments: '{"b":1,"a":2}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: '{"ok":true}' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Hm' },
          { type: 'tool_use', id: 'c2', name: 'g', input: {} },
        ],
      },
      { role: 'model', parts: [{ text: 'so', thought: true }, { functionCall: { name: 'h', args: { x: 1 } } }] },
    ];
    // Encoded three times, as gateways do.
    const encoded = JSON.stringify(JSON.stringify(JSON.stringify(messages)));
    expect(contentOf({ 'gen_ai.operation.name': 'chat', 'gen_ai.input.messages': encoded })).toEqual([
      ['input', 'system', 'text', 'Be kind.'],
      ['input', 'user', 'text', 'Hi'],
      ['input', 'assistant', 'tool_call', '{"arguments":{"a":2,"b":1},"id":"c1","name":"f"}'],
      ['input', 'tool', 'tool_result', '{"ok":true}'],
      ['input', 'assistant', 'reasoning', 'Hm'],
      ['input', 'assistant', 'tool_call', '{"arguments":{},"id":"c2","name":"g"}'],
      ['input', 'assistant', 'reasoning', 'so'],
      ['input', 'assistant', 'tool_call', '{"arguments":{"x":1},"id":null,"name":"h"}'],
    ]);
  });
});
