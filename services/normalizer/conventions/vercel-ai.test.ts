import { describe, expect, test } from 'vitest';
import { contentOf, stepOf, type Values } from '../batch-fixture.ts';

const doGenerate = (provider: string, model: string, more: Values) =>
  stepOf({
    'ai.operationId': 'ai.generateText.doGenerate',
    'ai.model.provider': provider,
    'ai.model.id': model,
    'gen_ai.system': provider,
    'gen_ai.request.model': model,
    ...more,
  });

describe('vercel-ai', () => {
  test('version 6 tells every provider’s figures with their details', () => {
    const step = doGenerate('anthropic.messages', 'claude-sonnet-4-5', {
      'ai.usage.inputTokens': 1000,
      'ai.usage.inputTokenDetails.noCacheTokens': 300,
      'ai.usage.inputTokenDetails.cacheReadTokens': 600,
      'ai.usage.inputTokenDetails.cacheWriteTokens': 100,
      'ai.usage.outputTokens': 50,
    });
    expect(step).toMatchObject({
      family: 'vercel-ai',
      provider: 'anthropic',
      call: { input_tokens: 300, cache_read_tokens: 600, cache_write_tokens: 100, output_tokens: 50 },
    });
  });

  test('version 5 passes on what Anthropic leaves out, and the writes only among the provider’s own', () => {
    const step = doGenerate('anthropic.messages', 'claude-sonnet-4-5', {
      'ai.usage.inputTokens': 300,
      'ai.usage.cachedInputTokens': 600,
      'ai.usage.outputTokens': 50,
      'ai.response.providerMetadata': '{"anthropic":{"cacheCreationInputTokens":100}}',
    });
    expect(step.call).toMatchObject({ input_tokens: 300, cache_read_tokens: 600, cache_write_tokens: 100 });
  });

  test('version 5 leaves Gemini’s thoughts out of the output, OpenAI’s in', () => {
    const usage = { 'ai.usage.inputTokens': 10, 'ai.usage.outputTokens': 20, 'ai.usage.reasoningTokens': 5 };
    const gemini = doGenerate('google.generative-ai', 'gemini-2.5-pro', usage);
    expect(gemini).toMatchObject({ provider: 'gcp.gemini', call: { output_tokens: 20, reasoning_tokens: 5 } });
    const openai = doGenerate('openai.responses', 'gpt-5', usage);
    expect(openai).toMatchObject({ provider: 'openai', call: { output_tokens: 15, reasoning_tokens: 5 } });
  });

  test('version 4 counts prompt and completion', () => {
    const step = doGenerate('openai.chat', 'gpt-4o', { 'ai.usage.promptTokens': 12, 'ai.usage.completionTokens': 3 });
    expect(step.call).toMatchObject({ role: 'leaf', input_tokens: 12, output_tokens: 3 });
  });

  test.each([
    ['ai.generateText', 'agent'],
    ['ai.streamText', 'agent'],
    ['ai.generateObject', 'workflow'],
    ['ai.embedMany', 'workflow'],
  ])('%s repeats its calls: a wrapper of kind %s, named by its function', (operation, kind) => {
    const step = stepOf({
      'ai.operationId': operation,
      'ai.model.id': 'gpt-5',
      'ai.telemetry.functionId': 'triage',
      'ai.usage.inputTokens': 5,
      'ai.telemetry.metadata.sessionId': 's',
    });
    expect(step).toMatchObject({ step_kind: kind, agent_name: 'triage', session_id: 's', call: { role: 'wrapper' } });
  });

  test('a call without usage is a call; embeddings are counted by tokens', () => {
    expect(doGenerate('openai.chat', 'gpt-5', {}).call).toMatchObject({ role: 'leaf', input_tokens: null });
    const embed = stepOf({ 'ai.operationId': 'ai.embedMany.doEmbed', 'ai.model.id': 'e', 'ai.usage.tokens': 40 });
    expect(embed).toMatchObject({ step_kind: 'embedding', call: { role: 'leaf', input_tokens: 40 } });
  });

  test('tools, and what an answer holds besides its text', () => {
    const tool = stepOf({
      'ai.operationId': 'ai.toolCall',
      'ai.toolCall.name': 'lookup',
      'ai.toolCall.id': 'c1',
      'ai.toolCall.args': '{"id":1}',
      'ai.toolCall.result': '{"ok":true}',
    });
    expect(tool).toMatchObject({
      step_kind: 'tool',
      tool_name: 'lookup',
      tool_call_id: 'c1',
      tool_arguments: '{"id":1}',
    });
    const parts = contentOf({
      'ai.operationId': 'ai.generateText.doGenerate',
      'ai.response.text': 'Let me look.',
      'ai.response.reasoning': 'Which order?',
      'ai.response.toolCalls': '[{"toolCallId":"c1","toolName":"lookup","input":{"id":1}}]',
    });
    expect(parts.map(([, , kind]) => kind)).toEqual(['text', 'reasoning', 'tool_call']);
  });
});
