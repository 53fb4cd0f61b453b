import type { StepKind } from '../../../schemas/step-kinds.ts';
import { field, isObject, type Json, textOf, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, ContentPart, Convention, StepFacts } from '../step-facts.ts';
import { familyKeys, readByKeys } from './family.ts';
import { readFlattened } from './flattened.ts';
import { isLocalCount } from './local-count.ts';
import { KIND_OF_OPERATION } from './operations.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { hasUsage, readUsage } from './usage.ts';
import { usageOfAnswer } from './usage-map.ts';
import { boolAttr, hasAttr, jsonAttr, keySet, textAttr } from './values.ts';

/**
 * OpenLLMetry (traceloop/openllmetry and openllmetry-js) and SDKs built on its instrumentations.
 *
 * | what | here |
 * |---|---|
 * | calls to models | scope `…instrumentation-<provider>` / `opentelemetry.instrumentation.<provider>`, OTel's names. Before 0.27 `gen_ai.prompt.N.*`, `gen_ai.completion.N.*`, `llm.usage.*`, `llm.request.type` |
 * | input_tokens | OpenAI, Gemini: includes cache. Anthropic, Bedrock: leaves cached tokens out, also through LangChain |
 * | streamed OpenAI chat | figures of a local tokenizer; nothing says so |
 * | workflows, agents, tools, tasks | `traceloop.span.kind`, named in `traceloop.entity.name`; input and output in `traceloop.entity.*` |
 * | LangChain's tools | kind `task`, operation `execute_tool`; the class of the tool stands where its name belongs |
 * | MCP | `<tool>.tool` and `<method>.mcp` |
 * | retrieval | `<vendor>.query` with events `db.query.result` |
 * | session, user | `traceloop.association.properties.*`, names of the application's choice |
 */
export const openllmetry: Convention = {
  name: 'openllmetry',
  matches: (view) => isTraceloop(view.scope.name) || hasAttr(view, SAID.marker),
  read: (view) => (hasAttr(view, SAID.kind) ? readEntity(view) : readInstrumented(view)),
};

const isTraceloop = (scope: string): boolean => scope.startsWith('@traceloop/') || scope === 'traceloop.tracer';

const SAID = {
  marker: keySet('traceloop.span.kind', 'traceloop.entity.name', 'traceloop.entity.output', 'llm.request.type'),
  kind: keySet('traceloop.span.kind'),
  operation: keySet('gen_ai.operation.name'),
  requestType: keySet('llm.request.type'),
  entity: keySet('traceloop.entity.name'),
  isStreamed: keySet('llm.is_streaming', 'gen_ai.is_streaming', 'gen_ai.request.stream'),
};

const KEYS = familyKeys({
  requestModel: ['gen_ai.request.model'],
  responseModel: ['gen_ai.response.model'],
  responseId: ['gen_ai.response.id'],
  toolName: ['gen_ai.tool.name', 'traceloop.entity.name'],
  toolCallId: ['gen_ai.tool.call.id'],
  toolArguments: ['traceloop.entity.input', 'gen_ai.tool.call.arguments'],
  toolResult: ['traceloop.entity.output', 'gen_ai.tool.call.result'],
  input: ['traceloop.entity.input', 'gen_ai.input.messages'],
  output: ['traceloop.entity.output', 'gen_ai.output.messages'],
});

/** `traceloop.span.kind`. `session` is a connection to an MCP server, `unknown` is what it says. */
const KIND_OF_ENTITY: ReadonlyMap<string, StepKind> = new Map([
  ['workflow', 'workflow'],
  ['task', 'workflow'],
  ['agent', 'agent'],
  ['tool', 'tool'],
]);
/** `llm.request.type`, from before there was an operation name. */
const OPERATION_OF_TYPE: ReadonlyMap<string, string> = new Map([
  ['chat', 'chat'],
  ['completion', 'text_completion'],
  ['embedding', 'embeddings'],
  ['rerank', 'rerank'],
]);

/** LiteLLM names a call by its own function, `a…` where that is asynchronous. */
const OPERATION_OF_FUNCTION: ReadonlyMap<string, string> = new Map([
  ['acompletion', 'chat'],
  ['atext_completion', 'text_completion'],
  ['responses', 'chat'],
  ['aresponses', 'chat'],
  ['anthropic_messages', 'chat'],
  ['agenerate_content', 'generate_content'],
  ['aembedding', 'embeddings'],
  ['arerank', 'rerank'],
]);

// ------------------------------------------------------- workflows, agents, tools

const readEntity = (view: SpanView): StepFacts => {
  const kind = kindOfEntity(view);
  const facts = readByKeys(view, KEYS, { kind, usage: readUsage(view) });
  const entity = textAttr(view, SAID.entity);
  const message = langChainMessage(facts.toolResult);
  return {
    ...facts,
    agentName: facts.agentName ?? (kind === 'agent' ? entity : undefined),
    workflow: facts.workflow ?? (kind === 'workflow' ? entity : undefined),
    toolName: textOf(field(message, 'name')) ?? (isClassOfTool(view, kind) ? undefined : facts.toolName),
    toolCallId: facts.toolCallId ?? textOf(field(message, 'tool_call_id')),
    toolArguments: argumentsOf(facts.toolArguments),
  };
};

/** LangChain's instrumentation puts the class of a tool where its name belongs; only its answer may tell the name. */
const isClassOfTool = (view: SpanView, kind: StepKind): boolean =>
  kind === 'tool' && textAttr(view, SAID.kind) === 'task';

const kindOfEntity = (view: SpanView): StepKind => {
  const byOperation = KIND_OF_OPERATION.get(textAttr(view, SAID.operation) ?? '');
  return byOperation ?? KIND_OF_ENTITY.get(textAttr(view, SAID.kind) ?? '') ?? 'other';
};

/** What a function was called with: decorators tell `args` and `kwargs`, MCP `arguments`, LangChain one text in `args`. */
const argumentsOf = (input: Json | undefined): Json | undefined => {
  const named = field(input, 'kwargs');
  if (isObject(named) && Object.keys(named).length > 0) return named;
  const listed = field(input, 'args');
  if (Array.isArray(listed)) return listed.length === 1 ? unwrap(listed[0] ?? null) : listed;
  return field(input, 'arguments') ?? input;
};

/** A serialised message of LangChain: its fields. */
const langChainMessage = (result: Json | undefined): Json | undefined =>
  field(result, 'lc') === undefined ? undefined : field(result, 'kwargs');

// ---------------------------------------------------------------- calls to models

const readInstrumented = (view: SpanView): StepFacts => {
  const type = textAttr(view, SAID.requestType);
  const said = textAttr(view, SAID.operation) ?? type;
  const operation = said === undefined ? undefined : (OPERATION_OF_FUNCTION.get(said) ?? operationSaid(view, type));
  const facts = readGenAi(view, { operation });
  const flattened = readFlattened(view);
  const content = [...(facts.content ?? []), ...flattened.content];
  return {
    ...facts,
    // LiteLLM's own callback writes the same keys.
    family: view.scope.name === 'litellm' ? 'litellm' : undefined,
    stepKind: kindOfCall(view, facts.stepKind),
    call: callOf(view, facts.call, flattened.content.length > 0 ? flattened.content : content),
    isStreamed: facts.isStreamed ?? boolAttr(view, SAID.isStreamed),
    content,
    contentKeys: [...(facts.contentKeys ?? []), ...flattened.keys],
  };
};

const operationSaid = (view: SpanView, type: string | undefined): string | undefined =>
  textAttr(view, SAID.operation) ?? (type === undefined ? undefined : OPERATION_OF_TYPE.get(type));

/** Vector stores tell their results as events, MCP its methods in the name of the span. */
const kindOfCall = (view: SpanView, kind: StepKind): StepKind => {
  if (kind !== 'other') return kind;
  const isRetrieval =
    view.name === 'resources/read.mcp' || view.events().some((event) => event.name === 'db.query.result');
  return isRetrieval ? 'retrieval' : kind;
};

/** The instrumentations for JavaScript pass on what Anthropic's API and Bedrock report; those for Python add it up. */
const EXCLUSIVE_SCOPE = /^@traceloop\/instrumentation-(?:anthropic|bedrock)$/;
const LOCALLY_COUNTING_SCOPE = /instrumentation[-.](?:openai|together|groq)\b/;

const callOf = (
  view: SpanView,
  call: CallFacts | undefined,
  content: readonly ContentPart[],
): CallFacts | undefined => {
  if (call === undefined) return undefined;
  if (!hasUsage(call.usage)) return withAnswer(view, call);
  const scope = view.scope.name;
  if (EXCLUSIVE_SCOPE.test(scope)) return { ...call, semantics: { ...call.semantics, inputIncludesCache: false } };
  const isLocal = LOCALLY_COUNTING_SCOPE.test(scope) && isLocalCount(content, call.usage);
  return isLocal ? { ...call, isEstimated: true } : call;
};

/** Where the instrumentation keeps the bodies alone (SageMaker), the answer's own usage is all there is. */
const withAnswer = (view: SpanView, call: CallFacts): CallFacts => {
  const told = usageOfAnswer(jsonAttr(view, 'traceloop.entity.output'));
  return told === undefined ? call : { ...call, usage: told.usage, semantics: told.semantics ?? call.semantics };
};
