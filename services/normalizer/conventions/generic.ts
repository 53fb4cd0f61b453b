import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import type { StepKind } from '../../../schemas/step-kinds.ts';
import { contentDirection } from '../content-keys.ts';
import type { Json } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, ContentPart, Convention, StepFacts, Usage, UsageSemantics } from '../step-facts.ts';
import { readEvaluations } from './evaluations.ts';
import { isErrorResult } from './family.ts';
import { readFlattened } from './flattened.ts';
import { readIdentity } from './identity.ts';
import { isTokenCounter, type KeyMeaning, kindOfWord, meaningOf } from './key-meanings.ts';
import { readLogMessage, readSpanEvents } from './message-events.ts';
import { readMessages } from './messages.ts';
import { isModelOperation, kindOfTool } from './operations.ts';
import { endedInError, type OutcomeFacts, readAttempt, readOutcome } from './outcome.ts';
import { readProvider } from './provider.ts';
import { kindInJson, modelInJson } from './told-in-json.ts';
import {
  hasUsage,
  INCLUSIVE,
  leafCall,
  mergeUsage,
  provenSemantics,
  readReportedCost,
  readUsage,
  toldUsage,
  wrapperCall,
} from './usage.ts';
import { type MapUsage, usageOfAnswer, usageOfMap } from './usage-map.ts';
import { asCount, asText, boolAttr, jsonAt, keySet, keysLike, nameTold, type PlacedKey, textAttr } from './values.ts';

/**
 * The last one: an emitter nobody wrote a file for. Keeps everything and recognises model calls, tools and agents by
 * how keys are built, not by who built them: a word for the kind of span, a model, token counts, a tool's name.
 * Token semantics are unknown: taken as OTel's, unless the figures themselves prove otherwise.
 */
export const generic: Convention = { name: 'generic', matches: () => true, read: (view) => readGeneric(view) };

/** Facts found by walking over the keys once. */
interface Found {
  semantics?: UsageSemantics;
  kind?: StepKind | undefined;
  requestModel?: string;
  responseModel?: string;
  responseId?: string;
  toolName?: string;
  toolCallId?: string;
  agentName?: string;
  /** Tells figures that are no call's: of a request that only counted, of a record that repeats. */
  isNoCall?: boolean;
  usage: { -readonly [K in keyof Usage]: number };
}

const readKey = (found: Found, { bucket, isKind, text }: KeyMeaning, said: unknown): void => {
  const value = unquoted(said);
  if (bucket !== undefined) {
    const count = typeof value === 'number' || typeof value === 'string' ? asCount(value) : undefined;
    if (count !== undefined) {
      found.usage[bucket] ??= count;
      return;
    }
  }
  if (typeof value !== 'string' || value === '') return;
  if (isKind) readKind(found, value);
  if (text === undefined) return;
  const name = MODELS.has(text) ? nameTold(value) : value;
  if (name !== undefined) found[text] ??= name;
};

const readKind = (found: Found, word: string): void => {
  const kind = kindOfWord(word);
  if (kind !== undefined) found.kind ??= kind;
  if (isTokenCounter(word)) found.isNoCall = true;
};

const MODELS: ReadonlySet<KeyMeaning['text']> = new Set(['requestModel', 'responseModel']);

/** Some SDKs write every value as JSON, texts too (MLflow): `"CHAT_MODEL"`. */
const unquoted = (value: unknown): unknown =>
  typeof value === 'string' && QUOTED.test(value) ? value.slice(1, -1) : value;
const QUOTED = /^"[^"\\]{1,512}"$/;

/** A block may prove what its figures mean; the first that does speaks for the span. */
const readUsageMap = (found: Found, value: Json | undefined): void => {
  const told = usageOfMap(value);
  if (told === undefined) return;
  if (told.semantics !== undefined) found.semantics ??= told.semantics;
  for (const bucket of Object.keys(told.usage) as (keyof Usage)[]) {
    const count = told.usage[bucket];
    if (count !== undefined) found.usage[bucket] ??= count;
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
    if (meaning.isUsage) readUsageMap(found, jsonAt(view, place));
  }
  found.kind ??= kindInJson(view);
  return found;
};

const kindOf = (view: SpanView, found: Found, usage: Usage, isFailed: boolean): StepKind => {
  if (found.isNoCall === true) return 'other';
  if (found.kind !== undefined && found.kind !== 'other')
    return found.kind === 'tool' ? kindOfTool(found.toolName) : found.kind;
  const hasModel = found.requestModel !== undefined || found.responseModel !== undefined;
  if (found.agentName !== undefined && AGENT_RUN.test(view.name)) return 'agent';
  if (hasModel) return kindOfModelStep(view, usage, isFailed || hasAnswer(view, found));
  if (found.toolName !== undefined) return kindOfTool(found.toolName);
  return found.agentName !== undefined && /agent/i.test(view.name) ? 'agent' : 'other';
};
/** A run of an agent may name its model and tell the sum of its calls. */
const AGENT_RUN = /\bagent[ _.-]?runs?\b|\bruns?[ _.-]?agent\b|\binvoke[ _.-]?agent\b/i;

/** Which model answered, and what: a call, though nobody tells its usage. */
const hasAnswer = (view: SpanView, found: Found): boolean =>
  found.responseModel !== undefined && view.ask(ANSWERS).length > 0;
const ANSWERS = keysLike((key) => /(?:^|[._])(?:completions?|choices|output_messages)\.\d+\./.test(key));

/** A model that answered is a call; so is one that was asked and failed, for nobody can tell usage of that. */
const kindOfModelStep = (view: SpanView, usage: Usage, isToldOtherwise: boolean): StepKind => {
  if (hasUsage(usage)) return usage.output === undefined && /embed/i.test(view.name) ? 'embedding' : 'llm';
  return isToldOtherwise && view.signal === 'span' ? 'llm' : 'other';
};

/** The provider's own answer kept as content, with its usage inside: believed where it is of the same call. */
const blockIn = (view: SpanView, said: Usage): MapUsage | undefined => {
  for (const { place, direction } of view.ask(CONTENT)) {
    const told = direction === 'output' ? usageOfAnswer(jsonAt(view, place)) : undefined;
    if (told !== undefined && (said.input === undefined || said.input === told.usage.input)) return told;
  }
  return undefined;
};

const readCall = (
  view: SpanView,
  kind: StepKind,
  usage: Usage,
  told: UsageSemantics | undefined,
): CallFacts | undefined => {
  if (view.signal === 'log' && !hasUsage(usage)) return undefined;
  const semantics = told ?? provenSemantics(view, usage, INCLUSIVE);
  return isModelOperation(kind)
    ? leafCall(kind === 'llm' ? 'chat' : 'embeddings', usage, semantics, readReportedCost(view))
    : wrapperCall(kind, usage, semantics);
};

/** Keys whose name says that they hold what went in or came out. */
const CONTENT = new KeyQuestion((keys) =>
  keys.flatMap((key, place) => {
    const direction = contentDirection(key) ?? SPAN_CONTENT.get(key);
    return direction === 'input' || direction === 'output' ? [{ key, place, direction }] : [];
  }),
);
/** MLflow's names, which end in no word of their own. */
const SPAN_CONTENT: ReadonlyMap<string, 'input' | 'output'> = new Map([
  ['mlflow.spanInputs', 'input'],
  ['mlflow.spanOutputs', 'output'],
]);
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

const ARGUMENT = /(?:^|[._:])(?:args|arguments|parameters|function_args|input(?:[._]value)?|spanInputs)$/i;
const RESULT = /(?:^|[._:])(?:result|response|output(?:[._]value)?|spanOutputs)$/i;

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
/** A level of severity on a span, and a message that goes with it. */
const LEVEL = keysLike((key) => /(?:^|[._:])(?:level|severity)$/i.test(key));
const MESSAGE = keysLike((key) => /(?:^|[._:])(?:status|error)[._]?message$/i.test(key));

const failureOf = (
  view: SpanView,
  outcome: OutcomeFacts,
  call: CallFacts | undefined,
  toolResult: Json | undefined,
) => {
  const isMarked = view.ask(LEVEL).some(({ place }) => view.at(place) === 'ERROR');
  const isFailed =
    outcome.isFailed ||
    isMarked ||
    boolAttr(view, SUCCESS) === false ||
    isErrorResult(toolResult) ||
    (call?.role === 'leaf' && (endedInError(view) || isComplaint(view, call)));
  const message = () => asText(firstOf(view, MESSAGE) ?? null);
  return {
    isFailed,
    errorMessage: outcome.errorMessage ?? textAttr(view, ERROR) ?? (isFailed ? message() : undefined),
  };
};

/** A call that told no tokens and has a message to its status says why there are none. */
const isComplaint = (view: SpanView, call: CallFacts): boolean =>
  !hasUsage(call.usage) && firstOf(view, MESSAGE) !== undefined;

/** A log record made a span (Qwen Code, for backends that take no logs): like any record, it may repeat what a span tells. */
const BRIDGED = keySet('log.bridge');

const STREAMED = keySet('llm.is_streaming');

/**
 * Told an answer's tokens, and of failure nothing but the status: some processors carry the first error of a trace on
 * to spans that went well.
 */
const answered = (view: SpanView, call: CallFacts | undefined, outcome: OutcomeFacts): boolean =>
  view.statusCode === STATUS_ERROR &&
  call?.role === 'leaf' &&
  (call.usage.output ?? 0) > 0 &&
  outcome.errorType === undefined &&
  !view.events().some((event) => event.name === 'exception') &&
  !endedInError(view);
const STATUS_ERROR = 2;
const NO_FAILURE = { isFailed: false, errorType: undefined, errorMessage: undefined };

const modelAskedFor = (view: SpanView, found: Found, stepKind: StepKind): string | undefined =>
  found.requestModel ??
  (isModelOperation(stepKind) && found.responseModel === undefined ? modelInJson(view) : undefined);

const readGeneric = (view: SpanView): StepFacts => {
  const found = walk(view);
  if (boolAttr(view, BRIDGED)) found.isNoCall = true;
  const outcome = readOutcome(view);
  const said = toldUsage(mergeUsage(readUsage(view), found.usage));
  const stepKind = kindOf(view, found, said, outcome.isFailed);
  const block = isModelOperation(stepKind) ? blockIn(view, said) : undefined;
  const usage = block === undefined ? said : mergeUsage(said, block.usage);
  const isTool = stepKind === 'tool' || stepKind === 'delegation';
  const identity = readIdentity(view);
  const requestModel = modelAskedFor(view, found, stepKind);
  const { provider, flags } = readProvider(
    view,
    isModelOperation(stepKind) ? (found.responseModel ?? requestModel) : undefined,
  );
  const toolResult = isTool ? firstOf(view, RESULTS) : undefined;
  const { content, keys } = readContent(view);
  const call = found.isNoCall ? undefined : readCall(view, stepKind, usage, found.semantics ?? block?.semantics);
  const isAnswered = answered(view, call, outcome);
  const failure = isAnswered ? NO_FAILURE : failureOf(view, outcome, call, toolResult);
  return {
    stepKind,
    ...identity,
    agentName: identity.agentName ?? found.agentName,
    provider,
    requestModel,
    responseModel: found.responseModel,
    responseId: found.responseId,
    toolName: isTool ? (found.toolName ?? view.name) : undefined,
    toolCallId: found.toolCallId,
    toolArguments: isTool ? firstOf(view, ARGUMENTS) : undefined,
    toolResult,
    call,
    ...outcome,
    ...failure,
    attempt: readAttempt(view),
    isStreamed: boolAttr(view, STREAMED),
    flags: isAnswered ? [...flags, 'status_disbelieved'] : flags,
    facts: readEvaluations(view),
    content,
    contentKeys: keys,
  };
};
