import type { StepKind } from '../../../schemas/step-kinds.ts';
import { field, textOf } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts } from '../step-facts.ts';
import { familyKeys, readByKeys } from './family.ts';
import { SESSION_NAMES, USER_NAMES } from './identity.ts';
import { isTokenCounter } from './key-meanings.ts';
import { AGENT_INTEGRATION, isAgentGraph } from './langchain.ts';
import { readUsage } from './usage.ts';
import { asText, hasAttr, jsonAttr, keySet, textAttr } from './values.ts';

/**
 * OpenInference (Arize-ai/openinference, spec/semantic_conventions.md): the instrumentors of Arize Phoenix, and other
 * SDKs' spans rewritten to it.
 *
 * | what | here |
 * |---|---|
 * | kind | `openinference.span.kind`; LangGraph's agents are CHAIN, named as `metadata.lc_agent_name` says |
 * | model | `llm.model_name`: of many instrumentors the one asked for. `llm.request.model_name`, `llm.response.model_name` where told |
 * | usage | `llm.token_count.*`: prompt includes cache, completion includes reasoning. Only LLM and EMBEDDING spans are calls; Envoy's kind TOKEN_COUNTER asks what a request would cost |
 * | messages | flattened lists `llm.input_messages.N.message.*`; `input.value` and `output.value` repeat them |
 * | tool | `tool.name`, `input.value`, `output.value` |
 * | hand-off | TOOL named `handoff to X` (OpenAI Agents) |
 * | session, user | `session.id`, `user.id`; `metadata` is JSON, or `metadata.<name>` |
 * | failure | an exception event. Of the AI SDK's spans the status alone proves nothing: the processor that rewrites them carries the first error of a trace on to every span that ends later |
 */
export const openinference: Convention = {
  name: 'openinference',
  matches: (view) => hasAttr(view, SAID.kind),
  read: (view) => readOpenInference(view),
};

const SAID = {
  kind: keySet('openinference.span.kind'),
  rewritten: keySet('ai.operationId'),
  node: keySet('graph.node.id', 'ai.telemetry.functionId'),
};

const KEYS = familyKeys({
  requestModel: [
    'llm.request.model_name',
    'gen_ai.request.model',
    'ai.model.id',
    'llm.model_name',
    'embedding.model_name',
    'reranker.model_name',
  ],
  responseModel: ['llm.response.model_name', 'gen_ai.response.model', 'ai.response.model'],
  responseId: ['llm.response.id', 'gen_ai.response.id', 'ai.response.id'],
  toolName: ['tool.name', 'tool_call.function.name'],
  toolCallId: ['tool_call.id', 'tool.id', 'ai.toolCall.id'],
  toolArguments: ['input.value', 'tool_call.function.arguments', 'tool.parameters'],
  toolResult: ['output.value'],
  agentName: ['agent.name', 'ai.telemetry.functionId'],
  input: ['input.value', 'llm.prompts', 'embedding.text'],
  output: ['output.value'],
  isStreamed: ['llm.is_streaming'],
});

/** The values of `openinference.span.kind` (spec/semantic_conventions.md). */
const KIND_OF_WORD: ReadonlyMap<string, StepKind> = new Map([
  ['LLM', 'llm'],
  ['EMBEDDING', 'embedding'],
  ['CHAIN', 'workflow'],
  ['RETRIEVER', 'retrieval'],
  ['RERANKER', 'retrieval'],
  ['TOOL', 'tool'],
  ['AGENT', 'agent'],
  ['GUARDRAIL', 'guardrail'],
  ['EVALUATOR', 'eval'],
]);

/** The metadata of a node is long, and different on each: it is opened only for the graph of an agent. */
const isLangChainAgent = (view: SpanView): boolean => {
  const metadata = asText(view.attr('metadata'));
  return (
    metadata?.includes(`"ls_integration":"${AGENT_INTEGRATION}"`) === true &&
    isAgentGraph(view.name, textOf(field(jsonAttr(view, 'metadata'), 'langgraph_node')))
  );
};

const kindOf = (view: SpanView): StepKind => {
  const kind = KIND_OF_WORD.get((textAttr(view, SAID.kind) ?? '').toUpperCase()) ?? 'other';
  return kind === 'workflow' && isLangChainAgent(view) ? 'agent' : kind;
};

const readOpenInference = (view: SpanView): StepFacts => {
  const kind = kindOf(view);
  const usage = isTokenCounter(textAttr(view, SAID.kind)) ? NO_USAGE : readUsage(view);
  const facts = withPassedOn(view, readByKeys(view, KEYS, { kind, usage }));
  const agentName = facts.agentName ?? (kind === 'agent' ? (textAttr(view, SAID.node) ?? view.name) : undefined);
  const read = { ...facts, agentName, ...sessionOf(view, facts) };
  if (!hasAttr(view, SAID.rewritten) || hasException(view)) return read;
  return view.statusCode === ERROR
    ? {
        ...read,
        isFailed: false,
        errorType: undefined,
        errorMessage: undefined,
        flags: [...(read.flags ?? []), 'status_disbelieved'],
      }
    : read;
};
const ERROR = 2;

/** Instrumentors that pass on what the SDK below them holds: of Anthropic's API an input without what came from the cache. */
const PASSING_ON: ReadonlySet<string> = new Set(['openinference.instrumentation.agno']);
const withPassedOn = (view: SpanView, facts: StepFacts): StepFacts =>
  facts.call === undefined || facts.provider !== 'anthropic' || !PASSING_ON.has(view.scope.name)
    ? facts
    : { ...facts, call: { ...facts.call, semantics: { ...facts.call.semantics, inputIncludesCache: false } } };
const NO_USAGE = {};

const hasException = (view: SpanView): boolean => view.events().some((event) => event.name === 'exception');

/** What an application put into `metadata`, where the instrumentor did not make it attributes. */
const sessionOf = (view: SpanView, facts: StepFacts): Partial<StepFacts> => {
  if (facts.sessionId !== undefined && facts.userId !== undefined) return NOTHING;
  const metadata = jsonAttr(view, 'metadata');
  if (metadata === undefined) return NOTHING;
  const said = (names: readonly string[]) => names.map((name) => textOf(field(metadata, name))).find(isTold);
  return {
    sessionId: facts.sessionId ?? said(SESSION_NAMES),
    userId: facts.userId ?? said(USER_NAMES),
  };
};
const NOTHING: Partial<StepFacts> = {};
const isTold = (text: string | undefined): boolean => text !== undefined && text !== '';
