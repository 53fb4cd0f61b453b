import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bucketsOf } from '../token-buckets.ts';
import { INCLUSIVE } from './usage.ts';
import { usageOfMap } from './usage-map.ts';

const count = fc.integer({ min: 0, max: 1_000_000 });
const CONTEXT = { isEmbedding: false, billsCacheWrites: true };

const sumOf = (value: unknown): number => {
  const told = usageOfMap(value as never);
  if (told === undefined) throw new Error('no usage');
  const { untold: _untold, ...buckets } = bucketsOf(told.usage, told.semantics ?? INCLUSIVE, CONTEXT);
  return Object.values(buckets).reduce<number>((sum, bucket) => sum + (bucket ?? 0), 0);
};

describe('a block of usage', () => {
  test('in any provider’s form, its buckets add up to the provider’s total and none is negative', () => {
    fc.assert(
      fc.property(count, count, count, count, count, (uncached, read, write, text, reasoning) => {
        const input = uncached + read + write;
        const output = text + reasoning;
        const total = input + output;
        const forms = [
          {
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: total,
            prompt_tokens_details: { cached_tokens: read },
            completion_tokens_details: { reasoning_tokens: reasoning },
          },
          {
            input_tokens: input,
            output_tokens: output,
            total_tokens: total,
            input_token_details: { cache_read: read, cache_creation: write },
            output_token_details: { reasoning },
          },
          {
            inputTokens: input,
            outputTokens: output,
            totalTokens: total,
            cachedInputTokens: read,
            reasoningTokens: reasoning,
          },
          {
            promptTokenCount: input,
            candidatesTokenCount: text,
            thoughtsTokenCount: reasoning,
            cachedContentTokenCount: read,
            totalTokenCount: total,
          },
          {
            input: uncached,
            output: text,
            input_cached_tokens: read,
            input_cache_creation: write,
            output_reasoning_tokens: reasoning,
            total,
          },
          {
            input_tokens: uncached,
            cache_read_input_tokens: read,
            cache_creation_input_tokens: write,
            output_tokens: output,
          },
        ];
        for (const form of forms) expect(sumOf(form), JSON.stringify(form)).toBe(total);
      }),
    );
  });

  test('what is none is none, and what is huge is bounded', () => {
    for (const value of [null, 'x', [], 5, {}, { usage: 'a lot' }, { total: 5 }])
      expect(usageOfMap(value)).toBeUndefined();
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`input_${at}`, 1]));
    expect(usageOfMap({ input: 5, ...many, output: 5 })?.usage).toEqual({ input: 5 });
  });
});
