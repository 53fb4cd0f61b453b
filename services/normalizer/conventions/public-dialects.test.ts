import { describe, expect, test } from 'vitest';
import { contentOf, normalize, recordOf, rowsOf, span, spanRequest, stepOf } from '../batch-fixture.ts';

/** Emitters that follow OTel's names with words of their own, as their public documentation and source give them. */
const USAGE = { 'gen_ai.usage.input_tokens': 100, 'gen_ai.usage.output_tokens': 20 };

describe('Semantic Kernel', () => {
  test.each([
    ['chat.completions', 'llm'],
    ['chat.streaming_completions', 'llm'],
    ['text.completions', 'llm'],
    ['text.streaming_completions', 'llm'],
  ])('operation %s is a call', (operation, kind) => {
    const step = stepOf({
      'gen_ai.operation.name': operation,
      'gen_ai.system': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.usage.prompt_tokens': 100,
      'gen_ai.usage.completion_tokens': 20,
    });
    expect(step).toMatchObject({ step_kind: kind, call: { role: 'leaf', input_tokens: 100, output_tokens: 20 } });
  });
});

/** docs.spring.io, Spring AI, Observability: every value is a text. */
describe('Spring AI', () => {
  test('a tool is a step of that tool, with what it took and gave', () => {
    const step = stepOf({
      'gen_ai.operation.name': 'framework',
      'gen_ai.system': 'spring_ai',
      'spring.ai.kind': 'tool_call',
      'spring.ai.tool.definition.name': 'lookup_order',
      'spring.ai.tool.call.id': 'call-1',
      'spring.ai.tool.call.arguments': '{"id":1}',
      'spring.ai.tool.call.result': '"shipped"',
    });
    expect(step).toMatchObject({
      ...{ step_kind: 'tool', tool_name: 'lookup_order', tool_call_id: 'call-1', tool_arguments: '{"id":1}' },
      ...{ provider: null, call: null },
    });
    expect(step.tool_result_hash).not.toBeNull();
  });

  test.each([
    ['chat_client', 'workflow'],
    ['advisor', 'workflow'],
    ['vector_store', 'retrieval'],
  ])('kind %s is a step of kind %s', (kind, stepKind) => {
    expect(stepOf({ 'gen_ai.operation.name': 'framework', 'spring.ai.kind': kind })).toMatchObject({
      step_kind: stepKind,
    });
  });

  test('figures in texts are figures', () => {
    const texts = { 'gen_ai.usage.input_tokens': '100', 'gen_ai.usage.output_tokens': '20' };
    expect(stepOf({ 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o', ...texts }).call).toMatchObject({
      input_tokens: 100,
      output_tokens: 20,
    });
  });
});

/** pydantic-ai, models/instrumented.py; ai.pydantic.dev/logfire. */
describe('Pydantic AI', () => {
  const events = JSON.stringify([
    { 'event.name': 'gen_ai.system.message', role: 'system', content: 'Be brief.', 'gen_ai.system': 'openai' },
    { 'event.name': 'gen_ai.user.message', role: 'user', content: 'Where is it?' },
    { 'event.name': 'gen_ai.choice', index: 0, message: { role: 'assistant', content: 'On its way.' } },
  ]);
  const chat = { 'gen_ai.operation.name': 'chat', 'gen_ai.system': 'openai', 'gen_ai.request.model': 'gpt-4o', events };

  test('messages stand in one attribute, and move behind their grant', () => {
    expect(contentOf(chat)).toEqual([
      ['input', 'system', 'text', 'Be brief.'],
      ['input', 'user', 'text', 'Where is it?'],
      ['output', 'assistant', 'text', 'On its way.'],
    ]);
    const [row] = rowsOf(normalize([recordOf(spanRequest([span(chat)]))]), 'spans');
    expect(JSON.stringify(row?.['attributes'])).not.toContain('Where is it?');
  });

  test('a tool has its arguments, an agent run the sum of its calls, a call its cost', () => {
    const tool = { 'gen_ai.tool.name': 'lookup', tool_arguments: '{"id":1}', tool_response: 'ok' };
    expect(stepOf(tool, { name: 'running tool' }, 'pydantic-ai')).toMatchObject({
      ...{ step_kind: 'tool', tool_name: 'lookup', tool_arguments: '{"id":1}' },
    });
    const run = { model_name: 'gpt-4o', agent_name: 'support', ...USAGE };
    expect(stepOf(run, { name: 'agent run' }, 'pydantic-ai')).toMatchObject({
      ...{ step_kind: 'agent', agent_name: 'support', call: { role: 'wrapper' } },
    });
    expect(stepOf({ ...chat, ...USAGE, 'operation.cost': 0.0125 }).call?.reported_cost_usd).toBe('0.0125');
  });
});

/** mlflow.org, tracing: values are JSON, texts too. */
test('MLflow: kinds, models and usage are read through their quotes, and inputs move behind their grant', () => {
  const call = {
    'mlflow.spanType': '"CHAT_MODEL"',
    'mlflow.llm.model': '"gpt-4o"',
    'mlflow.spanInputs': '{"messages":[{"role":"user","content":"Where is it?"}]}',
    'mlflow.chat.tokenUsage': '{"input_tokens":100,"output_tokens":20,"total_tokens":120}',
  };
  expect(stepOf(call)).toMatchObject({
    ...{ family: 'generic', step_kind: 'llm', request_model: 'gpt-4o', provider: 'openai' },
    call: { role: 'leaf', input_tokens: 100, output_tokens: 20 },
  });
  const [row] = rowsOf(normalize([recordOf(spanRequest([span(call)]))]), 'spans');
  expect(JSON.stringify(row?.['attributes'])).not.toContain('Where is it?');
  const tool = { 'mlflow.spanType': '"TOOL"', 'mlflow.spanInputs': '{"id":1}', 'mlflow.spanOutputs': '"ok"' };
  expect(stepOf(tool, { name: 'lookup' })).toMatchObject({
    ...{ step_kind: 'tool', tool_name: 'lookup', tool_arguments: '{"id":1}' },
  });
});

/** learn.microsoft.com, Azure AI agents: a run on the server tells the sum of its calls, and nobody tells them. */
test('Azure AI agents: a run of a thread is an agent with a sum', () => {
  const run = {
    'gen_ai.operation.name': 'process_thread_run',
    'gen_ai.system': 'az.ai.agents',
    'gen_ai.thread.id': 't',
  };
  expect(stepOf({ ...run, 'gen_ai.agent.name': 'support', 'gen_ai.response.model': 'gpt-4o', ...USAGE })).toMatchObject(
    {
      ...{ step_kind: 'agent', agent_name: 'support', session_id: 't', call: { role: 'wrapper', input_tokens: 100 } },
    },
  );
});

/** braintrust.dev, OpenTelemetry attributes: whole objects as JSON. */
test('Braintrust: type, model and figures are read out of its objects', () => {
  const call = stepOf({
    'braintrust.span_attributes': '{"type":"llm","name":"chat"}',
    'braintrust.metadata': '{"model":"gpt-4o","temperature":0}',
    // Whether what was cached is part of the prompt differs by provider there: the detail is left, the cost an upper bound.
    'braintrust.metrics': '{"prompt_tokens":100,"completion_tokens":20,"tokens":120,"prompt_cached_tokens":40}',
  });
  expect(call).toMatchObject({
    ...{ step_kind: 'llm', request_model: 'gpt-4o', provider: 'openai' },
    call: { input_tokens: 100, cache_read_tokens: null, output_tokens: 20 },
  });
  expect(stepOf({ 'braintrust.span_attributes': '{"type":"tool"}' }, { name: 'lookup' })).toMatchObject({
    ...{ step_kind: 'tool', tool_name: 'lookup' },
  });
});

test('a call that names no model may have been asked for one in what it was sent', () => {
  const call = { 'mlflow.spanType': '"LLM"', 'mlflow.chat.tokenUsage': '{"input_tokens":1,"output_tokens":2}' };
  const asked = (inputs: string) => stepOf({ ...call, 'mlflow.spanInputs': inputs }).request_model;
  expect(asked('{"model":"gpt-4o","messages":[]}')).toBe('gpt-4o');
  expect(asked('{"model":{"not":"text"}}')).toBeNull();
  expect(asked(`{"model":"${'x'.repeat(300)}"}`)).toBeNull();
  expect(asked('no json')).toBeNull();
});

describe('an operation nobody has agreed on', () => {
  test.each(['chat_completion', 'generate.text', 'responses'])(
    '%s sounds like a call, and tells figures',
    (operation) => {
      const told = { 'gen_ai.operation.name': operation, 'gen_ai.request.model': 'gpt-4o' };
      expect(stepOf({ ...told, ...USAGE })).toMatchObject({ step_kind: 'llm', call: { role: 'leaf' } });
      expect(stepOf(told)).toMatchObject({ step_kind: 'other', call: null });
    },
  );

  const named = { 'gen_ai.operation.name': 'agent_turn', 'gen_ai.request.model': 'm', ...USAGE };

  test('that ended like an answer is a call', () => {
    expect(stepOf({ ...named, 'gen_ai.response.id': 'r-1' })).toMatchObject({
      step_kind: 'llm',
      call: { role: 'leaf' },
    });
  });

  test('that only tells figures stays what it is, and its figures a sum', () => {
    expect(stepOf(named)).toMatchObject({ step_kind: 'other', call: { role: 'wrapper' } });
  });

  test('beside a word for what the span is, is that', () => {
    expect(stepOf({ ...named, 'gen_ai.span.kind': 'CHAIN' })).toMatchObject({ step_kind: 'workflow' });
    expect(
      stepOf({ 'gen_ai.system': 'openai', 'gen_ai.request.model': 'm', 'gen_ai.span.kind': 'AGENT', ...USAGE }),
    ).toMatchObject({ step_kind: 'agent', call: { role: 'wrapper' } });
  });
});

test.each([
  ['Sentry', 'gen_ai.usage.input_tokens.cached', 'gen_ai.usage.output_tokens.reasoning'],
  ['OTel', 'gen_ai.usage.cache_read.input_tokens', 'gen_ai.usage.reasoning.output_tokens'],
  ['Langtrace', 'gen_ai.usage.cached_tokens', 'gen_ai.usage.reasoning_tokens'],
])('%s: details of figures by their names', (_name, cached, reasoning) => {
  const step = stepOf({ 'gen_ai.operation.name': 'chat', ...USAGE, [cached]: 40, [reasoning]: 5 });
  expect(step.call).toMatchObject({ input_tokens: 60, cache_read_tokens: 40, output_tokens: 15, reasoning_tokens: 5 });
});

test('everything said in a call may stand in one event of its span', () => {
  const text = (role: string, content: string) => JSON.stringify([{ role, parts: [{ type: 'text', content }] }]);
  const attributes = [
    { key: 'gen_ai.input.messages', value: { stringValue: text('user', 'Where is it?') } },
    { key: 'gen_ai.output.messages', value: { stringValue: text('assistant', 'On its way.') } },
  ];
  const events = [{ name: 'gen_ai.client.inference.operation.details', attributes }];
  expect(contentOf({ 'gen_ai.operation.name': 'chat' }, { events })).toEqual([
    ['input', 'user', 'text', 'Where is it?'],
    ['output', 'assistant', 'text', 'On its way.'],
  ]);
});
