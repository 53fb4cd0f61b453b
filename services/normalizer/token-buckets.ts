import type { StepCall } from '../../schemas/agent-step.ts';
import type { Usage, UsageSemantics } from './step-facts.ts';

/** The disjoint buckets of a step, and which details stayed in the enclosing one. */
export type Buckets = Pick<
  StepCall,
  | 'input_tokens'
  | 'cache_read_tokens'
  | 'cache_write_tokens'
  | 'cache_write_1h_tokens'
  | 'output_tokens'
  | 'reasoning_tokens'
  | 'audio_input_tokens'
  | 'audio_output_tokens'
  | 'untold'
>;

/** What is known of the call besides its figures: an embedding has no cache and no reasoning to tell. */
export interface BucketContext {
  readonly isEmbedding: boolean;
  /** Only Anthropic's models bill writes to the cache apart; for others an untold write changes no price. */
  readonly billsCacheWrites: boolean;
}

/**
 * Figures as the emitter said them → disjoint buckets. Inclusive figures have their details taken out; exclusive ones
 * are taken as they are. Whatever a family claims, details larger than the enclosing figure prove that they are not
 * part of it. A detail that was not told stays null, is named in `untold`, and sits in the enclosing bucket.
 */
export const bucketsOf = (usage: Usage, semantics: UsageSemantics, context: BucketContext): Buckets => {
  const { cacheWrite, cacheWrite1h } = usage;
  const hourly = Math.min(cacheWrite1h ?? 0, cacheWrite ?? cacheWrite1h ?? 0);
  return {
    input_tokens: without(usage.input, semantics.inputIncludesCache, [usage.cacheRead, cacheWrite, usage.audioInput]),
    cache_read_tokens: usage.cacheRead ?? null,
    cache_write_tokens: cacheWrite === undefined ? null : cacheWrite - hourly,
    cache_write_1h_tokens: cacheWrite1h === undefined ? null : hourly,
    output_tokens: without(usage.output, semantics.outputIncludesReasoning, [usage.reasoning, usage.audioOutput]),
    reasoning_tokens: usage.reasoning ?? null,
    audio_input_tokens: usage.audioInput ?? null,
    audio_output_tokens: usage.audioOutput ?? null,
    untold: untoldOf(usage, context),
  };
};

/** A figure without its details, unless they are larger than it: then they were never part of it. */
const without = (
  figure: number | undefined,
  isInclusive: boolean,
  details: readonly (number | undefined)[],
): number | null => {
  if (figure === undefined) return null;
  const sum = details.reduce<number>((total, detail) => total + (detail ?? 0), 0);
  return isInclusive && figure >= sum ? figure - sum : figure;
};

const untoldOf = (usage: Usage, context: BucketContext): readonly string[] => {
  if (context.isEmbedding) return [];
  const untold: string[] = [];
  if (usage.input !== undefined && usage.cacheRead === undefined) untold.push('cache_read');
  if (usage.input !== undefined && usage.cacheWrite === undefined && context.billsCacheWrites)
    untold.push('cache_write');
  if (usage.output !== undefined && usage.reasoning === undefined) untold.push('reasoning');
  return untold;
};
