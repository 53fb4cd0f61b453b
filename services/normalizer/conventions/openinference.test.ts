import { describe, expect, test } from 'vitest';
import { stepOf, type Values } from '../batch-fixture.ts';

const EXCEPTION = [
  { name: 'exception', attributes: [{ key: 'exception.type', value: { stringValue: 'AI_APICallError' } }] },
];
const FAILED = { status: { code: 2, message: 'Rate limit reached' } };

describe('openinference', () => {
  test.each([
    ['LLM', 'llm'],
    ['EMBEDDING', 'embedding'],
    ['CHAIN', 'workflow'],
    ['RETRIEVER', 'retrieval'],
    ['RERANKER', 'retrieval'],
    ['TOOL', 'tool'],
    ['AGENT', 'agent'],
    ['GUARDRAIL', 'guardrail'],
    ['EVALUATOR', 'eval'],
    ['PROMPT', 'other'],
    ['llm', 'llm'],
  ])('kind %s is a step of kind %s', (kind, stepKind) => {
    expect(stepOf({ 'openinference.span.kind': kind })).toMatchObject({ family: 'openinference', step_kind: stepKind });
  });

  test('prompt contains what came from the cache, completion the reasoning', () => {
    const step = stepOf({
      'openinference.span.kind': 'LLM',
      'llm.model_name': 'gpt-5',
      'llm.provider': 'azure',
      'llm.token_count.prompt': 1000,
      'llm.token_count.completion': 90,
      'llm.token_count.prompt_details.cache_read': 600,
      'llm.token_count.prompt_details.cache_write': 100,
      'llm.token_count.completion_details.reasoning': 30,
      'llm.cost.total': 0.0125,
    });
    expect(step).toMatchObject({
      provider: 'azure.ai.openai',
      request_model: 'gpt-5',
      call: {
        input_tokens: 300,
        cache_read_tokens: 600,
        cache_write_tokens: 100,
        output_tokens: 60,
        reasoning_tokens: 30,
        reported_cost_usd: '0.0125',
      },
    });
  });

  test('a wrapper that repeats the count of tokens is no call', () => {
    const step = stepOf({ 'openinference.span.kind': 'AGENT', 'llm.token_count.prompt': 5, 'agent.name': 'triage' });
    expect(step).toMatchObject({ step_kind: 'agent', agent_name: 'triage', call: { role: 'wrapper' } });
  });

  test('a hand-off is a tool by kind and a delegation by name', () => {
    const step = stepOf({
      'openinference.span.kind': 'TOOL',
      'tool.name': 'handoff_to_refunds',
      'input.value': '{"a":1}',
    });
    expect(step).toMatchObject({ step_kind: 'delegation', tool_name: 'handoff_to_refunds', tool_arguments: '{"a":1}' });
  });

  test('a status taken over from elsewhere in the trace is not believed; an exception of its own is', () => {
    const call: Values = {
      'openinference.span.kind': 'LLM',
      'ai.operationId': 'ai.generateText.doGenerate',
      'llm.model_name': 'gpt-5',
      'llm.token_count.prompt': 5,
      'llm.token_count.completion': 5,
    };
    const inherited = stepOf(call, FAILED);
    expect(inherited).toMatchObject({ status: 'unset', error_message: null, call: { outcome: 'ok' } });
    expect(inherited.flags).toContain('status_disbelieved');
    expect(stepOf(call, { ...FAILED, events: EXCEPTION })).toMatchObject({
      status: 'error',
      error_type: 'AI_APICallError',
      error_message: 'Rate limit reached',
      call: { outcome: 'failed' },
    });
  });

  test('of any other instrumentor a status is believed', () => {
    expect(stepOf({ 'openinference.span.kind': 'LLM', 'llm.model_name': 'm' }, FAILED)).toMatchObject({
      status: 'error',
    });
  });

  test('a LangChain agent is a chain that is no node of its graph', () => {
    const metadata = (node?: string) =>
      JSON.stringify({
        ls_integration: 'langchain_create_agent',
        lc_agent_name: 'other',
        langgraph_node: node,
        thread_id: 't',
      });
    const chain = (name: string, node?: string) =>
      stepOf({ 'openinference.span.kind': 'CHAIN', metadata: metadata(node) }, { name });
    expect(chain('triage')).toMatchObject({ step_kind: 'agent', agent_name: 'triage', session_id: 't' });
    expect(chain('refunds', 'tools')).toMatchObject({ step_kind: 'agent', agent_name: 'refunds' });
    expect(chain('tools', 'tools')).toMatchObject({ step_kind: 'workflow', agent_name: null });
    expect(chain('RunnableLambda', 'tools')).toMatchObject({ step_kind: 'workflow' });
  });
});
