import { describe, expect, test } from 'vitest';
import { logRequest, normalize, recordOf, stepOf, stepsOf, type Values } from '../batch-fixture.ts';

const SCOPE = '@openlit/instrumentation-openai';
const said = (role: string, text: string) => JSON.stringify([{ role, parts: [{ type: 'text', content: text }] }]);
const chat = (input: number, more: Values = {}): Values => ({
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4.1-mini',
  'gen_ai.request.is_stream': true,
  'gen_ai.input.messages': said('user', 'When was the order shipped, and by whom?'),
  'gen_ai.output.messages': said('assistant', 'On Monday.'),
  'gen_ai.usage.input_tokens': input,
  'gen_ai.usage.output_tokens': 4,
  'gen_ai.usage.cost': 0,
  ...more,
});

describe('openlit', () => {
  test('a stream counted locally is an estimate; a cost of 0 is not told', () => {
    expect(stepOf(chat(10), {}, SCOPE)).toMatchObject({
      family: 'openlit',
      call: { estimated: true, reported_cost_usd: null },
    });
    expect(stepOf(chat(18), {}, SCOPE).call?.estimated).toBe(false);
  });

  test('what did not stream, and what came with details of the cache, is the provider’s', () => {
    expect(stepOf(chat(10, { 'gen_ai.request.is_stream': false }), {}, SCOPE).call?.estimated).toBe(false);
    const cached = chat(1, { 'gen_ai.usage.cache_read.input_tokens': 0 });
    expect(stepOf(cached, {}, SCOPE).call?.estimated).toBe(false);
  });

  test('the log that repeats a span is judged as the span is', () => {
    const { 'gen_ai.request.is_stream': _stream, ...record } = chat(10);
    const attributes = Object.entries({ ...record, 'event.name': 'gen_ai.client.inference.operation.details' }).map(
      ([key, value]) => ({
        key,
        value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
      }),
    );
    const [step] = stepsOf(normalize([recordOf(logRequest([{ attributes }], SCOPE))], 'logs'));
    expect(step).toMatchObject({ family: 'openlit', call: { estimated: true } });
  });

  test('Anthropic’s input leaves out what came from the cache', () => {
    const step = stepOf(
      chat(100, { 'gen_ai.provider.name': 'anthropic', 'gen_ai.usage.cache_read.input_tokens': 40 }),
      {},
      '@openlit/instrumentation-anthropic',
    );
    expect(step.call).toMatchObject({ input_tokens: 100, cache_read_tokens: 40 });
  });

  test('a tool a model asked for is not one that ran', () => {
    const step = stepOf(chat(50, { 'gen_ai.tool.name': 'lookup', 'gen_ai.tool.call.id': 'c1' }), {}, SCOPE);
    expect(step).toMatchObject({ step_kind: 'llm', tool_name: null, tool_call_id: null });
  });

  test('a model run in the process is always counted locally', () => {
    expect(stepOf(chat(5_000), {}, '@openlit/instrumentation-transformers').call?.estimated).toBe(true);
  });
});
