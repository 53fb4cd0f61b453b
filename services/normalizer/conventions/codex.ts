import type { StepKind } from '../../../schemas/step-kinds.ts';
import { at, type Json, textOf, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts, Usage } from '../step-facts.ts';
import { readIdentity } from './identity.ts';
import { toolContent } from './messages.ts';
import { kindOfTool } from './operations.ts';
import { readAttempt, readOutcome } from './outcome.ts';
import { readProvider } from './provider.ts';
import { hasUsage, INCLUSIVE, leafCall, readUsage, wrapperCall } from './usage.ts';
import { boolAttr, countAttr, hasAttr, jsonAttr, keySet, namesOf, presentKeys, textAttr } from './values.ts';

/**
 * OpenAI Codex CLI (codex-rs/otel: `events/session_telemetry.rs`). Log records carry its events, spans are those of the
 * program itself, nearly all of them plumbing. Logs are the authority for calls (`schemas/family-accounts.ts`) and for
 * tools; input includes cached tokens, output includes reasoning. Counts of the logs are texts or numbers.
 *
 * | record | step | model call |
 * |---|---|---|
 * | log `codex.sse_event`, `response.completed`, with counts | llm | itself (`tool_token_count` is the total, of nothing else) |
 * | the same kind without counts, any other kind | other | |
 * | log `codex.sse_event` that failed: `response.failed`, a broken stream | llm | itself, failed |
 * | log `codex.api_request`, `codex.websocket_request` that failed | llm | itself, failed; each attempt is one |
 * | log `codex.tool_result` | tool | |
 * | log `codex.tool_decision` | approval | |
 * | span with `gen_ai.usage.*` | llm | itself, where no log is heard |
 * | span with `codex.turn.token_usage.*` | agent | wrapper: the sum of the turn |
 * | span of a tool (`tool_source`) | other: the log is the step | |
 *
 * The conversation is `conversation.id`. The program is the agent: `codex`, below it `agent_name` of its sub-agents.
 */
export const codex: Convention = {
  name: 'codex',
  matches: (view) =>
    view.signal === 'log'
      ? view.eventName.startsWith('codex.') || view.scope.name.startsWith('codex_otel')
      : view.scope.name.startsWith('codex_') && !hasAttr(view, OPERATION),
  read: (view) => (view.signal === 'log' ? readLog(view) : readSpan(view)),
};

/** A span that follows OTel is read as OTel says, whatever its scope is called. */
const OPERATION = keySet('gen_ai.operation.name');
const SAID = {
  model: keySet('model'),
  slug: keySet('slug'),
  kind: keySet('event.kind'),
  endpoint: keySet('endpoint', 'api.path'),
  status: keySet('http.response.status_code'),
  error: keySet('error.message'),
  success: keySet('success'),
  toolName: keySet('tool_name'),
  callId: keySet('call_id'),
  toolSource: keySet('tool_source', 'codex.tool.phase'),
  mcpServer: keySet('mcp_server'),
  decision: keySet('decision'),
  source: keySet('source'),
  agentName: keySet('agent_name'),
};
const TURN = {
  input: keySet('codex.turn.token_usage.input_tokens'),
  output: keySet('codex.turn.token_usage.output_tokens'),
  cacheRead: keySet('codex.turn.token_usage.cached_input_tokens'),
  cacheWrite: keySet('codex.turn.token_usage.cache_write_input_tokens'),
  reasoning: keySet('codex.turn.token_usage.reasoning_output_tokens'),
};

/** The program, and the name of its first agent in its own words. */
const AGENT = 'codex';
const ROOT_AGENT = '/root';

const readShared = (view: SpanView, stepKind: StepKind) => {
  const requestModel = textAttr(view, SAID.model) ?? textAttr(view, SAID.slug);
  const { provider, flags } = readProvider(view, stepKind === 'llm' ? requestModel : undefined);
  return {
    ...readIdentity(view),
    agentName: agentOf(textAttr(view, SAID.agentName)),
    stepKind,
    requestModel,
    provider,
    flags,
    attempt: attemptOf(view),
    ...readOutcome(view),
  } satisfies StepFacts;
};

/** The path of an agent: the root is the program itself, what is below it its sub-agents. */
const agentOf = (path: string | undefined): string => {
  const below = path?.startsWith(ROOT_AGENT) === true ? path.slice(ROOT_AGENT.length) : (path ?? '');
  return below === '' ? AGENT : `${AGENT}${below.startsWith('/') ? '' : '/'}${below}`;
};

/** Codex counts re-sends: the first attempt is 0. */
const attemptOf = (view: SpanView): number | undefined => {
  const resends = readAttempt(view);
  return resends === undefined ? undefined : resends + 1;
};

// ------------------------------------------------------------------------- logs

const readLog = (view: SpanView): StepFacts => {
  switch (view.eventName) {
    case 'codex.sse_event':
    case 'codex.websocket_event':
      return readStreamEvent(view);
    case 'codex.api_request':
    case 'codex.websocket_request':
      return readRequest(view);
    case 'codex.tool_result':
      return readToolResult(view);
    case 'codex.tool_decision':
      return readDecision(view);
    case 'codex.user_prompt':
      return readPrompt(view);
    default:
      return readShared(view, 'other');
  }
};

const COMPLETED = 'response.completed';
const FAILED = 'response.failed';

const readStreamEvent = (view: SpanView): StepFacts => {
  const kind = textAttr(view, SAID.kind);
  const usage = readUsage(view);
  if (kind === COMPLETED && hasUsage(usage))
    return { ...readShared(view, 'llm'), call: leafCall('chat', usage, INCLUSIVE) };
  const isBroken = textAttr(view, SAID.error) !== undefined;
  // An item that could not be parsed is reported beside a response that goes on.
  const isFailed = kind === FAILED || (isBroken && (kind === undefined || kind === COMPLETED));
  return isFailed ? readFailedCall(view) : readShared(view, 'other');
};

/** Requests that are no call to a model: the list of models, accounts. An unnamed endpoint is the model's. */
const OTHER_ENDPOINT = /^\/?(?:models|me|usage|tasks|config|auth|memories)\b/;

const readRequest = (view: SpanView): StepFacts => {
  const status = countAttr(view, SAID.status);
  const isFailed =
    (status === undefined ? textAttr(view, SAID.error) !== undefined : status >= 400) ||
    boolAttr(view, SAID.success) === false;
  const isModel = !OTHER_ENDPOINT.test(textAttr(view, SAID.endpoint) ?? '');
  return isFailed && isModel ? readFailedCall(view) : readShared(view, 'other');
};

const readFailedCall = (view: SpanView): StepFacts => {
  const shared = readShared(view, 'llm');
  return {
    ...shared,
    isFailed: true,
    errorMessage: shared.errorMessage ?? textAttr(view, SAID.error),
    call: leafCall('chat', {}, INCLUSIVE),
  };
};

const TOOL_CONTENT = namesOf('arguments', 'output');
/** The header of a command's output, as the model reads it. */
const EXIT_LINE = /^Process exited with code (-?\d{1,6})$/m;
const HEADER_CHARS = 400;

/** A command that failed went well as a call of the tool: only its exit code tells. */
const exitCode = (output: Json | undefined): string | undefined => {
  const code = at(unwrap(output ?? null), 'metadata', 'exit_code');
  if (typeof code === 'number') return String(code);
  return typeof output === 'string' ? EXIT_LINE.exec(output.slice(0, HEADER_CHARS))?.[1] : undefined;
};

const readToolResult = (view: SpanView): StepFacts => {
  const toolName = textAttr(view, SAID.toolName);
  const toolArguments = jsonAttr(view, 'arguments');
  const toolResult = jsonAttr(view, 'output');
  const code = exitCode(toolResult);
  const isExitBad = code !== undefined && code !== '0';
  const shared = readShared(view, kindOfTool(toolName));
  const isFailed = shared.isFailed || boolAttr(view, SAID.success) === false || isExitBad;
  const server = textAttr(view, SAID.mcpServer);
  return {
    ...shared,
    toolName,
    toolCallId: textAttr(view, SAID.callId),
    toolArguments,
    toolResult,
    isFailed,
    errorType: isExitBad ? `exit_code_${code}` : shared.errorType,
    errorMessage: shared.errorMessage ?? (isFailed ? textOf(toolResult) : undefined),
    content: toolContent(toolArguments, toolResult),
    contentKeys: presentKeys(view, TOOL_CONTENT),
    ...(server === undefined ? {} : { facts: { 'mcp.server': server } }),
  };
};

const readDecision = (view: SpanView): StepFacts => ({
  ...readShared(view, 'approval'),
  toolName: textAttr(view, SAID.toolName),
  toolCallId: textAttr(view, SAID.callId),
  facts: {
    'approval.action': textAttr(view, SAID.toolName) ?? '',
    'approval.decision': textAttr(view, SAID.decision) ?? '',
    'approval.approver': textAttr(view, SAID.source) ?? '',
  },
});

const PROMPT = namesOf('prompt');

const readPrompt = (view: SpanView): StepFacts => {
  const prompt = view.attr('prompt');
  return {
    ...readShared(view, 'other'),
    content:
      typeof prompt === 'string' ? [{ direction: 'input', role: 'user', partKind: 'text', content: prompt }] : [],
    contentKeys: presentKeys(view, PROMPT),
  };
};

// ------------------------------------------------------------------------ spans

/** Keys without which a span is plumbing: more than nine in ten of them, so they are read in haste. */
const TELLING = keySet(
  'gen_ai.usage.input_tokens',
  'gen_ai.usage.output_tokens',
  'codex.turn.token_usage.input_tokens',
  'codex.turn.token_usage.output_tokens',
  'tool_source',
  'codex.tool.phase',
  'model',
);
const CONVERSATION = keySet('conversation.id', 'thread_id');

const readSpan = (view: SpanView): StepFacts => {
  if (view.ask(TELLING).length === 0)
    return { stepKind: 'other', agentName: AGENT, sessionId: textAttr(view, CONVERSATION), ...readOutcome(view) };
  const turn = turnUsage(view);
  if (hasUsage(turn)) return { ...readShared(view, 'agent'), call: wrapperCall('turn', turn, INCLUSIVE) };
  const usage = readUsage(view);
  if (hasUsage(usage)) return { ...readShared(view, 'llm'), call: leafCall('chat', usage, INCLUSIVE) };
  const shared = readShared(view, 'other');
  if (!hasAttr(view, SAID.toolSource)) return shared;
  return {
    ...shared,
    toolName: textAttr(view, SAID.toolName),
    toolCallId: textAttr(view, SAID.callId),
    flags: [...shared.flags, 'repeats_log'],
  };
};

const turnUsage = (view: SpanView): Usage => ({
  input: countAttr(view, TURN.input),
  output: countAttr(view, TURN.output),
  cacheRead: countAttr(view, TURN.cacheRead),
  cacheWrite: countAttr(view, TURN.cacheWrite),
  reasoning: countAttr(view, TURN.reasoning),
});
