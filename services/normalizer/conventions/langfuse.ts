import type { StepKind } from '../../../schemas/step-kinds.ts';
import { field, isObject, type Json, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts } from '../step-facts.ts';
import { familyKeys, readByKeys } from './family.ts';
import { AGENT_INTEGRATION, isAgentGraph } from './langchain.ts';
import { costText, INCLUSIVE, readUsage } from './usage.ts';
import { DISJOINT, usageOfMap } from './usage-map.ts';
import { hasAttr, jsonAttr, keySet, textAttr } from './values.ts';

/**
 * Langfuse SDKs of the OTel generation (JavaScript v4 and later, Python v3 and later; scope `langfuse-sdk`) and
 * applications that set `langfuse.*` themselves (langfuse.com, OpenTelemetry property mapping).
 *
 * | what | here |
 * |---|---|
 * | kind | `langfuse.observation.type`; `event` and `span` are nothing by themselves |
 * | model | `langfuse.observation.model.name`: the one that answered once it is known |
 * | usage | JSON map `langfuse.observation.usage_details` of disjoint buckets: `input` without what came from the cache, `output` without reasoning, `total` their sum; any name that begins `input_` or `output_` is a detail |
 * | cost | JSON map `langfuse.observation.cost_details`; 0 means that the price is not known |
 * | failure | `langfuse.observation.level` = ERROR; the status of the span often stays unset |
 * | tool | name of the span; observation input and output |
 * | agent | name of a span of type agent |
 */
export const langfuse: Convention = {
  name: 'langfuse',
  matches: (view) => view.scope.name === 'langfuse-sdk' || hasAttr(view, SAID.type),
  read: (view) => readLangfuse(view),
};

const SAID = {
  type: keySet('langfuse.observation.type', 'langfuse.observation.usage_details', 'langfuse.observation.model.name'),
  level: keySet('langfuse.observation.level'),
  statusMessage: keySet('langfuse.observation.status_message'),
  integration: keySet('langfuse.observation.metadata.ls_integration'),
  node: keySet('langfuse.observation.metadata.langgraph_node'),
  input: keySet('langfuse.observation.input'),
  model: keySet('langfuse.observation.model.name'),
};

const KEYS = familyKeys({
  responseModel: ['langfuse.observation.model.name', 'gen_ai.response.model'],
  requestModel: ['gen_ai.request.model', 'langfuse.observation.metadata.ls_model_name'],
  responseId: ['gen_ai.response.id'],
  toolCallId: ['langfuse.observation.metadata.tool_call_id', 'langfuse.observation.metadata.toolCallId'],
  toolArguments: ['langfuse.observation.input'],
  toolResult: ['langfuse.observation.output'],
  workflow: ['langfuse.trace.name'],
  input: [
    'langfuse.observation.input',
    'langfuse.trace.input',
    'gen_ai.input.messages',
    'gen_ai.prompt',
    'input.value',
  ],
  output: [
    'langfuse.observation.output',
    'langfuse.trace.output',
    'gen_ai.output.messages',
    'gen_ai.completion',
    'output.value',
  ],
});

/** Observation types of Langfuse's API, and what they are here. */
const KIND_OF_TYPE: ReadonlyMap<string, StepKind> = new Map([
  ['generation', 'llm'],
  ['embedding', 'embedding'],
  ['agent', 'agent'],
  ['tool', 'tool'],
  ['chain', 'workflow'],
  ['retriever', 'retrieval'],
  ['evaluator', 'eval'],
  ['guardrail', 'guardrail'],
]);
const EMBEDDING_MODEL = /embed/i;

const kindOf = (view: SpanView): StepKind => {
  const type = (textAttr(view, SAID.type) ?? '').toLowerCase();
  const kind = KIND_OF_TYPE.get(type);
  // Wrapped OpenAI clients call every request a generation.
  if (kind === 'llm' && EMBEDDING_MODEL.test(textAttr(view, SAID.model) ?? '')) return 'embedding';
  return kind ?? (isLangChainAgent(view) ? 'agent' : 'other');
};

/** The LangChain handler makes the graph of an agent a mere span; what it was given are messages. */
const isLangChainAgent = (view: SpanView): boolean =>
  textAttr(view, SAID.integration) === AGENT_INTEGRATION &&
  isAgentGraph(view.name, textAttr(view, SAID.node)) &&
  textAttr(view, SAID.input)?.startsWith('{"messages"') === true;

const readLangfuse = (view: SpanView): StepFacts => {
  const kind = kindOf(view);
  const map = jsonAttr(view, 'langfuse.observation.usage_details');
  const told = usageOfMap(map);
  const facts = readByKeys(view, KEYS, {
    kind,
    // An application that sets the type of an observation may tell the rest in OTel's names.
    usage: told?.usage ?? readUsage(view),
    // The handlers make the buckets disjoint; a map in a provider's own form keeps that form.
    semantics: told === undefined ? INCLUSIVE : (told.semantics ?? (isNative(map) ? INCLUSIVE : DISJOINT)),
    reportedCostUsd: costOf(jsonAttr(view, 'langfuse.observation.cost_details')),
  });
  const isError = textAttr(view, SAID.level) === 'ERROR';
  const message = textAttr(view, SAID.statusMessage);
  return {
    ...facts,
    agentName: facts.agentName ?? (kind === 'agent' ? view.name : undefined),
    isFailed: facts.isFailed === true || isError,
    errorMessage: facts.errorMessage ?? (isError ? message : undefined),
  };
};

/** OpenAI's own form, which Langfuse takes as well: `prompt_tokens` contains its details. */
const isNative = (map: Json | undefined): boolean => {
  const usage = map === undefined ? null : unwrap(map);
  return field(usage, 'prompt_tokens') !== undefined || field(usage, 'input_tokens_details') !== undefined;
};

const costOf = (map: Json | undefined): string | undefined => {
  const costs = map === undefined ? null : unwrap(map);
  if (!isObject(costs)) return undefined;
  const total = field(costs, 'total');
  if (typeof total === 'number') return costText(total);
  const parts = Object.values(costs).filter((cost) => typeof cost === 'number');
  return costText(parts.reduce((sum, cost) => sum + cost, 0));
};
