import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../../schemas/agent-step.ts';
import { decodeOpenaiAgentsIngest } from '../../../schemas/openai-agents-ingest.ts';
import { encodeLogs, encodeTraces } from '../../../schemas/otlp/encode.ts';
import { normalize, recordOf, rowsOf, stepsOf } from '../batch-fixture.ts';

const decode = (item: object) => {
  const request = decodeOpenaiAgentsIngest(Buffer.from(JSON.stringify({ data: [item] })));
  if (request.kind === 'refused') throw new Error(request.detail);
  return request.value;
};

const batchOf = (data: object, error: object | null = null) =>
  normalize([
    recordOf(
      encodeTraces(
        decode({
          object: 'trace.span',
          id: 'span_1',
          trace_id: `trace_${'ab'.repeat(16)}`,
          started_at: '2026-11-21T01:46:53.330Z',
          ended_at: '2026-11-21T01:46:53.430Z',
          span_data: data,
          error,
        }).spans,
      ),
    ),
  ]);

const stepOf = (data: object, error: object | null = null): AgentStep => {
  const [step] = stepsOf(batchOf(data, error));
  if (step === undefined) throw new Error('no step');
  return step;
};
const custom = (data: object, error: object | null = null) => stepOf({ type: 'custom', name: 'x', data }, error);
const USAGE = { input_tokens: 1000, output_tokens: 90, cached_input_tokens: 400, cache_write_input_tokens: 0 };

describe('a model call in the export of the OpenAI Agents SDK', () => {
  test('is told by its turn, with the agent whose turn it was; cached tokens are part of the input', () => {
    expect(custom({ sdk_span_type: 'turn', turn: 1, agent_name: 'triage', usage: USAGE })).toMatchObject({
      family: 'openai-agents',
      step_kind: 'workflow',
      agent_name: 'triage',
      call: { role: 'leaf', input_tokens: 600, cache_read_tokens: 400, output_tokens: 90, untold: ['reasoning'] },
    });
  });

  test('went well when its turn tells usage and failed later', () => {
    const failed = custom({ sdk_span_type: 'turn', usage: USAGE }, { message: 'tool broke' });
    expect(failed).toMatchObject({ status: 'unset', call: { outcome: 'ok' } });
    expect(custom({ sdk_span_type: 'turn', agent_name: 'triage' }, { message: 'stopped' }).call).toBeNull();
  });

  test('is summed by a task, which is no call', () => {
    expect(custom({ sdk_span_type: 'task', usage: { ...USAGE, requests: 3 } }).call?.role).toBe('wrapper');
    expect(custom({ rows: 3 })).toMatchObject({ step_kind: 'other', call: null });
  });

  test('has its response id, or its failure, on a span without figures', () => {
    expect(stepOf({ type: 'response', response_id: 'resp_1' })).toMatchObject({
      step_kind: 'llm',
      response_id: 'resp_1',
      request_model: null,
      call: { role: 'leaf', outcome: 'ok', input_tokens: null },
    });
    expect(stepOf({ type: 'response' }, { message: '400 bad schema' })).toMatchObject({
      status: 'error',
      error_message: '400 bad schema',
      call: { outcome: 'failed' },
    });
  });

  test.each([
    [
      'as the responses API says it',
      { input_tokens_details: { cached_tokens: 400 }, output_tokens_details: { reasoning_tokens: 30 } },
    ],
    [
      'under details, as the JavaScript exporter puts it',
      {
        details: {
          input_tokens_details: { cached_tokens: 400 },
          output_tokens_details: { reasoning_tokens: 30 },
          total_tokens: 1090,
        },
      },
    ],
    [
      'in the words of chat completions',
      { prompt_tokens_details: { cached_tokens: 400 }, completion_tokens_details: { reasoning_tokens: 30 } },
    ],
  ])('of a generation has model, messages and usage %s', (_, details) => {
    const data = {
      type: 'generation',
      model: 'gpt-4.1-mini',
      input: [{ role: 'user', content: 'hello' }],
      output: [{ role: 'assistant', content: 'there' }],
      usage: { input_tokens: 1000, output_tokens: 90, ...details },
    };
    expect(stepOf(data)).toMatchObject({
      step_kind: 'llm',
      request_model: 'gpt-4.1-mini',
      provider: 'openai',
      call: { input_tokens: 600, cache_read_tokens: 400, output_tokens: 60, reasoning_tokens: 30, untold: [] },
    });
    expect(rowsOf(batchOf(data), 'span_content').map((part) => [part['direction'], part['content']])).toEqual([
      ['input', 'hello'],
      ['output', 'there'],
    ]);
  });
});

test('a function is a tool; what it got and gave is content; the cause of its failure is told', () => {
  const error = { message: 'Error running tool', data: { error: 'boom' } };
  const data = { type: 'function', name: 'look_up', input: '{"id":1}', output: 'none', mcp_data: { server: 'crm' } };
  expect(stepOf(data, error)).toMatchObject({
    step_kind: 'tool',
    tool_name: 'look_up',
    tool_arguments: '{"id":1}',
    status: 'error',
    error_message: 'Error running tool: boom',
    facts: { 'mcp.server': 'crm' },
  });
  expect(JSON.stringify(rowsOf(batchOf(data), 'spans')[0]?.['attributes'])).not.toContain('"id"');
});

test('agents, hand-offs and guardrails are what they are called', () => {
  expect(stepOf({ type: 'agent', name: 'triage', tools: [] })).toMatchObject({
    step_kind: 'agent',
    agent_name: 'triage',
  });
  expect(stepOf({ type: 'handoff', from_agent: 'triage', to_agent: 'refunds' })).toMatchObject({
    step_kind: 'delegation',
    agent_name: 'triage',
    tool_arguments: '{"from_agent":"triage","to_agent":"refunds"}',
  });
  expect(stepOf({ type: 'guardrail', name: 'abuse', triggered: true })).toMatchObject({
    step_kind: 'guardrail',
    facts: { 'guardrail.triggered': 'true' },
  });
  expect(stepOf({ type: 'mcp_tools', server: 'crm', result: ['a'] })).toMatchObject({ step_kind: 'other', call: null });
});

test('the record of the trace names session, user, workflow and labels, in the run of its spans', () => {
  const { logs } = decode({
    object: 'trace',
    id: `trace_${'ab'.repeat(16)}`,
    workflow_name: 'support',
    group_id: 'conv-1',
    metadata: { user_id: 'u-1', tier: 'gold', long: 'x'.repeat(500), nested: { a: 1 } },
  });
  const [step] = stepsOf(normalize([recordOf(encodeLogs(logs))], 'logs'));
  expect(step).toMatchObject({
    run_id: 'ab'.repeat(16),
    session_id: 'conv-1',
    user_id: 'u-1',
    workflow: 'support',
    labels: { tier: 'gold' },
    call: null,
  });
});
