import type { AgentStep } from '../../../schemas/agent-step.ts';
import { attributeList, logRequest, normalize, recordOf, spanRequest, stepsOf, type Values } from '../batch-fixture.ts';

/**
 * A session of Claude Code as its public documentation describes the export (code.claude.com/docs/en/monitoring-usage:
 * events, traces, standard attributes). Not recorded: every figure and id is made up. One prompt, a sub-agent, a tool
 * that fails, a request that is refused.
 */

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const START_NANO = 1_795_228_800_000_000_000n;
const SERVICE = 'claude-code';

const STANDARD: Values = {
  'session.id': '5e55a0aa-0000-4000-8000-000000000001',
  'user.id': 'installation-hash',
  'user.email': 'dev@example.com',
  'organization.id': 'org-1',
  'terminal.type': 'vscode',
};

const nano = (second: number): string => String(START_NANO + BigInt(Math.round(second * 1000)) * 1_000_000n);

/** Whether the event happens while an interaction is open and traces are on: then it stands in the span's trace. */
type Where = 'in trace' | 'alone';

const event = (second: number, name: string, attributes: Values, where: Where): object => ({
  timeUnixNano: nano(second),
  observedTimeUnixNano: nano(second),
  body: { stringValue: `claude_code.${name}` },
  ...(where === 'in trace' ? { traceId: TRACE, spanId: '00000000000000a1' } : {}),
  attributes: attributeList({ ...STANDARD, 'event.name': name, 'prompt.id': 'prompt-1', ...attributes }),
});

interface Call {
  readonly request_id: string;
  readonly model: string;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_creation_tokens: number;
}

/** The answered calls, as the API's usage block says: input leaves cached tokens out. */
export const CLAUDE_CODE_CALLS: readonly Call[] = [
  {
    request_id: 'req_1',
    model: 'claude-sonnet-4-5-20250929',
    input_tokens: 12,
    output_tokens: 340,
    cache_read_tokens: 18_000,
    cache_creation_tokens: 2_400,
  },
  {
    request_id: 'req_2',
    model: 'claude-haiku-4-5-20251001',
    input_tokens: 900,
    output_tokens: 75,
    cache_read_tokens: 0,
    cache_creation_tokens: 0,
  },
];

const costOf = (at: number): number => [0.018_51, 0.001_275][at] ?? 0;
const sourceOf = (at: number): string => (at === 1 ? 'agent:builtin:Explore' : 'repl_main_thread');

const eventsOf = (where: Where): readonly object[] => [
  event(0, 'user_prompt', { prompt_length: '22', prompt: 'why does the test fail' }, where),
  ...CLAUDE_CODE_CALLS.map((call, at) =>
    event(
      2 + at,
      'api_request',
      { ...call, cost_usd: costOf(at), duration_ms: 1_500, speed: 'normal', query_source: sourceOf(at) },
      where,
    ),
  ),
  event(4, 'tool_decision', { tool_name: 'Bash', tool_use_id: 'toolu_1', decision: 'accept', source: 'config' }, where),
  event(
    5,
    'tool_result',
    {
      tool_name: 'Bash',
      tool_use_id: 'toolu_1',
      success: 'false',
      duration_ms: '80',
      error: 'exit 1',
      tool_parameters: '{"bash_command":"npm","full_command":"npm test"}',
    },
    where,
  ),
  event(
    6,
    'api_error',
    { model: 'claude-sonnet-4-5-20250929', error: 'Overloaded', status_code: '529', attempt: 3, duration_ms: '9000' },
    where,
  ),
  event(7, 'assistant_response', { response: '<REDACTED>', response_length: 12, request_id: 'req_1' }, where),
];

const span = (id: string, parent: string, name: string, from: number, to: number, attributes: Values, status = 0) => ({
  traceId: TRACE,
  spanId: id.padStart(16, '0'),
  ...(parent === '' ? {} : { parentSpanId: parent.padStart(16, '0') }),
  name: `claude_code.${name}`,
  kind: 1,
  startTimeUnixNano: nano(from),
  endTimeUnixNano: nano(to),
  status: { code: status },
  attributes: attributeList({ ...STANDARD, 'span.type': name, ...attributes }),
});

const SPANS: readonly object[] = [
  span('a1', '', 'interaction', 0, 8, { 'interaction.sequence': 1, user_prompt: '<REDACTED>' }),
  ...CLAUDE_CODE_CALLS.map((call, at) =>
    span(`b${at}`, at === 1 ? 'c1' : 'a1', 'llm_request', 0.5 + at, 2 + at, {
      ...call,
      'gen_ai.system': 'anthropic',
      'gen_ai.request.model': call.model,
      'gen_ai.response.id': call.request_id,
      success: true,
      query_source_safe: sourceOf(at).replaceAll(':', '.'),
    }),
  ),
  span('c1', 'a1', 'tool', 3, 5, { tool_name: 'Bash', tool_use_id: 'toolu_1', 'gen_ai.tool.call.id': 'toolu_1' }),
  span('c2', 'c1', 'tool.execution', 4, 5, { tool_use_id: 'toolu_1', success: false, error: 'ShellError' }, 2),
  span(
    'b9',
    'a1',
    'llm_request',
    5.5,
    6,
    {
      model: 'claude-sonnet-4-5-20250929',
      'gen_ai.request.model': 'claude-sonnet-4-5-20250929',
      'gen_ai.system': 'anthropic',
      success: false,
      status_code: 529,
      error: 'Overloaded',
    },
    2,
  ),
];

/** The session's log events, with traces on or off. */
export const claudeCodeEvents = (where: Where): readonly AgentStep[] =>
  stepsOf(normalize([recordOf(logRequest(eventsOf(where), 'com.anthropic.claude_code.events', SERVICE))], 'logs'));

/** The session's spans. */
export const claudeCodeSpans = (): readonly AgentStep[] =>
  stepsOf(normalize([recordOf(spanRequest(SPANS, 'com.anthropic.claude_code.tracing', SERVICE), 1)]));
