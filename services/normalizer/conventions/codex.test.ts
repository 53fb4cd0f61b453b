import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../../schemas/agent-step.ts';
import {
  attributeList,
  logRequest,
  normalize,
  recordOf,
  rowsOf,
  stepOf,
  stepsOf,
  type Values,
} from '../batch-fixture.ts';

const batchOf = (name: string, attributes: Values) =>
  normalize(
    [
      recordOf(
        logRequest(
          [
            {
              observedTimeUnixNano: '1795228800000000000',
              eventName: 'event otel/src/events/session_telemetry.rs:1',
              attributes: attributeList({
                'event.name': name,
                'conversation.id': 'conv-1',
                model: 'gpt-5-codex',
                'user.account_id': 'acct-1',
                ...attributes,
              }),
            },
          ],
          'codex_otel.log_only',
          'codex_cli_rs',
        ),
      ),
    ],
    'logs',
  );
const log = (name: string, attributes: Values): AgentStep => {
  const [step] = stepsOf(batchOf(name, attributes));
  if (step === undefined) throw new Error('no step');
  return step;
};

/** The path of the first agent, as Codex names it. */
const ROOT = '/root';

describe('a log record of Codex', () => {
  test('that completes a response with counts is a call; counts are texts, the total is no bucket', () => {
    const step = log('codex.sse_event', {
      'event.kind': 'response.completed',
      input_token_count: '1000',
      output_token_count: '90',
      cached_token_count: 400,
      reasoning_token_count: 30,
      tool_token_count: '1090',
    });
    expect(step).toMatchObject({
      family: 'codex',
      step_kind: 'llm',
      session_id: 'conv-1',
      user_id: 'acct-1',
      agent_name: 'codex',
      provider: 'openai',
      call: {
        role: 'leaf',
        outcome: 'ok',
        input_tokens: 600,
        cache_read_tokens: 400,
        output_tokens: 60,
        reasoning_tokens: 30,
        untold: [],
      },
    });
  });

  test.each<[string, Values]>([
    ['codex.sse_event', { 'event.kind': 'response.completed' }],
    ['codex.sse_event', { 'event.kind': 'response.output_text.delta' }],
    ['codex.sse_event', { 'event.kind': 'response.output_item.done', 'error.message': 'failed to parse' }],
    ['codex.api_request', { 'http.response.status_code': 200, attempt: 0, endpoint: '/responses' }],
    ['codex.api_request', { 'http.response.status_code': 401, attempt: 0, endpoint: '/models' }],
  ])('%s %o is no call', (name, attributes) => {
    expect(log(name, attributes)).toMatchObject({ step_kind: 'other', call: null });
  });

  test.each<[string, Values]>([
    ['codex.api_request', { 'http.response.status_code': 500, 'error.message': 'http 500', attempt: 0 }],
    ['codex.api_request', { 'error.message': 'connection refused', attempt: 2, endpoint: '/responses' }],
    ['codex.sse_event', { 'event.kind': 'response.failed', 'error.message': 'rate limit' }],
    ['codex.sse_event', { 'error.message': 'idle timeout waiting for SSE' }],
    ['codex.websocket_request', { success: 'false', 'error.message': 'closed' }],
  ])('%s %o is a call that failed', (name, attributes) => {
    expect(log(name, attributes)).toMatchObject({
      step_kind: 'llm',
      status: 'error',
      error_message: attributes['error.message'],
      call: { role: 'leaf', outcome: 'failed', input_tokens: null },
    });
  });

  test('counts attempts from one', () => {
    expect(log('codex.api_request', { 'http.response.status_code': 500, attempt: 1 }).attempt).toBe(2);
  });

  const tool = (output: string, success = 'true') =>
    log('codex.tool_result', {
      tool_name: 'exec_command',
      call_id: 'call_1',
      arguments: '{"cmd":"ls"}',
      output,
      success,
      agent_name: `${ROOT}/helper`,
    });

  test('of a tool is the tool, with the agent that ran it', () => {
    expect(tool('done')).toMatchObject({
      step_kind: 'tool',
      tool_name: 'exec_command',
      tool_call_id: 'call_1',
      tool_arguments: '{"cmd":"ls"}',
      agent_name: 'codex/helper',
      status: 'unset',
    });
  });

  test('of a command says by its exit code whether it failed, for success is said of the tool', () => {
    const header = 'Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code ';
    expect(tool(`${header}1\nOutput:\nno`)).toMatchObject({ status: 'error', error_type: 'exit_code_1' });
    expect(tool(`${header}0\nOutput:\nProcess exited with code 3`).status).toBe('unset');
    expect(tool('{"output":"no","metadata":{"exit_code":127}}')).toMatchObject({ error_type: 'exit_code_127' });
    expect(tool('unsupported call', 'false')).toMatchObject({ status: 'error', error_message: 'unsupported call' });
  });

  test('of a decision is an approval', () => {
    expect(
      log('codex.tool_decision', { tool_name: 'shell', call_id: 'c', decision: 'denied', source: 'User' }),
    ).toMatchObject({ step_kind: 'approval', facts: { 'approval.decision': 'denied', 'approval.approver': 'User' } });
  });

  test('leaves what was said to the content', () => {
    const batch = batchOf('codex.user_prompt', { prompt: 'fix the build please', prompt_length: '20' });
    expect(rowsOf(batch, 'span_content').map((part) => [part['role'], part['content']])).toEqual([
      ['user', 'fix the build please'],
    ]);
    expect(JSON.stringify(rowsOf(batch, 'spans'))).not.toContain('fix the build');
  });
});

describe('a span of Codex', () => {
  const scope = 'codex_cli_rs';

  test('with counts is a call, one with the counts of a turn the sum around it', () => {
    const figures = { 'gen_ai.usage.input_tokens': 1000, 'gen_ai.usage.cache_read.input_tokens': 400 };
    expect(
      stepOf({ ...figures, 'gen_ai.usage.output_tokens': 90, 'codex.usage.reasoning_output_tokens': 30 }, {}, scope)
        .call,
    ).toMatchObject({ role: 'leaf', input_tokens: 600, output_tokens: 60, reasoning_tokens: 30 });
    expect(
      stepOf(
        {
          'codex.turn.token_usage.input_tokens': 5000,
          'codex.turn.token_usage.cached_input_tokens': 2000,
          'codex.turn.token_usage.output_tokens': 300,
          'codex.turn.token_usage.total_tokens': 5300,
        },
        {},
        scope,
      ),
    ).toMatchObject({ step_kind: 'agent', call: { role: 'wrapper', input_tokens: 3000, output_tokens: 300 } });
  });

  test('of a tool leaves the step to the log record', () => {
    const step = stepOf({ tool_name: 'exec_command', call_id: 'call_1', tool_source: 'direct' }, {}, scope);
    expect(step).toMatchObject({ step_kind: 'other', tool_name: 'exec_command', flags: ['repeats_log'] });
  });

  test('that follows OTel is read as OTel says, whatever its scope is called', () => {
    const step = stepOf({ 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' }, {}, 'codex_plugin');
    expect(step.family).toBe('otel-gen-ai');
  });
});
