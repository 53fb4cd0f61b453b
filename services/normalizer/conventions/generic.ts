import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import type { StepKind } from '../../../schemas/step-kinds.ts';
import { contentDirection } from '../content-keys.ts';
import { field, isObject, type Json, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, ContentPart, Convention, StepFacts, Usage } from '../step-facts.ts';
import { readFlattened } from './flattened.ts';
import { readIdentity } from './identity.ts';
import { readLogMessage, readSpanEvents } from './message-events.ts';
import { readMessages } from './messages.ts';
import { isModelOperation, KIND_OF_OPERATION, kindOfTool } from './operations.ts';
import { readAttempt, readOutcome } from './outcome.ts';
import { readProvider } from './provider.ts';
import { hasUsage, INCLUSIVE, leafCall, mergeUsage, readReportedCost, readUsage, wrapperCall } from './usage.ts';
import { asCount, boolAttr, jsonAt, keySet, keysLike, type PlacedKey, textAttr } from './values.ts';

/**
 * The last one: an emitter nobody wrote a file for. Keeps everything and recognises model calls, tools and agents by
 * how keys are built, not by who built them: a word for the kind of span, a model, token counts, a tool's name.
 * Token semantics are unknown: taken as OTel's, unless the figures themselves prove otherwise.
 */
export const generic: Convention = { name: 'generic', matches: () => true, read: (view) => readGeneric(view) };

/** A key whose value says what the span is: `openinference.span.kind`, `x.observation.type`, `run_type` … */
const KIND_KEY =
  /(?:^|[._:])(?:span[._]?(?:kind|type)|observation[._]type|(?:run|step|node|event|action)[._](?:kind|type)|subtype|operation[._](?:name|id)|operationId)$/i;

/** The words that stand there. */
const KIND_OF_WORD: ReadonlyMap<string, StepKind> = new Map([
  ...KIND_OF_OPERATION,
  ['llm', 'llm'],
  ['llm_request', 'llm'],
  ['llm_call', 'llm'],
  ['generation', 'llm'],
  ['model', 'llm'],
  ['model_inference', 'llm'],
  ['embedder', 'embedding'],
  ['agent', 'agent'],
  ['agent_run', 'agent'],
  ['interaction', 'agent'],
  ['workflow', 'workflow'],
  ['workflow_run', 'workflow'],
  ['chain', 'workflow'],
  ['task', 'workflow'],
  ['flow', 'workflow'],
  ['graph', 'workflow'],
  ['tool', 'tool'],
  ['tool_call', 'tool'],
  ['mcp_tool_call', 'tool'],
  ['function', 'tool'],
  ['retriever', 'retrieval'],
  ['reranker', 'retrieval'],
  ['handoff', 'delegation'],
  ['evaluator', 'eval'],
  ['evaluation', 'eval'],
]);

/** Facts found by walking over the keys once. */
interface Found {
  kind?: StepKind;
  requestModel?: string;
  responseModel?: string;
  responseId?: string;
  toolName?: string;
  toolCallId?: string;
  agentName?: string;
  usage: { -readonly [K in keyof Usage]: number };
}

const REQUEST_MODEL = /(?:^|[._:])(?:model|model[._]?(?:name|id)|request[._]?model(?:[._]name)?)$/i;
const RESPONSE_MODEL = /(?:^|[._:])(?:response|returned)[._]?model(?:[._](?:name|id))?$/i;
const RESPONSE_ID = /(?:^|[._:])response[._]?id$/i;
const TOOL_NAME = /(?:^|[._:])(?:tool[._]?(?:call[._]?)?name|function[._]?name|toolcall\.name)$/i;
const TOOL_CALL_ID = /(?:^|[._:])(?:tool[._]?(?:call|use)[._]?id|tool_call\.id|toolcall\.id)$/i;
const AGENT_NAME = /(?:^|[._:])agent[._]?name$/i;

/** First match wins, so details stand before the figures that contain them. */
const TOKEN_RULES: readonly (readonly [pattern: RegExp, bucket: keyof Usage | undefined])[] = [
  [/max|limit|budget|per_|avg|average|total|chars|character|price|cost|nocache|no_cache|text/, undefined],
  [/cach.*(?:write|creation)|(?:write|creation).*cach/, 'cacheWrite'],
  [/cach/, 'cacheRead'],
  [/reasoning|thought/, 'reasoning'],
  [/audio.*(?:output|completion)|(?:output|completion).*audio/, 'audioOutput'],
  [/audio/, 'audioInput'],
  [/input|prompt/, 'input'],
  [/output|completion|candidates/, 'output'],
];

const bucketOfKey = (key: string): keyof Usage | undefined => {
  if (!/token/i.test(key)) return undefined;
  const plain = key.toLowerCase();
  return TOKEN_RULES.find(([pattern]) => pattern.test(plain))?.[1];
};

const TEXT_RULES: readonly (readonly [
  pattern: RegExp,
  name: 'requestModel' | 'responseModel' | 'responseId' | 'toolName' | 'toolCallId' | 'agentName',
])[] = [
  [RESPONSE_MODEL, 'responseModel'],
  [REQUEST_MODEL, 'requestModel'],
  [RESPONSE_ID, 'responseId'],
  [TOOL_CALL_ID, 'toolCallId'],
  [TOOL_NAME, 'toolName'],
  [AGENT_NAME, 'agentName'],
];

/** A word such as `LLM`, `ai.generateText.doGenerate` or `MODEL_INFERENCE` → a kind. */
const kindOfWord = (value: unknown): StepKind | undefined =>
  typeof value === 'string' && value.length <= 64 ? KIND_OF_WORD.get(value.toLowerCase()) : undefined;

/** What a key is taken for, by how it is built. */
interface KeyMeaning {
  readonly bucket: keyof Usage | undefined;
  readonly isKind: boolean;
  readonly text: (typeof TEXT_RULES)[number][1] | undefined;
  readonly isUsage: boolean;
}

const meaningOf = (key: string): KeyMeaning => ({
  bucket: bucketOfKey(key),
  isKind: KIND_KEY.test(key),
  text: TEXT_RULES.find(([pattern]) => pattern.test(key))?.[1],
  isUsage: USAGE_KEY.test(key),
});

const readKey = (found: Found, { bucket, isKind, text }: KeyMeaning, value: unknown): void => {
  if (bucket !== undefined) {
    const count = typeof value === 'number' || typeof value === 'string' ? asCount(value) : undefined;
    if (count !== undefined) {
      found.usage[bucket] ??= count;
      return;
    }
  }
  if (typeof value !== 'string' || value === '') return;
  if (isKind) {
    const kind = kindOfWord(value);
    if (kind !== undefined) found.kind ??= kind;
  }
  if (text !== undefined) found[text] ??= value;
};

/** Usage as a JSON map in one attribute: `…usage_details`, `…usage`. */
const USAGE_KEY = /(?:^|[._:])usage(?:[._](?:details|metadata))?$/i;

const readUsageMap = (found: Found, value: Json): void => {
  const usage = unwrap(value);
  if (!isObject(usage)) return;
  for (const [key, count] of Object.entries(usage)) {
    if (isObject(count)) readUsageMap(found, count);
    // Inside a usage map the word "tokens" is often left out.
    else readKey(found, meaningOf(/token/i.test(key) ? key : `${key}_tokens`), count);
  }
};

/** The keys that mean anything. */
const MEANINGS = new KeyQuestion((keys) =>
  keys
    .map((key, place) => ({ place, meaning: meaningOf(key) }))
    .filter(({ meaning }) => Object.values(meaning).some((said) => said !== undefined && said !== false)),
);

const walk = (view: SpanView): Found => {
  const found: Found = { usage: {} as Found['usage'] };
  for (const { place, meaning } of view.ask(MEANINGS)) {
    readKey(found, meaning, view.at(place));
    if (meaning.isUsage) readUsageMap(found, jsonAt(view, place) ?? null);
  }
  return found;
};

const kindOf = (view: SpanView, found: Found, usage: Usage): StepKind => {
  const hasModel = found.requestModel !== undefined || found.responseModel !== undefined;
  if (found.kind !== undefined && found.kind !== 'other')
    return found.kind === 'tool' ? kindOfTool(found.toolName) : found.kind;
  if (hasModel && hasUsage(usage)) return usage.output === undefined && /embed/i.test(view.name) ? 'embedding' : 'llm';
  if (found.toolName !== undefined && !hasModel) return kindOfTool(found.toolName);
  return found.agentName !== undefined && /agent/i.test(view.name) ? 'agent' : 'other';
};

const readCall = (view: SpanView, kind: StepKind, usage: Usage): CallFacts | undefined => {
  if (view.signal === 'log' && !hasUsage(usage)) return undefined;
  return isModelOperation(kind)
    ? leafCall(kind === 'llm' ? 'chat' : 'embeddings', usage, INCLUSIVE, readReportedCost(view))
    : wrapperCall(kind, usage, INCLUSIVE);
};

/** Keys whose name says that they hold what went in or came out. */
const CONTENT = new KeyQuestion((keys) =>
  keys.flatMap((key, place) => {
    const direction = contentDirection(key);
    return direction === 'input' || direction === 'output' ? [{ key, place, direction }] : [];
  }),
);
const NO_CONTENT = [] as const;

const readContent = (
  view: SpanView,
): { readonly content: readonly ContentPart[]; readonly keys: readonly string[] } => {
  const flattened = readFlattened(view);
  const content: ContentPart[] = [...flattened.content];
  const keys: string[] = [...flattened.keys];
  // The same messages flattened are already read; the raw form is kept as it is by the row.
  const raw = flattened.content.length > 0 ? NO_CONTENT : view.ask(CONTENT);
  for (const { key, place, direction } of raw) {
    const value = view.at(place);
    const isTaken = flattened.keys.includes(key);
    if (isTaken || value === undefined || typeof value === 'number' || typeof value === 'boolean') continue;
    content.push(...readMessages(jsonAt(view, place), direction, direction === 'input' ? 'user' : 'assistant'));
    keys.push(key);
  }
  return { content: [...content, ...readSpanEvents(view), ...readLogMessage(view)], keys };
};

const ARGUMENT = /(?:^|[._:])(?:args|arguments|parameters|function_args|input(?:[._]value)?)$/i;
const RESULT = /(?:^|[._:])(?:result|response|output(?:[._]value)?)$/i;

const ARGUMENTS = keysLike((key) => ARGUMENT.test(key));
const RESULTS = keysLike((key) => RESULT.test(key));

const firstOf = (view: SpanView, keys: KeyQuestion<readonly PlacedKey[]>): Json | undefined => {
  for (const { place } of view.ask(keys)) {
    const value = view.at(place);
    if (value !== undefined && value !== '') return jsonAt(view, place);
  }
  return undefined;
};

const SUCCESS = keySet('success');
const ERROR = keySet('error');
const STREAMED = keySet('llm.is_streaming');

const readGeneric = (view: SpanView): StepFacts => {
  const found = walk(view);
  const usage = mergeUsage(readUsage(view), found.usage);
  const stepKind = kindOf(view, found, usage);
  const isTool = stepKind === 'tool' || stepKind === 'delegation';
  const identity = readIdentity(view);
  const { provider, flags } = readProvider(
    view,
    isModelOperation(stepKind) ? (found.responseModel ?? found.requestModel) : undefined,
  );
  const outcome = readOutcome(view);
  const toolResult = isTool ? firstOf(view, RESULTS) : undefined;
  const { content, keys } = readContent(view);
  return {
    stepKind,
    ...identity,
    agentName: identity.agentName ?? found.agentName,
    provider,
    requestModel: found.requestModel,
    responseModel: found.responseModel,
    responseId: found.responseId,
    toolName: isTool ? (found.toolName ?? view.name) : undefined,
    toolCallId: found.toolCallId,
    toolArguments: isTool ? firstOf(view, ARGUMENTS) : undefined,
    toolResult,
    call: readCall(view, stepKind, usage),
    ...outcome,
    isFailed: outcome.isFailed || boolAttr(view, SUCCESS) === false || field(toolResult, 'isError') === true,
    errorMessage: outcome.errorMessage ?? textAttr(view, ERROR),
    attempt: readAttempt(view),
    isStreamed: boolAttr(view, STREAMED),
    flags,
    content,
    contentKeys: keys,
  };
};
