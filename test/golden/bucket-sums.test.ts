import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StepCall } from '../../schemas/agent-step.ts';
import { TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { playLedger } from '../../services/ledger/fold-fixture.ts';
import { netBookings } from '../../services/ledger/step-fixture.ts';
import { stepOf, type Values } from '../../services/normalizer/batch-fixture.ts';
import { bucketsOf } from '../../services/normalizer/token-buckets.ts';
import { FIXTURE_PRICES } from './ledger-truth.ts';

/** The disjoint buckets of a call add up to the provider's total, in whatever dialect and detail it was told. */

const SEED = Number(process.env['SEED'] ?? 20_261_122);

/** What a call used, disjoint, and which of the details its emitter tells. */
const usedArbitrary = fc.record({
  fresh: fc.nat({ max: 5_000 }),
  read: fc.nat({ max: 5_000 }),
  write: fc.nat({ max: 5_000 }),
  text: fc.nat({ max: 5_000 }),
  reasoning: fc.nat({ max: 5_000 }),
  told: fc.subarray(['read', 'write', 'reasoning'] as const),
});
type Used = typeof usedArbitrary extends fc.Arbitrary<infer T> ? T : never;
type Detail = Used['told'][number];

const inputOf = ({ fresh, read, write }: Used): number => fresh + read + write;
const outputOf = ({ text, reasoning }: Used): number => text + reasoning;
/** The details that are told, each under the key a dialect has for it. */
const details = (used: Used, keys: Readonly<Partial<Record<Detail, string>>>): Values =>
  Object.fromEntries(used.told.flatMap((detail) => (keys[detail] === undefined ? [] : [[keys[detail], used[detail]]])));

/** Dialects that count details within the totals, and those that count them beside. */
const DIALECTS: Readonly<Record<string, (used: Used) => Values>> = {
  'OTel GenAI': (used) => ({
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'gpt-5',
    'gen_ai.usage.input_tokens': inputOf(used),
    'gen_ai.usage.output_tokens': outputOf(used),
    ...details(used, {
      read: 'gen_ai.usage.cache_read.input_tokens',
      write: 'gen_ai.usage.cache_creation.input_tokens',
      reasoning: 'gen_ai.usage.reasoning.output_tokens',
    }),
  }),
  'OTel GenAI before 1.27': (used) => ({
    'gen_ai.system': 'openai',
    'gen_ai.request.model': 'gpt-5',
    'gen_ai.usage.prompt_tokens': inputOf(used),
    'gen_ai.usage.completion_tokens': outputOf(used),
  }),
  OpenInference: (used) => ({
    'openinference.span.kind': 'LLM',
    'llm.model_name': 'gpt-5',
    'llm.token_count.prompt': inputOf(used),
    'llm.token_count.completion': outputOf(used),
    ...details(used, {
      read: 'llm.token_count.prompt_details.cache_read',
      write: 'llm.token_count.prompt_details.cache_write',
      reasoning: 'llm.token_count.completion_details.reasoning',
    }),
  }),
  'Langfuse, buckets beside each other': (used) => ({
    'langfuse.observation.type': 'generation',
    'langfuse.observation.model.name': 'gpt-5',
    'langfuse.observation.usage_details': JSON.stringify({
      input: used.fresh,
      input_cached_tokens: used.read,
      input_cache_creation: used.write,
      output: used.text,
      output_reasoning_tokens: used.reasoning,
      total: inputOf(used) + outputOf(used),
    }),
  }),
  'an unknown emitter with the block of the OpenAI API': (used) => ({
    'acme.kind': 'llm',
    'acme.model': 'gpt-5',
    'acme.usage': JSON.stringify({
      prompt_tokens: inputOf(used),
      completion_tokens: outputOf(used),
      total_tokens: inputOf(used) + outputOf(used),
      prompt_tokens_details: used.told.includes('read') ? { cached_tokens: used.read } : {},
      completion_tokens_details: used.told.includes('reasoning') ? { reasoning_tokens: used.reasoning } : {},
    }),
  }),
  'an unknown emitter with the block of the Anthropic API': (used) => ({
    'acme.kind': 'llm',
    'acme.model': 'claude-haiku-4-5',
    'acme.usage': JSON.stringify({
      input_tokens: used.fresh,
      cache_read_input_tokens: used.read,
      cache_creation_input_tokens: used.write,
      output_tokens: outputOf(used),
    }),
  }),
};

const bucketsTold = (buckets: Partial<Record<(typeof TOKEN_COLUMNS)[number], number | null>>): number =>
  TOKEN_COLUMNS.reduce((sum, column) => sum + (buckets[column] ?? 0), 0);

describe(`sum of buckets (seed ${SEED})`, () => {
  test.each(Object.entries(DIALECTS))('%s: what is booked is what the provider counts', (_name, told) => {
    fc.assert(
      fc.property(usedArbitrary, (used) => {
        const { entries } = playLedger([stepOf(told(used))], FIXTURE_PRICES);
        const [booking, ...others] = netBookings(entries);
        expect(others).toEqual([]);
        const total = inputOf(used) + outputOf(used);
        const call: Partial<StepCall> = booking ?? {};
        expect(bucketsTold(call)).toBe(total);
        for (const column of TOKEN_COLUMNS) expect(call[column] ?? 0, column).toBeGreaterThanOrEqual(0);
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  test('two accounts of one call, one coarse and one fine, are booked as the total both tell', () => {
    fc.assert(
      fc.property(usedArbitrary, usedArbitrary, fc.boolean(), (used, other, isReversed) => {
        const step = (id: string, attributes: Values) =>
          stepOf({ ...attributes, 'gen_ai.response.id': 'r-1', 'llm.response.id': 'r-1' }, { spanId: id.repeat(16) });
        const otel = DIALECTS['OTel GenAI']?.({ ...used, told: [] }) ?? {};
        const fine = DIALECTS['OpenInference']?.({ ...used, told: other.told }) ?? {};
        const steps = [step('a', otel), step('b', fine)];
        const { entries } = playLedger(isReversed ? steps.reverse() : steps, FIXTURE_PRICES);
        const bookings = netBookings(entries);
        expect(bookings).toHaveLength(1);
        expect(bucketsTold(bookings[0] ?? {})).toBe(inputOf(used) + outputOf(used));
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  test('of two accounts that disagree one gives the whole of a side: no split of another total is mixed in', () => {
    const named = { 'gen_ai.response.id': 'r-1', 'llm.response.id': 'r-1' };
    fc.assert(
      fc.property(usedArbitrary, usedArbitrary, (used, other) => {
        const otel = stepOf({ ...named, ...DIALECTS['OTel GenAI']?.(used) }, { spanId: 'a'.repeat(16) });
        const open = stepOf({ ...named, ...DIALECTS['OpenInference']?.(other) }, { spanId: 'b'.repeat(16) });
        const [booking, ...others] = netBookings(playLedger([otel, open], FIXTURE_PRICES).entries);
        expect(others).toEqual([]);
        const call: Partial<StepCall> = booking ?? {};
        const input = (call.input_tokens ?? 0) + (call.cache_read_tokens ?? 0) + (call.cache_write_tokens ?? 0);
        const output = (call.output_tokens ?? 0) + (call.reasoning_tokens ?? 0);
        expect([
          [inputOf(used), outputOf(used)],
          [inputOf(other), outputOf(other)],
        ]).toContainEqual([input, output]);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test('no figures, however they contradict each other, make a bucket below zero or a told one unknown', () => {
    const count = fc.option(fc.nat({ max: 1_000 }), { nil: undefined });
    const usage = fc.record({
      ...{ input: count, output: count, cacheRead: count, cacheWrite: count },
      ...{ cacheWrite1h: count, reasoning: count, audioInput: count, audioOutput: count },
    });
    const semantics = fc.record({ inputIncludesCache: fc.boolean(), outputIncludesReasoning: fc.boolean() });
    fc.assert(
      fc.property(usage, semantics, (said, meaning) => {
        const buckets = bucketsOf(said, meaning, { isEmbedding: false, billsCacheWrites: true });
        for (const column of TOKEN_COLUMNS) {
          const value = buckets[column];
          if (value !== null) expect(value, column).toBeGreaterThanOrEqual(0);
        }
        expect(buckets.input_tokens === null).toBe(said.input === undefined);
        expect(buckets.output_tokens === null).toBe(said.output === undefined);
        expect(buckets.cache_read_tokens).toBe(said.cacheRead ?? null);
        expect(buckets.reasoning_tokens).toBe(said.reasoning ?? null);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});
