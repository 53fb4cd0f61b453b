import type { StepKind } from '../../../schemas/step-kinds.ts';
import { at, field, isObject, type Json, textOf } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, ContentPart, Convention, StepFacts, Usage } from '../step-facts.ts';
import { readIdentity } from './identity.ts';
import { readMessages, toolContent, toolDefinitions } from './messages.ts';
import { kindOfTool } from './operations.ts';
import { readAttempt, readOutcome } from './outcome.ts';
import { cleanProvider, providerOfModel } from './provider.ts';
import { leafCall, mergeUsage, wrapperCall } from './usage.ts';
import { asCount, hasAttr, jsonAttr, keySet, namesOf, presentKeys, textAttr } from './values.ts';

/**
 * Genkit. Nothing of OTel's names; everything is in `genkit:*`:
 *
 * | what | here |
 * |---|---|
 * | kind | `genkit:metadata:subtype`: model, tool, retriever, embedder, evaluator, flow …; `genkit:type=util` name `generate` |
 * | model | `genkit:name` = `<provider>/<model>` |
 * | usage | inside the JSON `genkit:output`: `usage`, and the provider's own in `raw` (OpenAI) or `custom` (Gemini) |
 * | inputTokens | includes cache |
 * | outputTokens | Gemini: without thoughts (`thoughtsTokens`). OpenAI, Anthropic: with reasoning |
 * | `generate` | one per turn, recursive; repeats the last call below it: a wrapper |
 * | agent, workflow | the nearest and the outermost flow in `genkit:path` |
 * | failed tool | may answer `{"error": …}` with state `success` |
 */
export const genkit: Convention = {
  name: 'genkit',
  matches: (view) => hasAttr(view, SAID.own),
  read: (view) => readGenkit(view),
};

const SAID = {
  own: keySet('genkit:type', 'genkit:name'),
  subtype: keySet('genkit:metadata:subtype'),
  name: keySet('genkit:name'),
  path: keySet('genkit:path'),
};
const CONTENT = namesOf('genkit:input', 'genkit:output');

const KIND_OF_SUBTYPE: ReadonlyMap<string, StepKind> = new Map([
  ['model', 'llm'],
  ['background-model', 'llm'],
  ['embedder', 'embedding'],
  ['tool', 'tool'],
  ['tool.v2', 'tool'],
  ['retriever', 'retrieval'],
  ['reranker', 'retrieval'],
  ['indexer', 'data_access'],
  ['evaluator', 'eval'],
  ['flow', 'agent'],
  ['agent', 'agent'],
  ['prompt', 'workflow'],
  ['executable-prompt', 'workflow'],
]);

const kindOf = (view: SpanView, name: string | undefined): StepKind => {
  const subtype = textAttr(view, SAID.subtype) ?? '';
  const kind = KIND_OF_SUBTYPE.get(subtype);
  if (kind !== undefined) return kind === 'tool' ? kindOfTool(name) : kind;
  if (view.attr('genkit:type') === 'util') return 'workflow';
  return view.attr('genkit:metadata:evaluator:evalRunId') === undefined ? 'other' : 'eval';
};

/**
 * Names of flows in a path such as `/{triageFlow,t:flow}/{generate,t:util}/{refundsFlow,t:flow,s:flow}`, outermost
 * first. A flow called by a tool has its subtype beside its type.
 */
const flowsOf = (path: string | undefined): readonly string[] =>
  [...(path ?? '').slice(0, PATH_CHARS_MAX).matchAll(/\{([^{},]{1,200}),t:flow(?:,[^{}]{0,100})?\}/g)].map(
    (match) => match[1] ?? '',
  );
const PATH_CHARS_MAX = 8_192;

/** `googleai/gemini-2.5-flash` → provider and model; a name without a slash is the model. */
const modelOf = (name: string | undefined) => {
  const slash = name?.indexOf('/') ?? -1;
  const prefix = slash > 0 ? name?.slice(0, slash) : undefined;
  const model = slash > 0 ? name?.slice(slash + 1) : name;
  return { model, provider: cleanProvider(prefix, undefined) ?? providerOfModel(model) };
};

/** What the provider's own answer says of itself. */
const responseOf = (output: Json | undefined, serviceTier: string | undefined) => {
  const raw = field(output, 'raw') ?? field(output, 'custom');
  return {
    responseModel: textOf(field(raw, 'model') ?? field(raw, 'modelVersion')),
    responseId: textOf(field(raw, 'id') ?? field(raw, 'responseId')),
    serviceTier: serviceTier ?? textOf(field(raw, 'service_tier')),
  };
};

/** `{"error": …}` as a tool's answer, whatever the state says. */
const toolError = (output: Json | undefined): Json | undefined => field(output, 'error') ?? undefined;

const count = (value: Json | undefined): number | undefined => asCount(value ?? null);

/** Genkit's own figures. */
const ownUsage = (output: Json | undefined): Usage => {
  const usage = field(output, 'usage');
  return {
    input: count(field(usage, 'inputTokens')),
    output: count(field(usage, 'outputTokens')),
    cacheRead: count(field(usage, 'cachedContentTokens')),
    reasoning: count(field(usage, 'thoughtsTokens')),
  };
};

/** The provider's own figures, for the details Genkit leaves out. */
const rawUsage = (output: Json | undefined): Usage => {
  const raw = field(output, 'raw') ?? field(output, 'custom');
  const usage = field(raw, 'usage');
  const gemini = field(raw, 'usageMetadata');
  const isGemini = isObject(gemini);
  return {
    cacheRead:
      count(
        at(usage, 'prompt_tokens_details', 'cached_tokens') ?? at(usage, 'input_tokens_details', 'cached_tokens'),
      ) ??
      count(field(usage, 'cache_read_input_tokens') ?? field(gemini, 'cachedContentTokenCount')) ??
      (isGemini ? 0 : undefined),
    cacheWrite: count(field(usage, 'cache_creation_input_tokens')),
    reasoning:
      count(
        at(usage, 'completion_tokens_details', 'reasoning_tokens') ??
          at(usage, 'output_tokens_details', 'reasoning_tokens'),
      ) ??
      count(field(gemini, 'thoughtsTokenCount')) ??
      (isGemini ? 0 : undefined),
  };
};

const readCall = (
  view: SpanView,
  kind: StepKind,
  output: Json | undefined,
  isGemini: boolean,
): CallFacts | undefined => {
  const usage = mergeUsage(ownUsage(output), rawUsage(output));
  const semantics = { inputIncludesCache: true, outputIncludesReasoning: !isGemini };
  if (kind === 'llm') return leafCall('chat', usage, semantics);
  if (kind === 'embedding') return leafCall('embeddings', usage, semantics);
  return view.attr('genkit:type') === 'util' ? wrapperCall('generate', usage, semantics) : undefined;
};

const readContent = (kind: StepKind, input: Json | undefined, output: Json | undefined): readonly ContentPart[] => {
  if (kind === 'tool' || kind === 'delegation') return toolContent(input, output);
  if (kind !== 'llm') return [...readMessages(input, 'input', 'user'), ...readMessages(output, 'output', 'assistant')];
  const answer = field(output, 'message') ?? at(output, 'candidates', 0, 'message');
  return [
    ...readMessages(field(input, 'messages') ?? input, 'input', 'user'),
    ...toolDefinitions(field(input, 'tools')),
    ...readMessages(answer ?? output, 'output', 'assistant'),
  ];
};

const readGenkit = (view: SpanView): StepFacts => {
  const name = textAttr(view, SAID.name);
  const kind = kindOf(view, name);
  const input = jsonAttr(view, 'genkit:input');
  const output = jsonAttr(view, 'genkit:output');
  const isModel = kind === 'llm' || kind === 'embedding';
  const { model, provider } = modelOf(isModel ? name : textOf(field(input, 'model')));
  const flows = flowsOf(textAttr(view, SAID.path));
  const isTool = kind === 'tool' || kind === 'delegation';
  const error = isTool ? toolError(output) : undefined;
  const outcome = readOutcome(view);
  const identity = readIdentity(view);
  return {
    stepKind: kind,
    ...identity,
    agentName: identity.agentName ?? flows.at(-1),
    workflow: identity.workflow ?? flows[0],
    provider,
    requestModel: model,
    ...responseOf(output, identity.serviceTier),
    call: readCall(view, kind, output, provider?.startsWith('gcp.') === true),
    toolName: isTool ? name : undefined,
    toolArguments: isTool ? input : undefined,
    toolResult: isTool ? output : undefined,
    toolDefinition: kind === 'llm' ? field(input, 'tools') : undefined,
    ...outcome,
    isFailed: outcome.isFailed || view.attr('genkit:state') === 'error' || error !== undefined,
    errorMessage: outcome.errorMessage ?? textOf(error),
    attempt: readAttempt(view),
    content: readContent(kind, input, output),
    contentKeys: presentKeys(view, CONTENT),
  };
};
