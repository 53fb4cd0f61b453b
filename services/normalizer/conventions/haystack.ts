import type { StepKind } from '../../../schemas/step-kinds.ts';
import { field, type Json, textOf, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts } from '../step-facts.ts';
import { familyKeys, readByKeys } from './family.ts';
import { isModelOperation } from './operations.ts';
import { providerOfModel } from './provider.ts';
import { type MapUsage, usageOfMap } from './usage-map.ts';
import { firstJsonAttr, keySet, nameTold, textAttr } from './values.ts';

/**
 * Haystack's own tracing (deepset-ai/haystack, haystack/tracing, core/pipeline, components/agents), whichever tracer it is
 * given.
 *
 * | what | here |
 * |---|---|
 * | kind | the span's name; of a component its class, `haystack.component.type` |
 * | model, usage | in the answers: `replies[].meta`, of older generators and of embedders `meta`; only where contents are traced. Without them a call is unknown |
 * | around | pipeline, agent and its component repeat the answers of all their work: never read |
 * | tool | `haystack.tool.name`; input and output beside it |
 * | provider | by the model, else by the class |
 */
export const haystack: Convention = {
  name: 'haystack',
  matches: (view) => view.name.startsWith('haystack.'),
  read: (view) => readHaystack(view),
};

const SAID = {
  type: keySet('haystack.component.type'),
  answer: keySet('haystack.agent.step.llm.output', 'haystack.component.output'),
};
const KEYS = familyKeys({
  toolName: ['haystack.tool.name'],
  toolArguments: ['haystack.agent.step.tool.input'],
  toolResult: ['haystack.agent.step.tool.output'],
  input: [
    'haystack.agent.step.llm.input',
    'haystack.component.input',
    'haystack.agent.input',
    'haystack.pipeline.input_data',
  ],
  output: [
    'haystack.agent.step.llm.output',
    'haystack.component.output',
    'haystack.agent.output',
    'haystack.pipeline.output_data',
  ],
});

const KIND_OF_NAME: ReadonlyMap<string, StepKind> = new Map([
  ['haystack.pipeline.run', 'workflow'],
  ['haystack.agent.run', 'agent'],
  ['haystack.agent.step', 'workflow'],
  ['haystack.agent.step.llm', 'llm'],
  ['haystack.agent.step.tool', 'tool'],
  ['haystack.chat_generator.run', 'llm'],
]);
/** Classes of components by how they are named; models that run in the program itself are nobody's bill. */
const KIND_OF_CLASS: readonly (readonly [RegExp, StepKind])[] = [
  [/^(?:SentenceTransformers|FastEmbed|HuggingFaceLocal|LlamaCpp)/, 'other'],
  [/Generator$/, 'llm'],
  [/Embedder$/, 'embedding'],
  [/(?:Retriever|Ranker|WebSearch)$/, 'retrieval'],
];
const PROVIDER_OF_CLASS: readonly (readonly [RegExp, string])[] = [
  [/^AzureOpenAI/, 'azure.ai.openai'],
  [/^OpenAI/, 'openai'],
  [/^AnthropicVertex|^VertexAI/, 'gcp.vertex_ai'],
  [/^Anthropic/, 'anthropic'],
  [/^AmazonBedrock/, 'aws.bedrock'],
  [/^Google/, 'gcp.gemini'],
  [/^Mistral/, 'mistral_ai'],
  [/^Cohere/, 'cohere'],
  [/^Ollama/, 'ollama'],
];

const ofClass = <T>(table: readonly (readonly [RegExp, T])[], name: string): T | undefined =>
  table.find(([pattern]) => pattern.test(name))?.[1];

const readHaystack = (view: SpanView): StepFacts => {
  const type = textAttr(view, SAID.type) ?? '';
  const kind = KIND_OF_NAME.get(view.name) ?? ofClass(KIND_OF_CLASS, type) ?? 'other';
  const told = isModelOperation(kind) ? answerOf(firstJsonAttr(view, SAID.answer)) : undefined;
  const facts = readByKeys(view, KEYS, {
    kind,
    usage: told?.usage?.usage ?? {},
    semantics: told?.usage?.semantics,
  });
  const provider = isModelOperation(kind)
    ? (facts.provider ?? providerOfModel(told?.model) ?? ofClass(PROVIDER_OF_CLASS, type))
    : undefined;
  return { ...facts, responseModel: told?.model, provider };
};

interface Answer {
  readonly model: string | undefined;
  readonly usage: MapUsage | undefined;
}

/** Every reply of one request repeats its usage: the first speaks for all. */
const answerOf = (output: Json | undefined): Answer => {
  const meta = field(firstOf(field(output, 'replies')), 'meta') ?? firstOf(field(output, 'meta'));
  return { model: nameTold(textOf(field(meta, 'model'))), usage: usageOfMap(field(meta, 'usage')) };
};

const firstOf = (value: Json | undefined): Json | undefined => {
  const opened = value === undefined ? undefined : unwrap(value);
  return Array.isArray(opened) ? unwrap(opened[0] ?? null) : opened;
};
