import type { SpanView } from '../span-view.ts';
import { asText, keySet, textAttr } from './values.ts';

/** Names of the same provider in different SDKs → the value of `gen_ai.provider.name` in OTel's registry. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['open_ai', 'openai'], // LangChain4j's enumeration, as the next ones
  ['azure_open_ai', 'azure.ai.openai'],
  ['google_ai_gemini', 'gcp.gemini'],
  ['google_vertex_ai_gemini', 'gcp.vertex_ai'],
  ['google_vertex_ai_anthropic', 'gcp.vertex_ai'],
  ['google_genai_ai', 'gcp.gemini'],
  ['bedrock_converse', 'aws.bedrock'], // Spring AI
  ['chatopenai', 'openai'], // classes of LangChain, as the next ones
  ['azurechatopenai', 'azure.ai.openai'],
  ['chatanthropic', 'anthropic'],
  ['chatbedrock', 'aws.bedrock'],
  ['chatbedrockconverse', 'aws.bedrock'],
  ['bedrockllm', 'aws.bedrock'],
  ['chatvertexai', 'gcp.vertex_ai'],
  ['chatgooglegenerativeai', 'gcp.gemini'],
  ['chatollama', 'ollama'],
  ['chatmistralai', 'mistral_ai'],
  ['chatgroq', 'groq'],
  ['chatcohere', 'cohere'],
  ['gemini', 'gcp.gemini'],
  ['google', 'gcp.gemini'],
  ['googleai', 'gcp.gemini'],
  ['google_genai', 'gcp.gemini'],
  ['google-genai', 'gcp.gemini'],
  ['google.generative-ai', 'gcp.gemini'],
  ['gcp.gen_ai', 'gcp.gemini'],
  ['vertexai', 'gcp.vertex_ai'],
  ['vertex_ai', 'gcp.vertex_ai'],
  ['vertex-ai', 'gcp.vertex_ai'],
  ['google.vertex', 'gcp.vertex_ai'],
  ['google-vertex', 'gcp.vertex_ai'],
  ['az.ai.openai', 'azure.ai.openai'],
  ['azure', 'azure.ai.openai'],
  ['azure-openai', 'azure.ai.openai'],
  ['azure_openai', 'azure.ai.openai'],
  ['azureopenai', 'azure.ai.openai'],
  ['az.ai.inference', 'azure.ai.inference'],
  ['az.ai.agents', 'azure.ai.inference'],
  ['bedrock', 'aws.bedrock'],
  ['aws', 'aws.bedrock'],
  ['aws_bedrock', 'aws.bedrock'],
  ['amazon-bedrock', 'aws.bedrock'],
  ['amazon_bedrock', 'aws.bedrock'],
  ['xai', 'x_ai'],
  ['mistral', 'mistral_ai'],
  ['mistralai', 'mistral_ai'],
  ['watsonx', 'ibm.watsonx.ai'],
  ['moonshot', 'moonshot_ai'],
]);

/** Official names with dots: they are not cut at the dot. */
const OFFICIAL = /^(gcp\.(gemini|vertex_ai)|azure\.ai\.(openai|inference)|aws\.bedrock|ibm\.watsonx\.ai)$/;

/** Frameworks and tracers that put their own name where the provider belongs. */
const NO_PROVIDER = new Set([
  'gcp.vertex.agent',
  'langchain',
  'langgraph',
  'llamaindex',
  'llama_index',
  'crewai',
  'autogen',
  'strands-agents',
  'strands_agents',
  'openai_agents',
  'pydantic-ai',
  'spring_ai',
  'semantic_kernel',
  'vercel',
  'microsoft.agent_framework',
  'microsoft.agents.ai',
  'litellm',
  'litellm_proxy',
  'dify',
  'haystack',
  'none',
  'null',
  'undefined',
  'unknown',
  'other',
  '_other',
]);

/** Model name → provider, for emitters that name no provider. First match wins; hosted forms before plain ones. */
const BY_MODEL: readonly (readonly [pattern: RegExp, provider: string])[] = [
  [/^(?:[a-z]{2,6}\.)?(?:anthropic|amazon|meta|mistral|cohere|ai21|deepseek)\./, 'aws.bedrock'],
  [/^(?:openai\/)?(?:gpt-|o[134](?:-|$)|chatgpt|text-embedding-(?:3|ada)|dall-e|whisper|tts-|codex|davinci)/, 'openai'],
  [/^(?:anthropic\/)?claude/, 'anthropic'],
  [/^(?:models\/|googleai\/|google\/)?(?:gemini|gemma|imagen|veo)/, 'gcp.gemini'],
  [/^(?:mistral|codestral|ministral|magistral|pixtral|devstral)/, 'mistral_ai'],
  [/^(?:command|embed-(?:english|multilingual)|rerank-)/, 'cohere'],
  [/^deepseek/, 'deepseek'],
  [/^grok/, 'x_ai'],
  [/^sonar/, 'perplexity'],
  [/^(?:kimi|moonshot)/, 'moonshot_ai'],
];

/** The provider's name in OTel's spelling; undefined when what stands there is none (a framework, the service). */
export const cleanProvider = (said: string | undefined, service: string | undefined): string | undefined => {
  if (said === undefined) return undefined;
  const whole = said.trim().toLowerCase();
  // Plug-ins name the provider last: `langgenius/openai/openai`.
  const name = whole.slice(whole.lastIndexOf('/') + 1);
  if (name === '' || NO_PROVIDER.has(name) || name === service?.toLowerCase()) return undefined;
  const alias = ALIASES.get(name);
  if (alias !== undefined) return alias;
  if (OFFICIAL.test(name)) return name;
  // `openai.responses`, `anthropic.messages`: SDKs append the API.
  const head = name.split('.', 1)[0] ?? name;
  return ALIASES.get(head) ?? head;
};

/** The provider a model name implies; undefined when it implies none. */
export const providerOfModel = (model: string | undefined): string | undefined => {
  if (model === undefined) return undefined;
  const name = model.toLowerCase();
  return BY_MODEL.find(([pattern]) => pattern.test(name))?.[1];
};

const PROVIDER = keySet(
  'gen_ai.provider.name',
  'gen_ai.system',
  'llm.provider',
  'llm.system',
  'ai.model.provider',
  'gen_ai.model.provider',
  'llm.vendor',
  'langtrace.service.name',
);
/** Bare words, which mean something beside a model alone. */
const BARE_PROVIDER = keySet('provider', 'model_provider', 'model.provider');

/** Provider of a step, and the flag `provider_inferred` when only the model name told it. */
export const readProvider = (
  view: SpanView,
  model: string | undefined,
): { readonly provider: string | undefined; readonly flags: readonly string[] } => {
  const service = asText(view.resource('service.name'));
  for (const place of view.ask(PROVIDER)) {
    const provider = cleanProvider(asText(view.at(place)), service);
    if (provider !== undefined) return { provider, flags: [] };
  }
  const bare = model === undefined ? undefined : cleanProvider(textAttr(view, BARE_PROVIDER), service);
  if (bare !== undefined) return { provider: bare, flags: [] };
  const inferred = providerOfModel(model);
  return inferred === undefined
    ? { provider: undefined, flags: [] }
    : { provider: inferred, flags: ['provider_inferred'] };
};
