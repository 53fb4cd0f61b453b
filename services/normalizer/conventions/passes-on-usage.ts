import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts } from '../step-facts.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { hasAttr, keySet, keysLike } from './values.ts';

/**
 * SDKs that follow OTel in all but one thing: the input is what the provider's API calls so. Anthropic's, and that of
 * Bedrock's Converse, leaves out what came from the cache and what was written to it, and no total beside it says so.
 *
 * | family | known by | read from |
 * |---|---|---|
 * | spring-ai | Micrometer's scope and `gen_ai.system`, or its own keys | spring-projects/spring-ai, AnthropicChatModel.getDefaultUsage |
 * | agent-framework | scope | microsoft/agent-framework, python, _chat_client.py, _parse_usage_from_anthropic |
 * | rig | a count only it writes, beside any other | 0xPlaygrounds/rig, telemetry/mod.rs, anthropic/completion.rs |
 */
const SDKS: readonly { readonly family: string; readonly isOf: (view: SpanView) => boolean }[] = [
  {
    family: 'spring-ai',
    isOf: (view) =>
      (view.scope.name === 'org.springframework.boot' && hasAttr(view, SAID.system)) ||
      view.ask(SPRING_KEYS).length > 0,
  },
  { family: 'agent-framework', isOf: (view) => view.scope.name === 'agent_framework' },
  { family: 'rig', isOf: (view) => hasAttr(view, SAID.toolPrompt) },
];

const SAID = {
  operation: keySet('gen_ai.operation.name'),
  system: keySet('gen_ai.system'),
  toolPrompt: keySet('gen_ai.usage.tool_use_prompt_tokens'),
};
const SPRING_KEYS = keysLike((key) => key.startsWith('spring.ai.'));
const EXCLUSIVE_PROVIDERS: ReadonlySet<string | undefined> = new Set(['anthropic', 'aws.bedrock']);

const sdkOf = (view: SpanView) => SDKS.find(({ isOf }) => isOf(view));

export const passesOnUsage: Convention = {
  name: 'passes-on-usage',
  matches: (view) => hasAttr(view, SAID.operation) && sdkOf(view) !== undefined,
  read: (view) => readPassedOn(view),
};

const readPassedOn = (view: SpanView): StepFacts => {
  const facts = readGenAi(view);
  const { call, provider } = facts;
  const family = sdkOf(view)?.family;
  return call === undefined || !EXCLUSIVE_PROVIDERS.has(provider)
    ? { ...facts, family }
    : { ...facts, family, call: { ...call, semantics: { ...call.semantics, inputIncludesCache: false } } };
};
