import { at, field, type Json, textOf } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, Convention, StepFacts, Usage } from '../step-facts.ts';
import { readIdentity } from './identity.ts';
import { readMessages, toolContent } from './messages.ts';
import { kindOfTool } from './operations.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { readOutcome } from './outcome.ts';
import { cleanProvider, providerOfModel } from './provider.ts';
import { leafCall, readUsage } from './usage.ts';
import { boolAttr, countAttr, jsonAttr, keySet, namesOf, presentKeys, textAttr } from './values.ts';

/**
 * Google's Gemini CLI (packages/core/src/telemetry: `types.ts`, `loggers.ts`, `trace.ts`). Each call is told three
 * times: a span, a log event of its own, and OTel's log event. The own log is the authority
 * (`schemas/family-accounts.ts`): the others lack cached tokens and thoughts.
 *
 * | record | step | model call |
 * |---|---|---|
 * | log `gemini_cli.api_response` | llm | itself |
 * | log `gemini_cli.api_error` | llm | itself, failed; each attempt is one |
 * | log `gen_ai.client.inference.operation.details` | other | none: repeats the log before it, of requests too |
 * | log `gemini_cli.tool_call` | tool; inside a span other, for then the span `tool_call` tells it, with its result | |
 * | span `llm_call` | llm | itself, where no log is heard |
 * | span `tool_call`, `agent_call` | tool, agent | |
 *
 * Input includes cached tokens but not those of tool prompts (`tool_token_count`, billed as input); output leaves
 * thoughts out (GenerateContentResponseUsageMetadata, ai.google.dev/api/generate-content). Every trace is one call or one
 * batch of tools; what joins them is `session.id`, on spans `gen_ai.conversation.id`.
 */
export const geminiCli: Convention = {
  name: 'gemini-cli',
  matches: (view) => view.scope.name === 'gemini-cli' || view.eventName.startsWith('gemini_cli.'),
  read: (view) => (view.signal === 'log' ? readLog(view) : readSpan(view)),
};

const SEMANTICS = { inputIncludesCache: true, outputIncludesReasoning: false } as const;
const AGENT = 'gemini-cli';

const SAID = {
  model: keySet('model', 'model_name', 'gen_ai.request.model'),
  operation: keySet('gen_ai.operation.name'),
  toolTokens: keySet('tool_token_count'),
  error: keySet('error.message', 'error'),
  success: keySet('success'),
  functionName: keySet('function_name'),
  promptId: keySet('prompt_id', 'gen_ai.prompt.name'),
  authType: keySet('auth_type'),
  installation: keySet('installation.id'),
  email: keySet('user.email'),
  mcpServer: keySet('mcp_server_name'),
  agentName: keySet('agent_name', 'gen_ai.agent.name'),
  decision: keySet('decision'),
};

const sharedOf = (view: SpanView) => {
  const promptId = textAttr(view, SAID.promptId);
  return {
    ...readIdentity(view),
    agentName: textAttr(view, SAID.agentName) ?? AGENT,
    userId: textAttr(view, SAID.email) ?? textAttr(view, SAID.installation),
    // `gen_ai.prompt.name` is the id of what the user asked, not the name of a template.
    promptName: undefined,
    facts: promptId === undefined ? {} : { 'prompt.id': promptId },
  };
};

const providerOf = (view: SpanView, model: string | undefined): string | undefined =>
  textAttr(view, SAID.authType) === 'vertex-ai' ? cleanProvider('vertex_ai', undefined) : providerOfModel(model);

// ------------------------------------------------------------------------- logs

const readLog = (view: SpanView): StepFacts => {
  switch (view.eventName) {
    case 'gemini_cli.api_response':
      return readResponse(view);
    case 'gemini_cli.api_error':
      return readError(view);
    case 'gemini_cli.api_request':
      return { ...readOther(view), ...readText(view, REQUEST_TEXT, 'request_text', 'input') };
    case 'gemini_cli.user_prompt':
      return { ...readOther(view), ...readText(view, PROMPT, 'prompt', 'input') };
    case 'gemini_cli.tool_call':
      return readToolLog(view);
    case 'gen_ai.client.inference.operation.details':
      return { ...readGenAi(view), ...sharedOf(view), stepKind: 'other', call: undefined, flags: ['repeats_log'] };
    default:
      return readOther(view);
  }
};

const readOther = (view: SpanView): StepFacts => ({ ...sharedOf(view), stepKind: 'other', ...readOutcome(view) });

const usageOfLog = (view: SpanView): Usage => {
  const usage = readUsage(view);
  const ofTools = countAttr(view, SAID.toolTokens) ?? 0;
  return { ...usage, input: usage.input === undefined ? undefined : usage.input + ofTools };
};

const callOf = (view: SpanView, usage: Usage): StepFacts => {
  const model = textAttr(view, SAID.model);
  return {
    ...sharedOf(view),
    stepKind: 'llm',
    requestModel: model,
    provider: providerOf(view, model),
    call: leafCall('generate_content', usage, SEMANTICS),
    ...readOutcome(view),
  };
};

const REQUEST_TEXT = namesOf('request_text');
const RESPONSE_TEXT = namesOf('response_text');
const PROMPT = namesOf('prompt');
const ARGUMENTS = namesOf('function_args');

const readText = (
  view: SpanView,
  names: ReturnType<typeof namesOf>,
  key: string,
  direction: 'input' | 'output',
): Pick<StepFacts, 'content' | 'contentKeys'> => {
  const text = key === 'prompt' ? view.attr(key) : undefined;
  return {
    content:
      typeof text === 'string'
        ? [{ direction, role: 'user', partKind: 'text', content: text }]
        : readMessages(jsonAttr(view, key), direction, direction === 'input' ? 'user' : 'assistant'),
    contentKeys: presentKeys(view, names),
  };
};

/** Chunks of a stream as the API sent them: what was said stands in their candidates. */
const readResponse = (view: SpanView): StepFacts => {
  const chunks = jsonAttr(view, 'response_text');
  const said = (Array.isArray(chunks) ? (chunks as readonly Json[]) : []).flatMap((chunk) =>
    readMessages(at(chunk, 'candidates', 0, 'content'), 'output', 'assistant'),
  );
  return {
    ...callOf(view, usageOfLog(view)),
    responseModel: textAttr(view, SAID.model),
    ...(said.length > 0
      ? { content: said, contentKeys: presentKeys(view, RESPONSE_TEXT) }
      : readText(view, RESPONSE_TEXT, 'response_text', 'output')),
  };
};

const readError = (view: SpanView): StepFacts => {
  const facts = callOf(view, {});
  return { ...facts, isFailed: true, errorMessage: facts.errorMessage ?? textAttr(view, SAID.error) };
};

const readToolLog = (view: SpanView): StepFacts => {
  const toolName = textAttr(view, SAID.functionName);
  const isRepeated = view.spanId !== '';
  const shared = readOther(view);
  const decision = textAttr(view, SAID.decision);
  const server = textAttr(view, SAID.mcpServer);
  const toolArguments = jsonAttr(view, 'function_args');
  const isFailed = shared.isFailed === true || boolAttr(view, SAID.success) === false;
  return {
    ...shared,
    stepKind: isRepeated ? 'other' : kindOfTool(toolName),
    toolName,
    toolArguments: isRepeated ? undefined : toolArguments,
    isFailed,
    errorMessage: isFailed ? (shared.errorMessage ?? textAttr(view, SAID.error)) : undefined,
    flags: isRepeated ? ['repeats_span'] : [],
    facts: {
      ...shared.facts,
      ...(decision === undefined ? {} : { 'approval.decision': decision }),
      ...(server === undefined ? {} : { 'mcp.server': server }),
    },
    content: isRepeated ? [] : toolContent(toolArguments, undefined),
    contentKeys: presentKeys(view, ARGUMENTS),
  };
};

// ------------------------------------------------------------------------ spans

/** `gen_ai.operation.name` of its spans → what OTel calls that. */
const OPERATIONS: ReadonlyMap<string, string> = new Map([
  ['llm_call', 'generate_content'],
  ['tool_call', 'execute_tool'],
  ['agent_call', 'invoke_agent'],
]);

const readSpan = (view: SpanView): StepFacts => {
  const operation = textAttr(view, SAID.operation) ?? view.name;
  const facts = readGenAi(view, { operation: OPERATIONS.get(operation) ?? operation, call: ownCall });
  const named = { ...facts, ...sharedOf(view) };
  if (facts.stepKind === 'llm')
    return { ...named, provider: providerOf(view, facts.requestModel), flags: ['provider_inferred'] };
  return facts.stepKind === 'tool' || facts.stepKind === 'delegation' ? readTool(view, named) : named;
};

const ownCall = (call: CallFacts | undefined): CallFacts | undefined =>
  call === undefined ? undefined : { ...call, semantics: SEMANTICS };

/** The request stands where messages do, the answer beside it: `{status, request, response: {responseParts}}`. */
const readTool = (view: SpanView, facts: StepFacts): StepFacts => {
  const request = jsonAttr(view, 'gen_ai.input.messages');
  const answer = jsonAttr(view, 'gen_ai.output.messages');
  const toolArguments = field(request, 'args') ?? at(answer, 'request', 'args');
  const parts = at(answer, 'response', 'responseParts');
  const toolResult = at(parts, 0, 'functionResponse', 'response') ?? parts ?? undefined;
  const error = at(toolResult, 'error');
  const isFailed = facts.isFailed === true || field(answer, 'status') === 'error' || error !== undefined;
  return {
    ...facts,
    toolArguments,
    toolResult,
    toolDefinition: at(answer, 'tool', 'parameterSchema'),
    isFailed,
    errorType: facts.errorType ?? textOf(at(answer, 'response', 'errorType')),
    errorMessage: facts.errorMessage ?? (isFailed ? textOf(error) : undefined),
    content: toolContent(toolArguments, toolResult),
  };
};
