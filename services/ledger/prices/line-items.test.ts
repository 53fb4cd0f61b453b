import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrivals, split } from '../arrivals-fixture.ts';
import { explainRun } from '../explain.ts';
import { COST_DECIMALS, parseScaled } from '../money.ts';
import { serialiseState } from '../state.ts';
import { runBatches } from '../step-fixture.ts';
import { type BookRead, loadPriceBook } from './book.ts';
import { explainCost } from './cost.ts';
import { isPrice } from './price.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const units = (usd: string | null | undefined): bigint => parseScaled(usd ?? '0', COST_DECIMALS) ?? 0n;

/** Rates that end nowhere near a unit of 1e-12: every line has something to round. */
const rate = fc
  .tuple(fc.nat(99), fc.nat(999_999_999_999))
  .map(([whole, part]) => `${whole}.${String(part).padStart(18, '7')}`);
const tokens = fc.option(fc.nat(2_000_000), { nil: null });

const loaded = (text: string): Extract<BookRead, { kind: 'loaded' }> => {
  const read = loadPriceBook([{ path: 'p.yaml', text, problem: null }]);
  if (read.kind === 'refused') throw new Error(JSON.stringify(read.problems));
  return read;
};

describe(`the cost of a call is the sum of its lines (SEED=${SEED})`, () => {
  test('whatever the rates, discounts, currencies and amounts', () => {
    fc.assert(
      fc.property(
        fc.array(rate, { minLength: 8, maxLength: 8 }),
        fc.integer({ min: -300, max: 100 }),
        fc.array(tokens, { minLength: 8, maxLength: 8 }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.integer({ min: 1, max: 50 }),
        (rates, off, amounts, seconds, calls) => {
          const [i = '1', cr = '1', cw = '1', cw1 = '1', o = '1', re = '1', ai = '1', each = '1'] = rates;
          const { book } =
            loaded(`currencies: {EUR: [{from: 2020-01-01, usd: "1.${String(Math.abs(off)).padStart(3, '3')}"}]}
prices:
  - {id: own, models: [m], currency: EUR, effective_from: 2020-01-01, rates: {input_mtok: {base: "${i}", long_context: [{above_prompt_tokens: 100000, price: "${o}"}]}, cache_read_mtok: "${cr}", cache_write_mtok: "${cw}", cache_write_1h_mtok: "${cw1}", output_mtok: "${o}", output_reasoning_mtok: "${re}", input_audio_mtok: "${ai}", each_images: "${each}", audio_hours: "${ai}", requests_kcount: "${cr}"}}
  - {id: tier, models: [m], service_tier: batch, percent_off: ${off}}`);
          const price = book.find({ ...QUERY, tier: off % 2 === 0 ? 'batch' : null });
          // A discount is off what the list has, or own rates for the listed tier.
          if (!isPrice(price)) throw new Error(price.reason);
          const bill = explainCost(price, {
            tokens: {
              input_tokens: amounts[0] ?? null,
              cache_read_tokens: amounts[1] ?? null,
              cache_write_tokens: amounts[2] ?? null,
              cache_write_1h_tokens: amounts[3] ?? null,
              output_tokens: amounts[4] ?? null,
              reasoning_tokens: amounts[5] ?? null,
              audio_input_tokens: amounts[6] ?? null,
              audio_output_tokens: amounts[7] ?? null,
            },
            quantities: { images: calls, audio_seconds: seconds },
            calls,
            isAggregate: false,
          });
          expect(bill.cost_usd).not.toBeNull();
          expect(bill.lines.reduce((sum, line) => sum + units(line.cost_usd), 0n)).toBe(units(bill.cost_usd));
          expect(bill.lines.every((line) => units(line.cost_usd) >= 0n)).toBe(true);
        },
      ),
      { numRuns: 400, seed: SEED },
    );
  });

  test('per entry and in every total, whatever the order of arrival, corrections included', () => {
    const { book } = loaded(`prices:
  - {id: a, models: ["*"], rates: {input_mtok: "1.2345678901234567", cache_read_mtok: "0.1234567890123457", output_mtok: "9.8765432109876543"}}
  - {id: b, provider: openai, models: [gpt-5], rates: {input_mtok: "1.0000003", output_mtok: "10.0000007"}}`);
    fc.assert(
      fc.property(arrivals, ({ order, cuts }) => {
        const { state, entries } = runBatches(split(order, cuts), book);
        const bills = new Map(
          explainRun(serialiseState(state), book).calls.map((call) => [call.call_id, call.bill] as const),
        );
        let total = 0n;
        for (const { booking } of state.books.values()) {
          if (booking === null || booking.cost_usd === null) continue;
          const lines = bills.get(booking.call_id) ?? [];
          const sum = lines.reduce((all, line) => all + units(line.cost_usd), 0n);
          expect([booking.call_id, sum]).toEqual([booking.call_id, units(booking.cost_usd)]);
          total += sum;
        }
        expect(entries.reduce((sum, entry) => sum + units(entry.cost_usd), 0n)).toBe(total);
      }),
      { numRuns: 200, seed: SEED },
    );
  });
});

const QUERY = {
  provider: 'house',
  model: 'm',
  tsMicros: 1_795_000_000_000_000,
  region: null,
  tenant: null,
  account: null,
};
