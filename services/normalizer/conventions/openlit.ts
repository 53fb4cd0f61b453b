import type { SpanView } from '../span-view.ts';
import type { CallFacts, Convention, StepFacts } from '../step-facts.ts';
import { isLocalCount } from './local-count.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { boolAttr, keySet } from './values.ts';

/**
 * OpenLIT (openlit/openlit, JavaScript and Python). Follows OTel; differs in:
 *
 * | what | here |
 * |---|---|
 * | scope | `@openlit/instrumentation-<provider>`, `openlit.otel.tracing`; resource `telemetry.sdk.name` = openlit. The provider in the scope is a guess by the client's address |
 * | input_tokens | OpenAI: includes cache. Anthropic: leaves cached tokens out |
 * | streams without usage | figures of a local tokenizer (tiktoken); nothing says so |
 * | Transformers, Replicate | always a local tokenizer |
 * | each call | span and log `gen_ai.client.inference.operation.details` with the same usage |
 * | gen_ai.tool.* on a chat span | the first tool the model asked for, not a tool that ran |
 * | gen_ai.usage.cost | 0 where the price is not known |
 */
export const openlit: Convention = {
  name: 'openlit',
  matches: (view) => SCOPE.test(view.scope.name) || view.resource('telemetry.sdk.name') === 'openlit',
  read: (view) => readOpenlit(view),
};

const SCOPE = /^(?:@openlit\/|openlit[./])/;
const EXCLUSIVE_PROVIDER = 'anthropic';
/** Instrumentations that count every call themselves (source of the wrappers). */
const COUNTING_SCOPE = /instrumentation-(?:transformers|replicate)$/;
const IS_STREAMED = keySet('gen_ai.request.is_stream', 'gen_ai.request.stream');

const readOpenlit = (view: SpanView): StepFacts => {
  const facts = readGenAi(view);
  if (facts.call === undefined) return facts;
  return { ...facts, toolName: undefined, toolCallId: undefined, call: callOf(view, facts, facts.call) };
};

const callOf = (view: SpanView, facts: StepFacts, call: CallFacts): CallFacts => {
  const isExclusive = facts.provider === EXCLUSIVE_PROVIDER || /instrumentation-anthropic$/.test(view.scope.name);
  return {
    ...call,
    semantics: isExclusive ? { ...call.semantics, inputIncludesCache: false } : call.semantics,
    isEstimated: COUNTING_SCOPE.test(view.scope.name) || isCounted(view, facts, call),
  };
};

/** Details of the cache come from the provider alone; the log that repeats a span does not say whether it streamed. */
const isCounted = (view: SpanView, facts: StepFacts, { usage }: CallFacts): boolean =>
  boolAttr(view, IS_STREAMED) !== false && usage.cacheRead === undefined && isLocalCount(facts.content ?? [], usage);
