import { describe, expect, test } from 'vitest';
import { stepOf, type Values } from '../batch-fixture.ts';

const observation = (attributes: Values, over: object = {}) => stepOf(attributes, over, 'langfuse-sdk');
const generation = (usage: unknown, model = 'gpt-4.1', more: Values = {}) =>
  observation({
    'langfuse.observation.type': 'generation',
    'langfuse.observation.model.name': model,
    'langfuse.observation.usage_details': JSON.stringify(usage),
    ...more,
  });

describe('langfuse', () => {
  test('usage is a map of disjoint buckets, also where no total proves it', () => {
    const buckets = { input_tokens: 1481, cache_read_tokens: 1024, output_tokens: 75, reasoning_tokens: 24 };
    const map = { input: 1481, output: 75, input_cached_tokens: 1024, output_reasoning_tokens: 24 };
    expect(generation(map).call).toMatchObject(buckets);
    expect(generation({ ...map, total: 2604 }).call).toMatchObject(buckets);
    const langchain = { input: 1481, output: 75, input_cache_read: 1024, output_reasoning: 24 };
    expect(generation(langchain).call).toMatchObject(buckets);
  });

  test('a map written by hand in Anthropic’s names adds what came from the cache', () => {
    const map = { input: 500, output: 60, cache_read_input_tokens: 300, cache_creation_input_tokens: 100 };
    expect(generation(map, 'claude-sonnet-4-5')).toMatchObject({
      provider: 'anthropic',
      call: { input_tokens: 500, cache_read_tokens: 300, cache_write_tokens: 100, output_tokens: 60 },
    });
  });

  test('a map in OpenAI’s own form contains its details', () => {
    const map = { prompt_tokens: 1000, completion_tokens: 50, prompt_tokens_details: { cached_tokens: 400 } };
    expect(generation(map).call).toMatchObject({ input_tokens: 600, cache_read_tokens: 400, output_tokens: 50 });
  });

  test('a detail without a bucket of its own stays on its side', () => {
    const map = { input: 10, output: 5, output_accepted_prediction_tokens: 3, total: 18 };
    expect(generation(map).call).toMatchObject({ input_tokens: 10, output_tokens: 8 });
  });

  test('a generation of an embedding model is an embedding', () => {
    const step = generation({ input: 9 }, 'text-embedding-3-small');
    expect(step).toMatchObject({ step_kind: 'embedding', call: { input_tokens: 9, untold: [] } });
  });

  test('an application that sets only the type may tell the rest in OTel’s names', () => {
    const step = stepOf({
      'langfuse.observation.type': 'generation',
      'gen_ai.request.model': 'gpt-5',
      'gen_ai.usage.input_tokens': 100,
      'gen_ai.usage.cache_read.input_tokens': 40,
      'gen_ai.usage.output_tokens': 9,
    });
    expect(step).toMatchObject({
      family: 'langfuse',
      request_model: 'gpt-5',
      call: { input_tokens: 60, cache_read_tokens: 40, output_tokens: 9 },
    });
  });

  test('a level says what the status does not', () => {
    const failed: Values = {
      'langfuse.observation.level': 'ERROR',
      'langfuse.observation.status_message': '400 Invalid schema',
    };
    const step = generation({}, 'gpt-5', failed);
    expect(step).toMatchObject({
      status: 'error',
      error_message: '400 Invalid schema',
      call: { outcome: 'failed', input_tokens: null },
    });
    expect(generation({ input: 1, output: 1 }, 'gpt-5', { 'langfuse.observation.level': 'WARNING' }).status).toBe(
      'unset',
    );
  });

  test('a cost of nothing is no cost', () => {
    const cost = (details: string) =>
      generation({ input: 1 }, 'x', { 'langfuse.observation.cost_details': details }).call;
    expect(cost('{"input":0.001,"output":0.00149,"total":0.00249}')?.reported_cost_usd).toBe('0.00249');
    expect(cost('{"input":0.001,"output":0.002}')?.reported_cost_usd).toBe('0.003');
    expect(cost('{"total":0}')?.reported_cost_usd).toBeNull();
  });

  test('tools and agents are named by their spans', () => {
    const tool: Values = {
      'langfuse.observation.type': 'tool',
      'langfuse.observation.input': '{"order_id":"A"}',
      'langfuse.observation.output': '{"ok":true}',
      'langfuse.observation.metadata.tool_call_id': 'c1',
      'session.id': 's',
      'user.id': 'u',
    };
    expect(observation(tool, { name: 'lookup' })).toMatchObject({
      step_kind: 'tool',
      tool_name: 'lookup',
      tool_arguments: '{"order_id":"A"}',
      tool_call_id: 'c1',
      session_id: 's',
      user_id: 'u',
    });
    const agent = observation(
      { 'langfuse.observation.type': 'agent', 'langfuse.trace.name': 'case' },
      { name: 'triage' },
    );
    expect(agent).toMatchObject({ step_kind: 'agent', agent_name: 'triage', workflow: 'case', call: null });
  });

  test.each(['not json', '[]', '{}', 'null', '{"input":-1,"output":"x"}', '{"input":1e40}'])(
    'usage that is none (%s) is not told',
    (text) => {
      const step = observation({
        'langfuse.observation.type': 'generation',
        'langfuse.observation.usage_details': text,
      });
      expect(step.call).toMatchObject({ role: 'leaf', input_tokens: null, output_tokens: null });
    },
  );
});
