import type { StepKind } from '../../../schemas/step-kinds.ts';
import { field, type Json } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, ContentPart, Convention, StepFacts } from '../step-facts.ts';
import { readIdentity } from './identity.ts';
import { isMessageEvent, readLogMessage, readSpanEvents } from './message-events.ts';
import { readMessages, toolContent, toolDefinitions } from './messages.ts';
import { isModelOperation, KIND_OF_OPERATION, kindOfTool } from './operations.ts';
import { readAttempt, readOutcome } from './outcome.ts';
import { readProvider } from './provider.ts';
import { hasUsage, INCLUSIVE, leafCall, readReportedCost, readUsage, wrapperCall } from './usage.ts';
import { asBool, asText, firstJsonAttr, presentKeys, textAttr } from './values.ts';

/**
 * The official OpenTelemetry conventions for GenAI and MCP, with the names of earlier versions (open-telemetry/
 * semantic-conventions-genai, migration.md). Token semantics: input_tokens includes cached tokens, output_tokens
 * includes reasoning. Other conventions build on `readGenAi` and say where they differ.
 */
export const otelGenAi: Convention = {
  name: 'otel-gen-ai',
  matches: (view) =>
    textAttr(view, MARKER_KEYS) !== undefined ||
    view.eventName.startsWith('gen_ai.') ||
    view.attr('mcp.method.name') !== undefined,
  read: (view) => readGenAi(view),
};

const MARKER_KEYS = [
  'gen_ai.operation.name',
  'gen_ai.provider.name',
  'gen_ai.system',
  'gen_ai.request.model',
  'gen_ai.tool.name',
];

/** Attributes whose value is content, by what they hold; the official name first. */
export const CONTENT_KEYS = {
  system: ['gen_ai.system_instructions'],
  input: ['gen_ai.input.messages', 'gen_ai.prompt'],
  output: ['gen_ai.output.messages', 'gen_ai.completion'],
  tools: ['gen_ai.tool.definitions', 'gen_ai.request.tools'],
  toolArguments: ['gen_ai.tool.call.arguments', 'gen_ai.tool.args'],
  toolResult: ['gen_ai.tool.call.result', 'gen_ai.tool.result'],
  retrieval: ['gen_ai.retrieval.query.text', 'gen_ai.retrieval.documents'],
} as const;
const ALL_CONTENT_KEYS = Object.values(CONTENT_KEYS).flat();

/** MCP methods that are steps of their own kind; the rest of the protocol is plumbing. */
const KIND_OF_MCP_METHOD: ReadonlyMap<string, StepKind> = new Map([
  ['tools/call', 'tool'],
  ['resources/read', 'retrieval'],
]);

/** Where a convention differs from the official one. */
export interface GenAiDialect {
  readonly operation?: string | undefined;
  readonly call?: (call: CallFacts | undefined) => CallFacts | undefined;
}

const kindOfSpan = (view: SpanView, operation: string | undefined, toolName: string | undefined): StepKind => {
  const byOperation = operation === undefined ? undefined : KIND_OF_OPERATION.get(operation);
  if (byOperation !== undefined) return byOperation === 'tool' ? kindOfTool(toolName) : byOperation;
  const method = textAttr(view, ['mcp.method.name']);
  if (method !== undefined) return KIND_OF_MCP_METHOD.get(method) ?? 'other';
  if (operation !== undefined) return 'other';
  // Before 1.27 there was no operation name: a model that answered, or a tool.
  if (toolName !== undefined) return kindOfTool(toolName);
  return textAttr(view, ['gen_ai.request.model', 'gen_ai.response.model']) === undefined ? 'other' : 'llm';
};

/** A record that repeats a span, an evaluation, a message: log records describe, they are not steps of work. */
const kindOfLog = (view: SpanView, operation: string | undefined, toolName: string | undefined): StepKind => {
  if (view.eventName === 'gen_ai.evaluation.result') return 'eval';
  if (isMessageEvent(view.eventName)) return 'other';
  if (view.eventName === DETAILS_EVENT) return hasUsage(readUsage(view)) ? 'llm' : 'other';
  return view.eventName.startsWith('gen_ai.') ? 'other' : kindOfSpan(view, operation, toolName);
};

/** Repeats everything its span says, usage included. */
const DETAILS_EVENT = 'gen_ai.client.inference.operation.details';

const readCall = (view: SpanView, kind: StepKind, operation: string | undefined): CallFacts | undefined => {
  const usage = readUsage(view);
  const name = operation ?? kind;
  if (view.signal === 'log' && !hasUsage(usage)) return undefined;
  if (isModelOperation(kind)) return leafCall(name, usage, INCLUSIVE, readReportedCost(view));
  return wrapperCall(name, usage, INCLUSIVE);
};

const readContent = (view: SpanView): readonly ContentPart[] => [
  ...readMessages(firstJsonAttr(view, CONTENT_KEYS.system), 'input', 'system'),
  ...readMessages(firstJsonAttr(view, CONTENT_KEYS.input), 'input', 'user'),
  ...readMessages(firstJsonAttr(view, CONTENT_KEYS.output), 'output', 'assistant'),
  ...toolDefinitions(firstJsonAttr(view, CONTENT_KEYS.tools)),
  ...readMessages(firstJsonAttr(view, ['gen_ai.retrieval.query.text']), 'input', 'user'),
  ...readMessages(firstJsonAttr(view, ['gen_ai.retrieval.documents']), 'output', 'tool'),
  ...readSpanEvents(view),
  ...readLogMessage(view),
];

/** Evaluations: the score travels to the folds as facts. */
const EVALUATION_FACTS: readonly (readonly [key: string, fact: string])[] = [
  ['gen_ai.evaluation.name', 'evaluation.name'],
  ['gen_ai.evaluation.score.value', 'evaluation.value'],
  ['gen_ai.evaluation.score.label', 'evaluation.label'],
  ['gen_ai.evaluation.explanation', 'evaluation.explanation'],
  ['mcp.method.name', 'mcp.method'],
  ['mcp.resource.uri', 'mcp.resource'],
  ['mcp.session.id', 'mcp.session'],
  ['jsonrpc.request.id', 'jsonrpc.request'],
  ['gen_ai.data_source.id', 'data.dataset'],
];

const readFacts = (view: SpanView): Readonly<Record<string, string>> => {
  const facts: Record<string, string> = {};
  for (const [key, fact] of EVALUATION_FACTS) {
    const text = asText(view.attr(key));
    if (text !== undefined) facts[fact] = text;
  }
  return facts;
};

/** A tool result that says itself that it failed, although the span ended well. */
const isErrorResult = (result: Json | undefined): boolean =>
  field(result, 'isError') === true || field(result, 'is_error') === true;

/** Reads the official conventions; `dialect` says where an emitter differs. */
export const readGenAi = (view: SpanView, dialect: GenAiDialect = {}): StepFacts => {
  const operation = dialect.operation ?? textAttr(view, ['gen_ai.operation.name']);
  const toolName = textAttr(view, ['gen_ai.tool.name']);
  const stepKind = (view.signal === 'log' ? kindOfLog : kindOfSpan)(view, operation, toolName);
  const requestModel = textAttr(view, ['gen_ai.request.model']);
  const responseModel = textAttr(view, ['gen_ai.response.model']);
  const { provider, flags } = readProvider(view, responseModel ?? requestModel);
  const read = readCall(view, stepKind, operation);
  const call = dialect.call === undefined ? read : dialect.call(read);
  const isTool = stepKind === 'tool' || stepKind === 'delegation';
  const toolArguments = isTool ? firstJsonAttr(view, CONTENT_KEYS.toolArguments) : undefined;
  const toolResult = isTool ? firstJsonAttr(view, CONTENT_KEYS.toolResult) : undefined;
  const outcome = readOutcome(view);
  return {
    stepKind,
    ...readIdentity(view),
    toolName,
    toolCallId: textAttr(view, ['gen_ai.tool.call.id', 'gen_ai.tool.call_id']),
    toolArguments,
    toolResult,
    toolDefinition: firstJsonAttr(view, CONTENT_KEYS.tools),
    provider,
    requestModel,
    responseModel,
    responseId: textAttr(view, ['gen_ai.response.id']),
    call,
    ...outcome,
    isFailed: outcome.isFailed || textAttr(view, ['gen_ai.tool.status']) === 'error' || isErrorResult(toolResult),
    attempt: readAttempt(view),
    isStreamed: asBool(view.attr('gen_ai.request.stream')) ?? asBool(view.attr('gen_ai.request.is_stream')),
    flags: [...flags, ...(view.eventName === DETAILS_EVENT && call !== undefined ? ['repeats_span'] : [])],
    facts: readFacts(view),
    content: [...toolContent(toolArguments, toolResult), ...readContent(view)],
    contentKeys: presentKeys(view, ALL_CONTENT_KEYS),
  };
};
