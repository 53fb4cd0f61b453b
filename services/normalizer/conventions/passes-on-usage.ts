import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts } from '../step-facts.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { hasAttr, keySet } from './values.ts';

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
const FAMILY_OF_SCOPE: ReadonlyMap<string, string> = new Map([
  ['org.springframework.boot', 'spring-ai'],
  ['agent_framework', 'agent-framework'],
]);
/** By keys, for scopes that an application chooses. */
const FAMILY_OF_KEYS = new KeyQuestion((keys, placeOf) => {
  if (keys.some((key) => key.startsWith('spring.ai.'))) return { family: 'spring-ai' };
  return { family: placeOf('gen_ai.usage.tool_use_prompt_tokens') >= 0 ? 'rig' : undefined };
});
const SAID = { operation: keySet('gen_ai.operation.name'), system: keySet('gen_ai.system') };
const EXCLUSIVE_PROVIDERS: ReadonlySet<string | undefined> = new Set(['anthropic', 'aws.bedrock']);

const familyOf = (view: SpanView): string | undefined => {
  const family = FAMILY_OF_SCOPE.get(view.scope.name);
  // Micrometer's scope is that of everything in Spring: LangChain4j's observations have no `gen_ai.system`.
  const isOfScope = family !== undefined && (family !== 'spring-ai' || hasAttr(view, SAID.system));
  return isOfScope ? family : view.ask(FAMILY_OF_KEYS).family;
};

export const passesOnUsage: Convention = {
  name: 'passes-on-usage',
  matches: (view) => familyOf(view) !== undefined && hasAttr(view, SAID.operation),
  read: (view) => readPassedOn(view),
};

const readPassedOn = (view: SpanView): StepFacts => {
  const facts = readGenAi(view);
  const { call, provider } = facts;
  const family = familyOf(view);
  return call === undefined || !EXCLUSIVE_PROVIDERS.has(provider)
    ? { ...facts, family }
    : { ...facts, family, call: { ...call, semantics: { ...call.semantics, inputIncludesCache: false } } };
};
