import type { StepKind } from '../../../schemas/step-kinds.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, Convention, StepFacts } from '../step-facts.ts';
import { readMessages } from './messages.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { hasUsage, INCLUSIVE, leafCall, readReportedCost, readUsage } from './usage.ts';
import { firstJsonAttr, hasAttr, keySet, namesOf, presentKeys, textAttr } from './values.ts';

/**
 * Mastra (`@mastra/otel-exporter`, `@mastra/otel-bridge`; mastra.ai, observability: span types). Follows OTel's names;
 * differs in:
 *
 * | what | here |
 * |---|---|
 * | kind | `mastra.span.type` |
 * | model_generation | all steps of an agent's answer. The bridge puts the sum of their usage here, and the response id of the last |
 * | model_inference | one call. The exporter puts its usage here; the bridge none: then the generation around them tells their sum |
 * | model_step, model_chunk | plumbing; `mastra.metadata.body` repeats the provider's answer, usage included, and is not read |
 * | usage | input includes cache, output includes reasoning |
 * | failure of a call | finish reason `error` beside a status OK |
 * | session | `gen_ai.conversation.id`; a sub-agent's is `<parent>-<uuid>` |
 */
export const mastra: Convention = {
  name: 'mastra',
  matches: (view) => hasAttr(view, SAID.type),
  read: (view) => readMastra(view),
};

const SAID = {
  type: keySet('mastra.span.type'),
  model: keySet('gen_ai.request.model'),
};

/** `mastra.span.type`, and what it is here; what is left out is plumbing. */
const KIND_OF_TYPE: ReadonlyMap<string, StepKind> = new Map([
  ['agent_run', 'agent'],
  ['model_generation', 'llm'],
  ['llm_generation', 'llm'], // before 1.0
  ['model_inference', 'llm'],
  ['model_step', 'workflow'],
  ['tool_call', 'tool'],
  ['client_tool_call', 'tool'],
  ['provider_tool_call', 'tool'],
  ['mcp_tool_call', 'tool'],
  ['workflow_run', 'workflow'],
  ['workflow_step', 'workflow'],
  ['workflow_conditional', 'workflow'],
  ['workflow_parallel', 'workflow'],
  ['workflow_loop', 'workflow'],
  ['rag_embedding', 'embedding'],
  ['rag_vector_operation', 'retrieval'],
  ['scorer_run', 'eval'],
]);

/** Types whose input and output are messages nobody else tells: a generation repeats its steps, chunks are pieces of one. */
const TALKING = ['agent_run', 'model_step', 'model_inference', 'workflow_run', 'workflow_step'];
const INPUTS = TALKING.map((type) => `mastra.${type}.input`);
const OUTPUTS = TALKING.map((type) => `mastra.${type}.output`);
const INPUT = keySet(...INPUTS);
const OUTPUT = keySet(...OUTPUTS);
const CONTENT = namesOf(...INPUTS, ...OUTPUTS);

/** The official operation of a kind, so that the official reader takes the span for what Mastra says it is. */
const OPERATION_OF_KIND: ReadonlyMap<StepKind, string> = new Map([
  ['agent', 'invoke_agent'],
  ['llm', 'chat'],
  ['embedding', 'embeddings'],
  ['tool', 'execute_tool'],
  ['workflow', 'invoke_workflow'],
  ['retrieval', 'retrieval'],
  ['eval', 'evaluate'],
]);
/** Types that may carry the usage of calls to a model; only the last of them is a call also when it tells nothing. */
const MODEL_TYPES: ReadonlySet<string> = new Set([
  'model_generation',
  'llm_generation',
  'model_step',
  'model_inference',
]);

const readMastra = (view: SpanView): StepFacts => {
  const type = textAttr(view, SAID.type) ?? '';
  const kind = kindOf(view, type);
  const facts = readGenAi(view, { operation: OPERATION_OF_KIND.get(kind) ?? type });
  const content = [
    ...(facts.content ?? []),
    ...readMessages(firstJsonAttr(view, INPUT), 'input', 'user'),
    ...readMessages(firstJsonAttr(view, OUTPUT), 'output', 'assistant'),
  ];
  return {
    ...facts,
    call: MODEL_TYPES.has(type) ? modelCall(view, type) : facts.call,
    workflow: facts.workflow ?? (type === 'workflow_run' ? entityOf(view.name) : undefined),
    content,
    contentKeys: [...(facts.contentKeys ?? []), ...presentKeys(view, CONTENT)],
  };
};

/** Around calls that tell everything themselves a generation is a step like others, and names no model. */
const kindOf = (view: SpanView, type: string): StepKind => {
  const kind = KIND_OF_TYPE.get(type) ?? 'other';
  return kind === 'llm' && type !== 'model_inference' && !hasAttr(view, SAID.model) ? 'workflow' : kind;
};

const modelCall = (view: SpanView, type: string): CallFacts | undefined => {
  const usage = readUsage(view);
  return hasUsage(usage) || type === 'model_inference'
    ? leafCall('chat', usage, INCLUSIVE, readReportedCost(view))
    : undefined;
};

/** `invoke_workflow support-workflow` → `support-workflow`. */
const entityOf = (name: string): string => name.slice(name.indexOf(' ') + 1);
