import type { StepKind } from '../../../schemas/step-kinds.ts';
import { field, isObject, type Json } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts } from '../step-facts.ts';
import { familyKeys, readByKeys } from './family.ts';
import { mergeUsage, readUsage } from './usage.ts';
import { type MapUsage, usageOfMap } from './usage-map.ts';
import { hasAttr, jsonAt, keySet, textAttr } from './values.ts';

/**
 * LangSmith SDKs in OTel mode (docs.langchain.com, "Trace with OpenTelemetry").
 *
 * | what | here |
 * |---|---|
 * | kind | `langsmith.span.kind` (run type); it is right where `gen_ai.operation.name` is not (retrievers say embeddings) |
 * | usage | `gen_ai.usage.*`; cached and reasoning tokens only in the JSON `langsmith.usage_metadata`, LangChain's form: `input_tokens` includes its details |
 * | input, output | `gen_ai.prompt`, `gen_ai.completion` of every kind of run; a tool's result is `{"outputs": …}` |
 * | session | `langsmith.metadata.thread_id`, `session_id`, `conversation_id` |
 * | failure | an exception event beside a status OK |
 * | lost spans | a run of kind llm with calls below it may be an agent that took over its first call's facts: the ledger tells by response id whether the call has a span of its own |
 */
export const langsmith: Convention = {
  name: 'langsmith',
  matches: (view) => hasAttr(view, SAID.marker),
  read: (view) => readLangsmith(view),
};

const SAID = {
  marker: keySet('langsmith.span.kind', 'langsmith.traceable', 'langsmith.trace.name'),
  kind: keySet('langsmith.span.kind'),
  details: keySet('langsmith.usage_metadata', 'langsmith.metadata.usage_metadata'),
};

const KEYS = familyKeys({
  requestModel: ['gen_ai.request.model', 'langsmith.metadata.ls_model_name'],
  responseModel: ['gen_ai.response.model'],
  responseId: ['gen_ai.response.id'],
  toolName: ['gen_ai.tool.name', 'langsmith.trace.name'],
  toolCallId: ['gen_ai.tool.call.id', 'langsmith.metadata.tool_call_id'],
  toolArguments: ['gen_ai.prompt', 'langsmith.entity.input', 'input.value'],
  toolResult: ['gen_ai.completion', 'langsmith.entity.output', 'output.value'],
  toolDefinitions: ['gen_ai.tool.definitions'],
  input: ['gen_ai.prompt', 'langsmith.entity.input', 'input.value'],
  output: ['gen_ai.completion', 'langsmith.entity.output', 'output.value'],
  isStreamed: ['langsmith.request.streaming'],
});

/** LangSmith's run types. */
const KIND_OF_RUN: ReadonlyMap<string, StepKind> = new Map([
  ['llm', 'llm'],
  ['embedding', 'embedding'],
  ['tool', 'tool'],
  ['retriever', 'retrieval'],
  ['chain', 'workflow'],
  ['agent', 'agent'],
  ['evaluator', 'eval'],
]);

const readLangsmith = (view: SpanView): StepFacts => {
  const kind = KIND_OF_RUN.get((textAttr(view, SAID.kind) ?? '').toLowerCase()) ?? 'other';
  const details = detailsOf(view);
  const facts = readByKeys(view, KEYS, {
    kind,
    usage: mergeUsage(readUsage(view), details?.usage ?? {}),
    semantics: details?.semantics,
  });
  return { ...facts, toolResult: onlyOutput(facts.toolResult) };
};

/** The first block of usage that holds figures. */
const detailsOf = (view: SpanView): MapUsage | undefined => {
  for (const place of view.ask(SAID.details)) {
    const told = usageOfMap(jsonAt(view, place));
    if (told !== undefined) return told;
  }
  return undefined;
};

/** `{"outputs": …}` is how the SDK wraps a result that is no object itself. */
const onlyOutput = (result: Json | undefined): Json | undefined =>
  isObject(result) && Object.keys(result).length === 1
    ? (field(result, 'outputs') ?? field(result, 'output') ?? result)
    : result;
