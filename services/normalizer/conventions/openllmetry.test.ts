import { describe, expect, test } from 'vitest';
import { contentOf, stepOf, type Values } from '../batch-fixture.ts';

const OPENAI = '@traceloop/instrumentation-openai';
const messages = (role: string, text: string) => JSON.stringify([{ role, parts: [{ type: 'text', content: text }] }]);
const chat = (input: number, output: number, more: Values = {}): Values => ({
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4.1',
  'gen_ai.input.messages': messages('user', 'Where is my order A-1001? I have waited for two weeks.'),
  'gen_ai.output.messages': messages('assistant', 'It was shipped on Monday.'),
  'gen_ai.usage.input_tokens': input,
  'gen_ai.usage.output_tokens': output,
  ...more,
});

describe('openllmetry', () => {
  test('a count of the words alone is an estimate, a provider’s count is not', () => {
    expect(stepOf(chat(15, 6), {}, OPENAI).call?.estimated).toBe(true);
    expect(stepOf(chat(24, 6), {}, OPENAI).call?.estimated).toBe(false);
    expect(stepOf(chat(24, 3), {}, OPENAI).call?.estimated).toBe(true);
  });

  test('without content nothing is judged', () => {
    const { 'gen_ai.input.messages': _in, 'gen_ai.output.messages': _out, ...silent } = chat(1, 1);
    expect(stepOf(silent, {}, OPENAI).call?.estimated).toBe(false);
  });

  test('of Anthropic the JavaScript instrumentation leaves out what the Python one adds', () => {
    const usage = chat(100, 20, {
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.usage.cache_read.input_tokens': 40,
      'gen_ai.usage.cache_creation.input_tokens': 10,
    });
    expect(stepOf(usage, {}, '@traceloop/instrumentation-anthropic').call).toMatchObject({ input_tokens: 100 });
    const python = { ...usage, 'llm.request.type': 'chat' };
    expect(stepOf(python, {}, 'opentelemetry.instrumentation.anthropic')).toMatchObject({
      family: 'openllmetry',
      call: { input_tokens: 50, cache_read_tokens: 40, cache_write_tokens: 10 },
    });
  });

  test('messages flattened into attributes are messages', () => {
    expect(
      contentOf({
        'llm.request.type': 'chat',
        'gen_ai.prompt.0.role': 'system',
        'gen_ai.prompt.0.content': 'Be kind.',
        'gen_ai.completion.0.role': 'assistant',
        'gen_ai.completion.0.content': 'Hi.',
      }),
    ).toEqual([
      ['input', 'system', 'text', 'Be kind.'],
      ['output', 'assistant', 'text', 'Hi.'],
    ]);
  });

  test.each([
    ['chat', 'llm'],
    ['completion', 'llm'],
    ['embedding', 'embedding'],
    ['rerank', 'retrieval'],
  ])('a request of type %s, from before there were operations, is of kind %s', (type, kind) => {
    expect(stepOf({ 'llm.request.type': type, 'gen_ai.request.model': 'm' })).toMatchObject({ step_kind: kind });
  });

  test.each([
    ['decorators', { args: [], kwargs: { id: 1 } }, '{"id":1}'],
    ['one argument', { args: ['{"id":1}'] }, '{"id":1}'],
    ['two arguments', { args: [1, 2], kwargs: {} }, '[1,2]'],
    ['MCP', { tool_name: 'f', arguments: { id: 1 } }, '{"id":1}'],
  ])('a tool’s arguments as %s tell them', (_how, input, args) => {
    const step = stepOf({
      'traceloop.span.kind': 'tool',
      'traceloop.entity.name': 'lookup',
      'traceloop.entity.input': JSON.stringify(input),
      'traceloop.association.properties.session_id': 's',
    });
    expect(step).toMatchObject({ step_kind: 'tool', tool_name: 'lookup', tool_arguments: args, session_id: 's' });
  });

  test('a tool of LangChain is called what its answer says, never by its class', () => {
    const tool = (output: object) =>
      stepOf({
        'traceloop.span.kind': 'task',
        'gen_ai.operation.name': 'execute_tool',
        'traceloop.entity.name': 'DynamicStructuredTool',
        'traceloop.entity.output': JSON.stringify(output),
      });
    const message = { lc: 1, type: 'constructor', kwargs: { name: 'lookup', tool_call_id: 'c1', content: 'x' } };
    expect(tool(message)).toMatchObject({ step_kind: 'tool', tool_name: 'lookup', tool_call_id: 'c1' });
    expect(tool({ text: 'x' })).toMatchObject({ step_kind: 'tool', tool_name: null });
  });

  test('a result that says it is an error failed', () => {
    const step = stepOf({ 'traceloop.span.kind': 'tool', 'traceloop.entity.output': '{"result":"x","is_error":true}' });
    expect(step.status).toBe('error');
  });

  test('events of a vector store make a retrieval', () => {
    const events = [{ name: 'db.query.result', attributes: [] }];
    expect(stepOf({}, { name: 'chroma.query', events }, '@traceloop/node-server-sdk')).toMatchObject({
      family: 'openllmetry',
      step_kind: 'retrieval',
    });
  });
});
