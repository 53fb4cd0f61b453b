import { describe, expect, test } from 'vitest';
import { logRequest, normalize, recordOf, stepsOf } from '../batch-fixture.ts';
import { CLAUDE_CODE_CALLS, claudeCodeEvents, claudeCodeSpans } from './claude-code-fixture.ts';

describe('an event of Claude Code', () => {
  const events = claudeCodeEvents('alone');
  const named = (name: string) => events.filter((step) => step.name === name);

  test('api_request is one call: input without cached tokens, the cost as the program reports it', () => {
    expect(named('api_request').map((step) => [step.response_id, step.request_model, step.call?.input_tokens])).toEqual(
      CLAUDE_CODE_CALLS.map((call) => [call.request_id, call.model, call.input_tokens]),
    );
    expect(named('api_request')[0]).toMatchObject({
      family: 'claude-code',
      step_kind: 'llm',
      provider: 'anthropic',
      call: {
        role: 'leaf',
        outcome: 'ok',
        cache_read_tokens: 18_000,
        cache_write_tokens: 2_400,
        output_tokens: 340,
        reasoning_tokens: null,
        untold: ['reasoning'],
        reported_cost_usd: '0.01851',
      },
    });
  });

  test('api_error is a call that failed, with its attempts', () => {
    expect(named('api_error')).toMatchObject([
      {
        step_kind: 'llm',
        status: 'error',
        error_type: 'http_529',
        error_message: 'Overloaded',
        attempt: 3,
        call: { outcome: 'failed', input_tokens: null },
      },
    ]);
  });

  test('tool_result is the tool, tool_decision who let it run', () => {
    expect(named('tool_result')).toMatchObject([
      {
        step_kind: 'tool',
        tool_name: 'Bash',
        tool_call_id: 'toolu_1',
        status: 'error',
        tool_arguments: '{"bash_command":"npm","full_command":"npm test"}',
      },
    ]);
    expect(named('tool_decision')).toMatchObject([
      { step_kind: 'approval', facts: { 'approval.decision': 'accept', 'approval.approver': 'config' } },
    ]);
  });

  test('names the session, the person and the agent; a sub-agent by its own name', () => {
    expect(new Set(events.map((step) => `${step.session_id} ${step.user_id}`))).toEqual(
      new Set(['5e55a0aa-0000-4000-8000-000000000001 dev@example.com']),
    );
    expect(named('api_request').map((step) => step.agent_name)).toEqual(['claude-code', 'Explore']);
    expect(new Set(events.map((step) => step.run_id)).size).toBe(1);
  });

  test('is known by its body alone, as older versions send it, with counts as text and under any scope', () => {
    const record = {
      timeUnixNano: '1795228800000000000',
      body: { stringValue: 'claude_code.api_request' },
      attributes: [
        { key: 'model', value: { stringValue: 'claude-opus-4-1' } },
        { key: 'input_tokens', value: { stringValue: '7' } },
        { key: 'output_tokens', value: { stringValue: '11' } },
        { key: 'cost_usd', value: { stringValue: '0.5' } },
      ],
    };
    const [step] = stepsOf(normalize([recordOf(logRequest([record], 'x'))], 'logs'));
    expect(step).toMatchObject({
      family: 'claude-code',
      call: { input_tokens: 7, output_tokens: 11, cache_read_tokens: null, reported_cost_usd: '0.5' },
    });
  });
});

describe('a span of Claude Code', () => {
  const spans = claudeCodeSpans();

  test('llm_request tells the call its event tells, under the same id', () => {
    const calls = spans.filter((step) => step.call?.outcome === 'ok');
    expect(calls.map((step) => [step.response_id, step.call?.input_tokens, step.call?.cache_read_tokens])).toEqual(
      CLAUDE_CODE_CALLS.map((call) => [call.request_id, call.input_tokens, call.cache_read_tokens]),
    );
    expect(spans.filter((step) => step.call?.outcome === 'failed')).toMatchObject([{ error_type: 'http_529' }]);
  });

  test('of an interaction is the agent; that of a tool leaves the step to its event', () => {
    expect(spans.filter((step) => step.step_kind === 'agent').map((step) => step.agent_name)).toEqual(['claude-code']);
    expect(spans.filter((step) => step.tool_call_id !== null).map((step) => step.step_kind)).not.toContain('tool');
  });
});
