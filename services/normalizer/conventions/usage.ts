import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, Usage, UsageSemantics } from '../step-facts.ts';
import { bucketOfKey } from './key-meanings.ts';
import { asCount, asText, countAttr, keySet } from './values.ts';

/** OTel's meaning: input contains cached tokens, output contains reasoning. Families that differ say so in their file. */
export const INCLUSIVE: UsageSemantics = { inputIncludesCache: true, outputIncludesReasoning: true };

/** All spellings of each figure, the official one first (semconv, migration guide; then vendors as measured). */
export const USAGE_KEYS: Readonly<Record<keyof Usage, readonly string[]>> = {
  input: [
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.prompt_tokens', // before 1.27
    'llm.token_count.prompt',
    'llm.usage.prompt_tokens',
    'ai.usage.inputTokens',
    'ai.usage.promptTokens',
    'ai.usage.tokens', // embeddings
    'input_token_count',
    'input_tokens',
    'prompt_tokens',
  ],
  output: [
    'gen_ai.usage.output_tokens',
    'gen_ai.usage.completion_tokens', // before 1.27
    'llm.token_count.completion',
    'llm.usage.completion_tokens',
    'ai.usage.outputTokens',
    'ai.usage.completionTokens',
    'output_token_count',
    'output_tokens',
    'completion_tokens',
  ],
  cacheRead: [
    'gen_ai.usage.cache_read.input_tokens',
    'gen_ai.usage.cache_read_input_tokens',
    'gen_ai.usage.input_token_details.cache_read',
    'gen_ai.usage.details.cache_read_tokens',
    'gen_ai.usage.input_tokens.cached', // Sentry
    'gen_ai.usage.cached_tokens', // Langtrace
    'llm.token_count.prompt_details.cache_read',
    'llm.usage.cache_read_input_tokens',
    'ai.usage.inputTokenDetails.cacheReadTokens',
    'ai.usage.cachedInputTokens',
    'cached_token_count',
    'cached_content_token_count',
    'cache_read_tokens',
    'cache_read_input_tokens',
  ],
  cacheWrite: [
    'gen_ai.usage.cache_write.input_tokens',
    'gen_ai.usage.cache_creation.input_tokens', // until 1.41
    'gen_ai.usage.cache_write_input_tokens',
    'gen_ai.usage.cache_creation_input_tokens',
    'gen_ai.usage.input_token_details.cache_creation',
    'gen_ai.usage.details.cache_write_tokens',
    'gen_ai.usage.input_tokens.cache_write',
    'llm.token_count.prompt_details.cache_write',
    'llm.usage.cache_creation_input_tokens',
    'ai.usage.inputTokenDetails.cacheWriteTokens',
    'cache_write_token_count',
    'cache_creation_tokens',
    'cache_creation_input_tokens',
  ],
  cacheWrite1h: ['anthropic.usage.cache_creation.ephemeral_1h_input_tokens'],
  reasoning: [
    'gen_ai.usage.reasoning.output_tokens',
    'gen_ai.usage.reasoning_tokens', // never official
    'gen_ai.usage.output_token_details.reasoning',
    'gen_ai.usage.details.reasoning_tokens',
    'gen_ai.usage.output_tokens.reasoning',
    'llm.token_count.completion_details.reasoning',
    'llm.usage.reasoning_tokens',
    'ai.usage.outputTokenDetails.reasoningTokens',
    'ai.usage.reasoningTokens',
    'codex.usage.reasoning_output_tokens',
    'reasoning_token_count',
    'thoughts_token_count',
  ],
  audioInput: ['gen_ai.usage.audio.input_tokens', 'llm.token_count.prompt_details.audio'],
  audioOutput: ['gen_ai.usage.audio.output_tokens', 'llm.token_count.completion_details.audio'],
};

const USAGE = {
  input: keySet(...USAGE_KEYS.input),
  output: keySet(...USAGE_KEYS.output),
  cacheRead: keySet(...USAGE_KEYS.cacheRead),
  cacheWrite: keySet(...USAGE_KEYS.cacheWrite),
  cacheWrite1h: keySet(...USAGE_KEYS.cacheWrite1h),
  reasoning: keySet(...USAGE_KEYS.reasoning),
  audioInput: keySet(...USAGE_KEYS.audioInput),
  audioOutput: keySet(...USAGE_KEYS.audioOutput),
};

type Detail = 'cacheRead' | 'cacheWrite' | 'reasoning' | 'audioInput' | 'audioOutput';
const DETAIL_NAMES: ReadonlySet<string | undefined> = new Set<Detail>([
  'cacheRead',
  'cacheWrite',
  'reasoning',
  'audioInput',
  'audioOutput',
]);
const ALL_USAGE_KEYS: ReadonlySet<string> = new Set(Object.values(USAGE_KEYS).flat());

/** Details beside the known figures under names nobody agreed on: `gen_ai.usage.cached_input_tokens`, `….input_tokens_details.cached`. */
const OTHER_DETAILS = new KeyQuestion((keys) =>
  keys.flatMap((key, place) => {
    const bucket = /(?:^|[._:])usage[._]/.test(key) && !ALL_USAGE_KEYS.has(key) ? bucketOfKey(key) : undefined;
    return DETAIL_NAMES.has(bucket) ? [{ bucket: bucket as Detail, place }] : [];
  }),
);

const withOtherDetails = (view: SpanView, known: Usage): Usage => {
  const others = view.ask(OTHER_DETAILS);
  if (others.length === 0) return known;
  const usage: { -readonly [K in keyof Usage]: Usage[K] } = { ...known };
  for (const { bucket, place } of others) usage[bucket] ??= asCount(view.at(place));
  return usage;
};

/** Tokens of a step in any known spelling; undefined where none is present. 0 is said, absent is not. */
export const readUsage = (view: SpanView): Usage =>
  withOtherDetails(view, {
    input: countAttr(view, USAGE.input),
    output: countAttr(view, USAGE.output),
    cacheRead: countAttr(view, USAGE.cacheRead),
    cacheWrite: countAttr(view, USAGE.cacheWrite),
    cacheWrite1h: countAttr(view, USAGE.cacheWrite1h),
    reasoning: countAttr(view, USAGE.reasoning),
    audioInput: countAttr(view, USAGE.audioInput),
    audioOutput: countAttr(view, USAGE.audioOutput),
  });

/** True when the emitter said at least how much went in or came out. */
export const hasUsage = (usage: Usage): boolean => usage.input !== undefined || usage.output !== undefined;

/** Figures of the second fill what the first does not say. */
export const mergeUsage = (first: Usage, second: Usage): Usage => ({
  input: first.input ?? second.input,
  output: first.output ?? second.output,
  cacheRead: first.cacheRead ?? second.cacheRead,
  cacheWrite: first.cacheWrite ?? second.cacheWrite,
  cacheWrite1h: first.cacheWrite1h ?? second.cacheWrite1h,
  reasoning: first.reasoning ?? second.reasoning,
  audioInput: first.audioInput ?? second.audioInput,
  audioOutput: first.audioOutput ?? second.audioOutput,
});

const COST = keySet(
  'gen_ai.usage.cost',
  'gen_ai.usage.total_cost',
  'gen_ai.cost.total_cost', // LiteLLM
  'operation.cost', // Logfire
  'llm.cost.total',
  'cost_usd',
);
/** Decimal(38, 12): twelve digits after the point. */
const COST_DIGITS = 12;
/** Above this a cost of one step is not believed (and would not fit): USD. */
const COST_USD_MAX = 1e9;

/** Cost the emitter itself reports, as decimal text. 0 is what SDKs say for an unknown price, so it is not said. */
export const readReportedCost = (view: SpanView): string | undefined => {
  for (const place of view.ask(COST)) {
    const cost = costText(Number(asText(view.at(place)) ?? Number.NaN));
    if (cost !== undefined) return cost;
  }
  return undefined;
};

/** An amount an SDK counted in floats, in USD, as decimal text; undefined for 0 and for what cannot be a cost. */
export const costText = (cost: number): string | undefined =>
  cost > 0 && cost < COST_USD_MAX ? cost.toFixed(COST_DIGITS).replace(/\.?0+$/, '') : undefined;

const NO_USAGE: Usage = {};

/** Not one token anywhere is no call at all: SDKs fill in zeros for what they were not told (a stream without usage). */
export const toldUsage = (usage: Usage): Usage => {
  const isSomething = (usage.input ?? 0) + (usage.output ?? 0) > 0 || !hasUsage(usage);
  return isSomething || Object.values(usage).some((count) => count > 0) ? usage : NO_USAGE;
};

const TOTAL = keySet(
  'gen_ai.usage.total_tokens',
  'llm.usage.total_tokens',
  'llm.token_count.total',
  'ai.usage.totalTokens',
  'total_token_count',
  'total_tokens',
);

/**
 * What the figures of a span prove about their meaning by the total beside them, else what is assumed of them: a total
 * that contains the details once more than input and output do says that these leave them out. Of spans alone: a log
 * record is found to repeat a span by the figures as both say them.
 */
export const provenSemantics = (view: SpanView, usage: Usage, assumed: UsageSemantics): UsageSemantics => {
  const cached = (usage.cacheRead ?? 0) + (usage.cacheWrite ?? 0);
  const reasoned = usage.reasoning ?? 0;
  if (cached + reasoned === 0 || view.signal !== 'span') return assumed;
  const total = countAttr(view, TOTAL);
  if (total === undefined) return assumed;
  const besides = total - (usage.input ?? 0) - (usage.output ?? 0);
  if (besides <= 0 || (cached === reasoned && besides === cached)) return assumed;
  if (besides === cached) return { ...assumed, inputIncludesCache: false };
  if (besides === reasoned) return { ...assumed, outputIncludesReasoning: false };
  return besides === cached + reasoned ? { inputIncludesCache: false, outputIncludesReasoning: false } : assumed;
};

/** A leaf: describes one model call itself, with or without figures. */
export const leafCall = (
  operation: string,
  usage: Usage,
  semantics: UsageSemantics,
  reportedCostUsd?: string | undefined,
): CallFacts => ({ role: 'leaf', operation, usage: toldUsage(usage), semantics, reportedCostUsd });

/** A wrapper: only worth telling when it repeats figures of the calls below it. */
export const wrapperCall = (operation: string, usage: Usage, semantics: UsageSemantics): CallFacts | undefined =>
  hasUsage(toldUsage(usage)) ? { role: 'wrapper', operation, usage, semantics } : undefined;
