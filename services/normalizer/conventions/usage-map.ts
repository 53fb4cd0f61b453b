import { field, isObject, type Json, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { Usage, UsageSemantics } from '../step-facts.ts';
import { USAGE_KEY } from './key-meanings.ts';
import { INCLUSIVE } from './usage.ts';
import { asCount, jsonAt, keysLike } from './values.ts';

/** A block of usage, and what its own figures prove about their meaning; undefined where they prove nothing. */
export interface MapUsage {
  readonly usage: Usage;
  readonly semantics: UsageSemantics | undefined;
}

type Bucket = keyof Usage;

/**
 * Names of figures in blocks of usage, in snake case, without `_tokens` and `_count` at their end: of OpenAI, Anthropic,
 * Gemini, Bedrock, LangChain's `usage_metadata`, the AI SDK and Langfuse. A path is joined by dots.
 */
const BUCKET_OF_NAME: ReadonlyMap<string, Bucket> = new Map([
  ['input', 'input'],
  ['prompt', 'input'],
  ['prompt_token', 'input'],
  ['output', 'output'],
  ['completion', 'output'],
  ['candidates', 'output'],
  ['candidates_token', 'output'],
  ['cached', 'cacheRead'],
  ['cached_input', 'cacheRead'],
  ['cached_content', 'cacheRead'],
  ['cached_content_token', 'cacheRead'],
  ['cache_read', 'cacheRead'],
  ['cache_read_input', 'cacheRead'],
  ['input_cached', 'cacheRead'],
  ['input_cache_read', 'cacheRead'],
  ['cache_creation', 'cacheWrite'],
  ['cache_creation_input', 'cacheWrite'],
  ['cache_write', 'cacheWrite'],
  ['cache_write_input', 'cacheWrite'],
  ['input_cache_creation', 'cacheWrite'],
  ['input_cache_write', 'cacheWrite'],
  ['input_cache_creation_1h', 'cacheWrite1h'],
  ['ephemeral_1h_input', 'cacheWrite1h'],
  ['reasoning', 'reasoning'],
  ['reasoning_output', 'reasoning'],
  ['output_reasoning', 'reasoning'],
  ['thoughts', 'reasoning'],
  ['thoughts_token', 'reasoning'],
  ['input_audio', 'audioInput'],
  ['output_audio', 'audioOutput'],
]);

/** Anthropic's API names what came from the cache beside an input that leaves it out. */
const ANTHROPIC = /^(?:cache_read_input|cache_creation_input)$/;
/** Gemini's thoughts stand beside the candidates, not in them. */
const GEMINI = /^(?:thoughts|thoughts_token)$/;
/** Fields of a block, nested ones included: real ones have about twenty. */
const FIELDS_MAX = 64;

const plainName = (key: string): string =>
  key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/_(?:tokens?|count|token_count)$/, '');

interface Draft {
  readonly usage: { -readonly [K in Bucket]?: number };
  total: number | undefined;
  /** Details without a bucket of their own, by the side they belong to. */
  otherInput: number;
  otherOutput: number;
  isAnthropic: boolean;
  isGemini: boolean;
  fieldsLeft: number;
}

/** Reads a block of usage in JSON, as any provider or SDK writes it; undefined when it holds no figures. */
export const usageOfMap = (value: Json | undefined): MapUsage | undefined => {
  const map = value === undefined ? null : unwrap(value);
  if (!isObject(map)) return undefined;
  const draft: Draft = {
    usage: {},
    total: undefined,
    otherInput: 0,
    otherOutput: 0,
    isAnthropic: false,
    isGemini: false,
    fieldsLeft: FIELDS_MAX,
  };
  const { value: inner } = map;
  // `{"type": "json", "value": {…}}`: typed values of some exporters.
  readFields(isObject(inner) ? inner : map, '', draft);
  if (Object.keys(draft.usage).length === 0) return undefined;
  return finish(draft);
};

/** The first block of usage that stands in an attribute of its own, by the attribute's name; undefined when none does. */
export const usageBlock = (view: SpanView): MapUsage | undefined => {
  for (const { place } of view.ask(BLOCK_KEYS)) {
    const told = usageOfMap(jsonAt(view, place));
    if (told !== undefined) return told;
  }
  return undefined;
};
const BLOCK_KEYS = keysLike((key) => USAGE_KEY.test(key));

/** Names of the block of usage in a provider's answer. */
const BLOCKS = ['usage', 'usageMetadata', 'usage_metadata', 'token_usage'] as const;

/** Reads the block of usage inside a provider's answer; undefined when it holds none. */
export const usageOfAnswer = (answer: Json | undefined): MapUsage | undefined => {
  if (!isObject(answer)) return undefined;
  for (const name of BLOCKS) {
    const told = usageOfMap(field(answer, name));
    if (told !== undefined) return told;
  }
  return undefined;
};

const readFields = (map: Readonly<Record<string, Json>>, side: '' | 'input' | 'output', draft: Draft): void => {
  for (const [key, value] of Object.entries(map)) {
    if (draft.fieldsLeft-- <= 0) return;
    const name = plainName(key);
    if (isObject(value)) {
      if (side === '') readFields(value, sideOf(name), draft);
      continue;
    }
    const count = asCount(value);
    if (count !== undefined) readFigure(name, count, side, draft);
  }
};

/** `prompt_tokens_details`, `input_token_details`, `cache_creation` …: which side the details inside belong to. */
const sideOf = (name: string): 'input' | 'output' => (/output|completion|candidate/.test(name) ? 'output' : 'input');

const readFigure = (name: string, count: number, side: '' | 'input' | 'output', draft: Draft): void => {
  if (side === '') readTop(name, count, draft);
  else readDetail(name === 'audio' ? AUDIO[side] : BUCKET_OF_NAME.get(name), count, draft);
  if (GEMINI.test(name)) draft.isGemini = true;
};

const readTop = (name: string, count: number, draft: Draft): void => {
  const bucket = BUCKET_OF_NAME.get(name);
  if (name === 'total') draft.total = count;
  else if (bucket !== undefined) draft.usage[bucket] ??= count;
  else if (name.startsWith('input_')) draft.otherInput += count;
  else if (name.startsWith('output_')) draft.otherOutput += count;
  if (ANTHROPIC.test(name)) draft.isAnthropic = true;
};

/** A nested figure is a detail, never a side itself. */
const readDetail = (bucket: Bucket | undefined, count: number, draft: Draft): void => {
  if (bucket !== undefined && bucket !== 'input' && bucket !== 'output') draft.usage[bucket] ??= count;
};
const AUDIO = { input: 'audioInput', output: 'audioOutput' } as const;

const finish = (draft: Draft): MapUsage => {
  const { usage, total, otherInput, otherOutput } = draft;
  const {
    input = 0,
    output = 0,
    cacheRead = 0,
    cacheWrite = 0,
    reasoning = 0,
    audioInput = 0,
    audioOutput = 0,
  } = usage;
  const inputDetails = cacheRead + cacheWrite + audioInput;
  const outputDetails = reasoning + audioOutput;
  const everything = input + inputDetails + otherInput + output + outputDetails + otherOutput;
  if (total !== undefined && total === everything && everything > input + output) {
    return { usage: withOthers(usage, otherInput, otherOutput), semantics: DISJOINT };
  }
  // Names may sound like an API that leaves the details out: a total of the two sides alone says that they are inside.
  if (total !== undefined && total === input + output && inputDetails + outputDetails > 0) {
    return { usage, semantics: INCLUSIVE };
  }
  if (draft.isGemini && (total === undefined || total === input + output + reasoning)) {
    return { usage, semantics: { inputIncludesCache: true, outputIncludesReasoning: false } };
  }
  if (draft.isAnthropic) return { usage, semantics: { inputIncludesCache: false, outputIncludesReasoning: true } };
  return { usage, semantics: undefined };
};

/** Buckets beside each other: nothing is part of anything else. */
export const DISJOINT: UsageSemantics = { inputIncludesCache: false, outputIncludesReasoning: false };

const withOthers = (usage: Usage, input: number, output: number): Usage => ({
  ...usage,
  ...(input > 0 ? { input: (usage.input ?? 0) + input } : {}),
  ...(output > 0 ? { output: (usage.output ?? 0) + output } : {}),
});
