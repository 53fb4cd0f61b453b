import type { StepKind } from '../../../schemas/step-kinds.ts';
import type { Json } from '../json.ts';
import { field } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, ContentPart, StepFacts, Usage, UsageSemantics } from '../step-facts.ts';
import { readEvaluations } from './evaluations.ts';
import { readFlattened } from './flattened.ts';
import { readIdentity } from './identity.ts';
import { readLogMessage, readSpanEvents } from './message-events.ts';
import { readMessages, toolContent } from './messages.ts';
import { isModelOperation, kindOfTool } from './operations.ts';
import { readAttempt, readOutcome } from './outcome.ts';
import { readProvider } from './provider.ts';
import { hasUsage, INCLUSIVE, leafCall, provenSemantics, readReportedCost, wrapperCall } from './usage.ts';
import { boolAttr, firstJsonAttr, type Keys, keySet, nameAttr, namesOf, presentKeys, textAttr } from './values.ts';

/** What a family with names of its own may write, each with the keys it uses, the first to be believed first. */
const FIELDS = [
  'requestModel',
  'responseModel',
  'responseId',
  'toolName',
  'toolCallId',
  'toolArguments',
  'toolResult',
  'toolDefinitions',
  'agentName',
  'workflow',
  'input',
  'output',
  'isStreamed',
] as const;
type Field = (typeof FIELDS)[number];

/** The names of a family, asked for once a shape of keys. */
export interface FamilyKeys {
  readonly of: Readonly<Record<Field, Keys>>;
  readonly content: ReturnType<typeof namesOf>;
}

/** Keys by what they hold; a field left out is one the family never writes. Make it once, at the top of a module. */
export const familyKeys = (names: Readonly<Partial<Record<Field, readonly string[]>>>): FamilyKeys => {
  const named = (name: Field): Keys => keySet(...(names[name] ?? []));
  return {
    of: {
      requestModel: named('requestModel'),
      responseModel: named('responseModel'),
      responseId: named('responseId'),
      toolName: named('toolName'),
      toolCallId: named('toolCallId'),
      toolArguments: named('toolArguments'),
      toolResult: named('toolResult'),
      toolDefinitions: named('toolDefinitions'),
      agentName: named('agentName'),
      workflow: named('workflow'),
      input: named('input'),
      output: named('output'),
      isStreamed: named('isStreamed'),
    },
    content: namesOf(...new Set(CONTENT_FIELDS.flatMap((content) => names[content] ?? []))),
  };
};
const CONTENT_FIELDS = ['toolArguments', 'toolResult', 'toolDefinitions', 'input', 'output'] as const;

/** What only the family's own file can say of a step. */
export interface Told {
  readonly kind: StepKind;
  readonly usage: Usage;
  /** OTel's meaning when left out. */
  readonly semantics?: UsageSemantics | undefined;
  readonly operation?: string | undefined;
  /** In place of the cost keys all families share. */
  readonly reportedCostUsd?: string | undefined;
}

/** Reads a step of a family by its table of keys. What is peculiar to the family is laid over the result. */
export const readByKeys = (view: SpanView, keys: FamilyKeys, told: Told): StepFacts => {
  const { of } = keys;
  const toolName = textAttr(view, of.toolName);
  const stepKind = told.kind === 'tool' ? kindOfTool(toolName ?? view.name) : told.kind;
  const isTool = stepKind === 'tool' || stepKind === 'delegation';
  const requestModel = nameAttr(view, of.requestModel);
  const responseModel = nameAttr(view, of.responseModel);
  const { provider, flags } = readProvider(
    view,
    isModelOperation(stepKind) ? (responseModel ?? requestModel) : undefined,
  );
  const toolArguments = isTool ? firstJsonAttr(view, of.toolArguments) : undefined;
  const toolResult = isTool ? firstJsonAttr(view, of.toolResult) : undefined;
  const identity = readIdentity(view);
  const outcome = readOutcome(view);
  const { content, contentKeys } = readContent(view, keys, isTool, toolArguments, toolResult);
  return {
    stepKind,
    ...identity,
    agentName: identity.agentName ?? textAttr(view, of.agentName),
    workflow: identity.workflow ?? textAttr(view, of.workflow),
    provider,
    requestModel,
    responseModel,
    responseId: textAttr(view, of.responseId),
    toolName: isTool ? (toolName ?? view.name) : undefined,
    toolCallId: textAttr(view, of.toolCallId),
    toolArguments,
    toolResult,
    toolDefinition: firstJsonAttr(view, of.toolDefinitions),
    call: callOf(view, stepKind, told),
    ...outcome,
    isFailed: outcome.isFailed || isErrorResult(toolResult),
    attempt: readAttempt(view),
    isStreamed: boolAttr(view, of.isStreamed),
    flags,
    facts: readEvaluations(view),
    content,
    contentKeys,
  };
};

/** A model operation is a call, told or not; anything else only repeats figures of calls below it. */
const callOf = (view: SpanView, kind: StepKind, told: Told): CallFacts | undefined => {
  const { usage, semantics = provenSemantics(view, usage, INCLUSIVE) } = told;
  if (view.signal === 'log' && !hasUsage(usage)) return undefined;
  const operation = told.operation ?? (kind === 'llm' ? 'chat' : kind === 'embedding' ? 'embeddings' : kind);
  return isModelOperation(kind)
    ? leafCall(operation, usage, semantics, told.reportedCostUsd ?? readReportedCost(view))
    : wrapperCall(operation, usage, semantics);
};

/** An MCP result, or one in its form, that says itself that it is an error. */
export const isErrorResult = (result: Json | undefined): boolean =>
  field(result, 'isError') === true || field(result, 'is_error') === true;

const readContent = (
  view: SpanView,
  keys: FamilyKeys,
  isTool: boolean,
  toolArguments: Json | undefined,
  toolResult: Json | undefined,
): { readonly content: readonly ContentPart[]; readonly contentKeys: readonly string[] } => {
  const events = [...readSpanEvents(view), ...readLogMessage(view)];
  if (isTool) {
    return {
      content: [...toolContent(toolArguments, toolResult), ...events],
      contentKeys: presentKeys(view, keys.content),
    };
  }
  const flattened = readFlattened(view);
  // The raw form of messages that are flattened already is kept by the row as it stands.
  if (flattened.content.length > 0) {
    return { content: [...flattened.content, ...events], contentKeys: flattened.keys };
  }
  return {
    content: [
      ...readMessages(firstJsonAttr(view, keys.of.input), 'input', 'user'),
      ...readMessages(firstJsonAttr(view, keys.of.output), 'output', 'assistant'),
      ...events,
    ],
    contentKeys: presentKeys(view, keys.content),
  };
};
