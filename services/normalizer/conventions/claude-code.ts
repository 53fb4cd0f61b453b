import type { StepKind } from '../../../schemas/step-kinds.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, Convention, StepFacts, UsageSemantics } from '../step-facts.ts';
import { readIdentity } from './identity.ts';
import { toolContent } from './messages.ts';
import { kindOfTool } from './operations.ts';
import { readAttempt, readOutcome } from './outcome.ts';
import { leafCall, readReportedCost, readUsage } from './usage.ts';
import { boolAttr, firstJsonAttr, keySet, namesOf, presentKeys, textAttr } from './values.ts';

/**
 * Anthropic's Claude Code (code.claude.com/docs/en/monitoring-usage). Log records carry its events: the body, or the
 * attribute `event.name` with or without the prefix, names them. Spans come with tracing on (beta). Logs are the
 * authority for calls (`schemas/family-accounts.ts`) and for tools; metrics sum the same figures and are never booked.
 *
 * | record | step | model call |
 * |---|---|---|
 * | event `api_request` | llm | itself |
 * | event `api_error` | llm | itself, failed; sent once, after the last attempt |
 * | event `tool_result` | tool | |
 * | event `tool_decision` | approval | |
 * | events `user_prompt`, `assistant_response` | other, with what was said if it is exported | |
 * | span `claude_code.llm_request` | llm | itself, where no log is heard; `request_id` is that of the event |
 * | span `claude_code.interaction` | agent | |
 * | span `claude_code.tool` | other: the event is the step | |
 *
 * `input_tokens` leaves cached tokens out; output includes thinking, which is not told apart. `cost_usd` is an estimate at
 * list price. The conversation is `session.id`; the program is the agent, below it the sub-agents that `query_source` names.
 */
export const claudeCode: Convention = {
  name: 'claude-code',
  matches: (view) => view.scope.name.startsWith(SCOPE) || nameOf(view).startsWith(PREFIX),
  read: (view) => (view.signal === 'log' ? readEvent(view) : readSpan(view)),
};

const SCOPE = 'com.anthropic.claude_code';
const PREFIX = 'claude_code.';
const AGENT = 'claude-code';
const EXCLUSIVE: UsageSemantics = { inputIncludesCache: false, outputIncludesReasoning: true };

/** Full name of an event or a span: older versions say it in the body alone. */
const nameOf = (view: SpanView): string => {
  if (view.signal === 'span' || view.name.startsWith(PREFIX)) return view.name;
  return typeof view.body === 'string' && view.body.startsWith(PREFIX) ? view.body : `${view.name}`;
};
const shortName = (view: SpanView): string => {
  const name = nameOf(view);
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
};

const SAID = {
  model: keySet('model', 'gen_ai.request.model'),
  requestId: keySet('request_id', 'gen_ai.response.id'),
  speed: keySet('speed'),
  source: keySet('query_source', 'query_source_safe'),
  user: keySet('user.email', 'user.account_uuid', 'user.account_id', 'user.id'),
  account: keySet('organization.id'),
  promptId: keySet('prompt.id'),
  error: keySet('error'),
  errorType: keySet('error_type', 'error_class'),
  success: keySet('success'),
  toolName: keySet('tool_name'),
  toolUseId: keySet('tool_use_id', 'gen_ai.tool.call.id'),
  toolInput: keySet('tool_input', 'tool_parameters'),
  toolServer: keySet('mcp_server_name', 'mcp_server_scope'),
  decision: keySet('decision'),
  decidedBy: keySet('source'),
};

/** `agent:builtin:Explore`, `agent.custom`: a sub-agent. Anything else is the program itself. */
const SUB_AGENT = /^agent[:.](?:.*[:.])?([^:.]+)$/;

const readShared = (view: SpanView, stepKind: StepKind) => {
  const sub = SUB_AGENT.exec(textAttr(view, SAID.source) ?? '')?.[1];
  const promptId = textAttr(view, SAID.promptId);
  const outcome = readOutcome(view);
  const isFailed = outcome.isFailed || boolAttr(view, SAID.success) === false;
  return {
    ...readIdentity(view),
    agentName: sub ?? AGENT,
    userId: textAttr(view, SAID.user),
    account: textAttr(view, SAID.account),
    stepKind,
    attempt: readAttempt(view),
    isFailed,
    errorType: textAttr(view, SAID.errorType) ?? outcome.errorType,
    errorMessage: outcome.errorMessage ?? (isFailed ? textAttr(view, SAID.error) : undefined),
    facts: promptId === undefined ? {} : { 'prompt.id': promptId },
  } satisfies StepFacts;
};

const readCall = (view: SpanView, call: CallFacts): StepFacts => ({
  ...readShared(view, 'llm'),
  requestModel: textAttr(view, SAID.model),
  provider: 'anthropic',
  responseId: textAttr(view, SAID.requestId),
  // Fast mode has prices of its own; the other word means the listed ones.
  serviceTier: textAttr(view, SAID.speed) === 'fast' ? 'fast' : undefined,
  call,
});

const readEvent = (view: SpanView): StepFacts => {
  switch (shortName(view)) {
    case 'api_request':
      return readCall(view, leafCall('chat', readUsage(view), EXCLUSIVE, readReportedCost(view)));
    case 'api_error':
      return { ...readCall(view, leafCall('chat', {}, EXCLUSIVE)), isFailed: true };
    case 'tool_result':
      return readTool(view);
    case 'tool_decision':
      return readDecision(view);
    case 'user_prompt':
      return { ...readShared(view, 'other'), ...readSaid(view, 'prompt', 'input', 'user', PROMPT) };
    case 'assistant_response':
      return { ...readShared(view, 'other'), ...readSaid(view, 'response', 'output', 'assistant', RESPONSE) };
    default:
      return readShared(view, 'other');
  }
};

const PROMPT = namesOf('prompt');
const RESPONSE = namesOf('response');
const TOOL_CONTENT = namesOf('tool_input', 'tool_parameters');
/** Stands where content is not exported. */
const REDACTED = '<REDACTED>';

const readSaid = (
  view: SpanView,
  key: string,
  direction: 'input' | 'output',
  role: string,
  names: ReturnType<typeof namesOf>,
): Pick<StepFacts, 'content' | 'contentKeys'> => {
  const text = view.attr(key);
  return {
    content:
      typeof text === 'string' && text !== REDACTED ? [{ direction, role, partKind: 'text', content: text }] : [],
    contentKeys: presentKeys(view, names),
  };
};

const readTool = (view: SpanView): StepFacts => {
  const toolName = textAttr(view, SAID.toolName);
  const toolArguments = firstJsonAttr(view, SAID.toolInput);
  const server = textAttr(view, SAID.toolServer);
  const shared = readShared(view, kindOfTool(toolName));
  return {
    ...shared,
    toolName,
    toolCallId: textAttr(view, SAID.toolUseId),
    toolArguments,
    facts: { ...shared.facts, ...(server === undefined ? {} : { 'mcp.server': server }) },
    content: toolContent(toolArguments, undefined),
    contentKeys: presentKeys(view, TOOL_CONTENT),
  };
};

const readDecision = (view: SpanView): StepFacts => {
  const shared = readShared(view, 'approval');
  const toolName = textAttr(view, SAID.toolName);
  return {
    ...shared,
    toolName,
    toolCallId: textAttr(view, SAID.toolUseId),
    facts: {
      ...shared.facts,
      'approval.action': toolName ?? '',
      'approval.decision': textAttr(view, SAID.decision) ?? '',
      'approval.approver': textAttr(view, SAID.decidedBy) ?? '',
    },
  };
};

const readSpan = (view: SpanView): StepFacts => {
  switch (shortName(view)) {
    case 'llm_request':
      return readCall(view, leafCall('chat', readUsage(view), EXCLUSIVE, readReportedCost(view)));
    case 'interaction':
      return readShared(view, 'agent');
    case 'tool':
      return {
        ...readShared(view, 'other'),
        toolName: textAttr(view, SAID.toolName),
        toolCallId: textAttr(view, SAID.toolUseId),
        flags: ['repeats_log'],
      };
    default:
      return readShared(view, 'other');
  }
};
