import type { StepKind } from '../../../schemas/step-kinds.ts';
import { at, isObject, type Json, textOf } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts, UsageSemantics } from '../step-facts.ts';
import { familyKeys, readByKeys } from './family.ts';
import { readMessages } from './messages.ts';
import { INCLUSIVE, readUsage } from './usage.ts';
import {
  asCount,
  firstJsonAttr,
  hasAttr,
  jsonAttr,
  keySet,
  keysLike,
  namesOf,
  presentKeys,
  textAttr,
} from './values.ts';

/**
 * Vercel AI SDK 3.3 to 6, and `LegacyOpenTelemetry` of 7 (ai-sdk.dev, telemetry): scope `ai`, or that of a tracer the
 * application passed in.
 *
 * | what | here |
 * |---|---|
 * | kind | `ai.operationId`. Calls end in `.doGenerate`, `.doStream`, `.doEmbed`, `.doRerank`; what stands around them repeats them |
 * | figures | `ai.usage.*`; `gen_ai.usage.*` beside them on calls. inputTokens (v4: promptTokens) includes cache, outputTokens reasoning |
 * | details | `ai.usage.inputTokenDetails.*`, `outputTokenDetails.*` (v6); cachedInputTokens, reasoningTokens (v5); none in v4 but in `ai.response.providerMetadata` |
 * | agent | every generateText with a `functionId`, which is its name |
 * | tools | `ai.toolCall`: `ai.toolCall.name`, `.id`, `.args`, `.result` |
 * | retries | each attempt a span: failed ones, then a good one |
 * | session, user | `ai.telemetry.metadata.*`, `ai.settings.context.*`: names of the application's choice |
 */
export const vercelAi: Convention = {
  name: 'vercel-ai',
  matches: (view) => hasAttr(view, SAID.operation),
  read: (view) => readVercelAi(view),
};

const SAID = {
  operation: keySet('ai.operationId'),
};

const KEYS = familyKeys({
  requestModel: ['gen_ai.request.model', 'ai.model.id'],
  responseModel: ['gen_ai.response.model', 'ai.response.model'],
  responseId: ['gen_ai.response.id', 'ai.response.id'],
  toolName: ['ai.toolCall.name'],
  toolCallId: ['ai.toolCall.id'],
  toolArguments: ['ai.toolCall.args'],
  toolResult: ['ai.toolCall.result'],
  toolDefinitions: ['ai.prompt.tools'],
  agentName: ['ai.telemetry.functionId'],
  input: ['ai.prompt.messages', 'ai.prompt', 'ai.value', 'ai.values'],
  output: ['ai.response.text', 'ai.response.object', 'ai.result.text', 'ai.result.object'],
});
/** Parts of an answer besides its text. */
const REASONING = keySet('ai.response.reasoning');
const TOOL_CALLS = keySet('ai.response.toolCalls', 'ai.result.toolCalls');
const CONTENT = namesOf(
  'ai.response.reasoning',
  'ai.response.toolCalls',
  'ai.result.toolCalls',
  'ai.response.providerMetadata',
  'ai.schema',
);

/** Ends of `ai.operationId`: calls first, then what stands around them. */
const KIND_OF_END: readonly (readonly [end: string, kind: StepKind])[] = [
  ['.doGenerate', 'llm'],
  ['.doStream', 'llm'],
  ['.doEmbed', 'embedding'],
  ['.doRerank', 'retrieval'],
  ['ai.toolCall', 'tool'],
  ['ai.generateText', 'agent'],
  ['ai.streamText', 'agent'],
  ['ai.generateObject', 'workflow'],
  ['ai.streamObject', 'workflow'],
  ['ai.embed', 'workflow'],
  ['ai.embedMany', 'workflow'],
  ['ai.rerank', 'retrieval'],
];

const readVercelAi = (view: SpanView): StepFacts => {
  const operation = textAttr(view, SAID.operation) ?? '';
  const kind = KIND_OF_END.find(([end]) => operation.endsWith(end))?.[1] ?? 'other';
  const metadata = kind === 'llm' ? jsonAttr(view, 'ai.response.providerMetadata') : undefined;
  const usage = readUsage(view);
  const facts = readByKeys(view, KEYS, {
    kind,
    usage: {
      ...usage,
      cacheWrite: usage.cacheWrite ?? cacheWriteOf(metadata),
      cacheRead: usage.cacheRead ?? cacheReadOf(metadata),
    },
    operation: kind === 'llm' || kind === 'embedding' ? undefined : operation,
  });
  return {
    ...facts,
    call: facts.call === undefined ? undefined : { ...facts.call, semantics: semanticsOf(view, facts.provider) },
    isStreamed: operation.endsWith('.doStream') ? true : undefined,
    serviceTier: facts.serviceTier ?? textOf(at(metadata, 'openai', 'serviceTier')),
    content: [
      ...(facts.content ?? []),
      ...readMessages(reasoningOf(view), 'output', 'assistant'),
      ...readMessages(toolCallsOf(view), 'output', 'assistant'),
    ],
    contentKeys: [...(facts.contentKeys ?? []), ...presentKeys(view, CONTENT)],
  };
};

/**
 * Since version 6 every provider's figures are made inclusive and told with their details. Before, they were passed on:
 * Anthropic and Bedrock leave cached tokens out of the input, Google leaves thoughts out of the output.
 */
const semanticsOf = (view: SpanView, provider: string | undefined): UsageSemantics =>
  view.ask(DETAILS).length > 0
    ? INCLUSIVE
    : {
        inputIncludesCache: !EXCLUSIVE_INPUT.has(provider ?? ''),
        outputIncludesReasoning: !EXCLUSIVE_OUTPUT.has(provider ?? ''),
      };
const DETAILS = keysLike(
  (key) => key.startsWith('ai.usage.inputTokenDetails.') || key.startsWith('ai.usage.outputTokenDetails.'),
);
const EXCLUSIVE_INPUT: ReadonlySet<string> = new Set(['anthropic', 'aws.bedrock']);
const EXCLUSIVE_OUTPUT: ReadonlySet<string> = new Set(['gcp.gemini', 'gcp.vertex_ai']);

/** What versions 4 and 5 tell of Anthropic's cache and Bedrock's only among the provider's own. */
const cacheWriteOf = (metadata: Json | undefined): number | undefined =>
  asCount(
    at(metadata, 'anthropic', 'cacheCreationInputTokens') ??
      at(metadata, 'bedrock', 'usage', 'cacheWriteInputTokens') ??
      null,
  );
const cacheReadOf = (metadata: Json | undefined): number | undefined =>
  asCount(
    at(metadata, 'anthropic', 'cacheReadInputTokens') ??
      at(metadata, 'bedrock', 'usage', 'cacheReadInputTokens') ??
      null,
  );

const reasoningOf = (view: SpanView): Json | undefined => {
  const text = textAttr(view, REASONING);
  return text === undefined ? undefined : [{ type: 'reasoning', text }];
};

/** Calls of tools as parts of an answer; the SDK lists them without saying what they are. */
const toolCallsOf = (view: SpanView): Json | undefined => {
  const calls = firstJsonAttr(view, TOOL_CALLS);
  return Array.isArray(calls) ? calls.map((call) => (isObject(call) ? { ...call, type: 'tool-call' } : call)) : calls;
};
