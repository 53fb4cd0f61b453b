import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import type { StepKind } from '../../../schemas/step-kinds.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, ContentPart, Convention, StepFacts } from '../step-facts.ts';
import { readEvaluations } from './evaluations.ts';
import { isErrorResult } from './family.ts';
import { readIdentity } from './identity.ts';
import { isKindKey, isTokenCounter, kindOfWord } from './key-meanings.ts';
import { EVENT_LISTS, isMessageEvent, readEventList, readLogMessage, readSpanEvents } from './message-events.ts';
import { readMessages, toolContent, toolDefinitions } from './messages.ts';
import { isModelOperation, KIND_OF_OPERATION, kindOfTool } from './operations.ts';
import { endedInError, readAttempt, readOutcome } from './outcome.ts';
import { readProvider } from './provider.ts';
import { hasUsage, INCLUSIVE, leafCall, provenSemantics, readReportedCost, readUsage, wrapperCall } from './usage.ts';
import { usageBlock } from './usage-map.ts';
import {
  asText,
  boolAttr,
  firstJsonAttr,
  hasAttr,
  keySet,
  keysLike,
  nameAttr,
  namesOf,
  presentKeys,
  textAttr,
} from './values.ts';

/**
 * The official OpenTelemetry conventions for GenAI and MCP, with the names of earlier versions (open-telemetry/
 * semantic-conventions-genai, migration.md). Token semantics: input_tokens includes cached tokens, output_tokens
 * includes reasoning. Other conventions build on `readGenAi` and say where they differ.
 */
export const otelGenAi: Convention = {
  name: 'otel-gen-ai',
  matches: (view) =>
    textAttr(view, MARKER) !== undefined || view.eventName.startsWith('gen_ai.') || hasAttr(view, MCP_METHOD),
  read: (view) => readGenAi(view),
};

const MARKER = keySet(
  'gen_ai.operation.name',
  'gen_ai.provider.name',
  'gen_ai.system',
  'gen_ai.request.model',
  'gen_ai.response.model',
  'gen_ai.tool.name',
);
const MCP_METHOD = keySet('mcp.method.name');

/** Attributes whose value is content, by what they hold; the official name first. */
export const CONTENT_KEYS = {
  system: ['gen_ai.system_instructions'],
  input: ['gen_ai.input.messages', 'gen_ai.prompt'],
  output: ['gen_ai.output.messages', 'gen_ai.completion'],
  tools: ['gen_ai.tool.definitions', 'gen_ai.request.tools'],
  toolArguments: ['gen_ai.tool.call.arguments', 'gen_ai.tool.args', 'tool_arguments', 'spring.ai.tool.call.arguments'],
  toolResult: ['gen_ai.tool.call.result', 'gen_ai.tool.result', 'tool_response', 'spring.ai.tool.call.result'],
  retrieval: ['gen_ai.retrieval.query.text', 'gen_ai.retrieval.documents'],
} as const;
const ALL_CONTENT = namesOf(...Object.values(CONTENT_KEYS).flat());
const CONTENT = {
  system: keySet(...CONTENT_KEYS.system),
  input: keySet(...CONTENT_KEYS.input),
  output: keySet(...CONTENT_KEYS.output),
  tools: keySet(...CONTENT_KEYS.tools),
  toolArguments: keySet(...CONTENT_KEYS.toolArguments),
  toolResult: keySet(...CONTENT_KEYS.toolResult),
  query: keySet('gen_ai.retrieval.query.text'),
  documents: keySet('gen_ai.retrieval.documents'),
};
const SAID = {
  operation: keySet('gen_ai.operation.name'),
  toolName: keySet('gen_ai.tool.name', 'spring.ai.tool.definition.name'),
  toolCallId: keySet('gen_ai.tool.call.id', 'gen_ai.tool.call_id', 'spring.ai.tool.call.id'),
  toolStatus: keySet('gen_ai.tool.status'),
  // With the names OpenLLMetry had before there were official ones, and has still for Go.
  requestModel: keySet('gen_ai.request.model', 'llm.request.model'),
  responseModel: keySet('gen_ai.response.model', 'llm.response.model'),
  anyModel: keySet('gen_ai.request.model', 'gen_ai.response.model'),
  responseId: keySet('gen_ai.response.id'),
  isStreamed: keySet('gen_ai.request.stream', 'gen_ai.request.is_stream'),
};

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
  const method = textAttr(view, MCP_METHOD);
  if (method !== undefined) return KIND_OF_MCP_METHOD.get(method) ?? 'other';
  const byWord = kindByWord(view);
  if (byWord !== undefined) return byWord === 'tool' ? kindOfTool(toolName) : byWord;
  if (operation !== undefined) return isAnswer(view, operation) ? 'llm' : 'other';
  // Before 1.27 there was no operation name: a model that answered, or a tool.
  if (toolName !== undefined) return kindOfTool(toolName);
  return textAttr(view, SAID.anyModel) === undefined ? 'other' : 'llm';
};

/** Operations nobody has agreed on, beside a word of the emitter's own for what the span is. */
const kindByWord = (view: SpanView): StepKind | undefined => {
  for (const { place } of view.ask(KIND_WORDS)) {
    const kind = kindOfWord(view.at(place));
    if (kind !== undefined) return kind;
  }
  return undefined;
};
const KIND_WORDS = keysLike(isKindKey);

/** A model's answer has an id and a reason why it ended; what only sums answers has neither. Else the word must sound like one, and figures or a failure come of it. */
const isAnswer = (view: SpanView, operation: string): boolean =>
  textAttr(view, SAID.anyModel) !== undefined &&
  (hasAttr(view, ANSWERED) || (CALL_WORD.test(operation) && (hasUsage(readUsage(view)) || readOutcome(view).isFailed)));
const CALL_WORD =
  /^(?:chat|text|messages?|responses?|completions?|generate|infer|inference|converse|stream)(?:$|[._-])/i;
const ANSWERED = keySet('gen_ai.response.id', 'gen_ai.response.finish_reasons');

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
  if (isTokenCounter(operation)) return undefined;
  const usage = readUsage(view);
  const name = operation ?? kind;
  if (view.signal === 'log' && !hasUsage(usage)) return undefined;
  if (!isModelOperation(kind)) return wrapperCall(name, usage, provenSemantics(view, usage, INCLUSIVE));
  // Exporters with a block of usage of their own name model and operation as OTel does.
  const block = hasUsage(usage) ? undefined : usageBlock(view);
  const semantics = block?.semantics ?? provenSemantics(view, usage, INCLUSIVE);
  return leafCall(name, block?.usage ?? usage, semantics, readReportedCost(view));
};

const readContent = (view: SpanView): readonly ContentPart[] => [
  ...readMessages(firstJsonAttr(view, CONTENT.system), 'input', 'system'),
  ...readMessages(firstJsonAttr(view, CONTENT.input), 'input', 'user'),
  ...readMessages(firstJsonAttr(view, CONTENT.output), 'output', 'assistant'),
  ...toolDefinitions(firstJsonAttr(view, CONTENT.tools)),
  ...readMessages(firstJsonAttr(view, CONTENT.query), 'input', 'user'),
  ...readMessages(firstJsonAttr(view, CONTENT.documents), 'output', 'tool'),
  ...readSpanEvents(view),
  ...readEventList(view),
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

const FACTS = new KeyQuestion((_keys, placeOf) =>
  EVALUATION_FACTS.map(([key, fact]) => ({ fact, place: placeOf(key) })).filter(({ place }) => place >= 0),
);

const readFacts = (view: SpanView): Readonly<Record<string, string>> => {
  const facts: Record<string, string> = {};
  for (const { place, fact } of view.ask(FACTS)) {
    const text = asText(view.at(place));
    if (text !== undefined) facts[fact] = text;
  }
  return facts;
};

/** Reads the official conventions; `dialect` says where an emitter differs. */
export const readGenAi = (view: SpanView, dialect: GenAiDialect = {}): StepFacts => {
  const operation = dialect.operation ?? textAttr(view, SAID.operation);
  const toolName = textAttr(view, SAID.toolName);
  const stepKind = (view.signal === 'log' ? kindOfLog : kindOfSpan)(view, operation, toolName);
  const requestModel = nameAttr(view, SAID.requestModel);
  const responseModel = nameAttr(view, SAID.responseModel);
  const { provider, flags } = readProvider(view, responseModel ?? requestModel);
  const read = readCall(view, stepKind, operation);
  const call = dialect.call === undefined ? read : dialect.call(read);
  const isTool = stepKind === 'tool' || stepKind === 'delegation';
  const toolArguments = isTool ? firstJsonAttr(view, CONTENT.toolArguments) : undefined;
  const toolResult = isTool ? firstJsonAttr(view, CONTENT.toolResult) : undefined;
  const outcome = readOutcome(view);
  return {
    stepKind,
    ...readIdentity(view),
    toolName,
    toolCallId: textAttr(view, SAID.toolCallId),
    toolArguments,
    toolResult,
    toolDefinition: firstJsonAttr(view, CONTENT.tools),
    provider,
    requestModel,
    responseModel,
    responseId: textAttr(view, SAID.responseId),
    call,
    ...outcome,
    isFailed:
      outcome.isFailed ||
      textAttr(view, SAID.toolStatus) === 'error' ||
      isErrorResult(toolResult) ||
      (isModelOperation(stepKind) && endedInError(view)),
    attempt: readAttempt(view),
    isStreamed: boolAttr(view, SAID.isStreamed),
    flags: [...flags, ...(view.eventName === DETAILS_EVENT && call !== undefined ? ['repeats_span'] : [])],
    facts: { ...readFacts(view), ...readEvaluations(view) },
    content: [...toolContent(toolArguments, toolResult), ...readContent(view)],
    contentKeys: [...presentKeys(view, ALL_CONTENT), ...presentKeys(view, EVENT_LISTS)],
  };
};
