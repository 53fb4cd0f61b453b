import { describe, expect, test } from 'vitest';
import { NO_TOKENS } from '../../../schemas/ledger-entry.ts';
import { llmOf, netBookings, runBatches } from '../step-fixture.ts';
import { bookOf, priceOf, queryOf } from './book-fixture.ts';
import { explainCost } from './cost.ts';
import { isPrice, type PriceQuery } from './price.ts';

describe('a model of one’s own', () => {
  const LOCAL = (more: string): string => `prices:
  - id: rack
    provider: ollama
    models: ["llama3.3:70b"]
    local: {${more}}
`;
  const query = queryOf('llama3.3:70b', { provider: 'Ollama' });
  const useOf = (quantities: Record<string, number>, durationMicros: number | null = null) => ({
    tokens: { ...NO_TOKENS, input_tokens: 1000, output_tokens: 200 },
    quantities,
    calls: 1,
    isAggregate: false,
    durationMicros,
  });

  test('costs its GPU-seconds and its kWh, as measured', () => {
    const price = priceOf(bookOf(LOCAL('gpu_per_hour: 1.80, energy_per_kwh: 0.32')), query);
    const bill = explainCost(price, useOf({ gpu_seconds: 90, kwh: 0.0125 }));
    // 90 s × 1.80 $/h / 3600 = 0.045 $; 0.0125 kWh × 0.32 $ = 0.004 $.
    expect(bill.cost_usd).toBe('0.049000000000');
    expect(bill.lines.map((line) => [line.bucket, line.basis, line.cost_usd])).toEqual([
      ['gpu_seconds', 'measured', '0.045000000000'],
      ['kwh', 'measured', '0.004000000000'],
    ]);
    expect([bill.unknown_parts, bill.isByDuration]).toEqual([[], false]);
  });

  test('what is not measured is modelled from how long the call took, and marked', () => {
    const price = priceOf(
      bookOf(LOCAL('gpu_per_hour: 3.60, gpus: 2, energy_per_kwh: 0.36, watts: 500, busy_share: 0.25, idle_watts: 100')),
      query,
    );
    const bill = explainCost(price, useOf({}, 5_000_000));
    // 5 s on 2 GPUs: 10 s × 0.001 $; 30 s of waiting; 10 s × 500 W = 5000 J; 30 s × 100 W = 3000 J; 8000 J × 1e-7 $/J.
    expect(bill.lines.map((line) => [line.bucket, line.basis, line.quantity, line.cost_usd])).toEqual([
      ['gpu_seconds', 'modelled', 10, '0.010000000000'],
      ['idle_gpu_seconds', 'modelled', 30, '0.030000000000'],
      ['idle_kwh', 'modelled', 3000 / 3_600_000, '0.000300000000'],
      ['kwh', 'modelled', 5000 / 3_600_000, '0.000500000000'],
    ]);
    expect(bill.cost_usd).toBe('0.040800000000');
    expect(bill.isByDuration).toBe(true);
  });

  test('the time in the model counts before the whole time, shared by calls at once', () => {
    const price = priceOf(bookOf(LOCAL('gpu_per_hour: 3.60, gpus: 2, calls_at_once: 4')), query);
    const bill = explainCost(price, useOf({ inference_seconds: 8 }, 20_000_000));
    expect([bill.cost_usd, bill.isByDuration, bill.unpriced_quantities]).toEqual(['0.004000000000', false, []]);
  });

  test('a part nobody knows is named and left out; with none known the cost is unknown, never nothing', () => {
    const price = priceOf(bookOf(LOCAL('gpu_per_hour: 1.80, energy_per_kwh: 0.32')), query);
    const half = explainCost(price, useOf({ gpu_seconds: 90 }));
    expect([half.cost_usd, half.unknown_parts, half.unpriced_quantities]).toEqual(['0.045000000000', ['kwh'], ['kwh']]);
    expect(explainCost(price, useOf({})).cost_usd).toBeNull();
  });

  test('is booked alike whether the span that says how long it took comes before or after the record without a time', () => {
    const book = bookOf(LOCAL('gpu_per_hour: 3.60'));
    const told = { provider: 'ollama', request_model: 'llama3.3:70b', response_id: 'r1' };
    const log = llmOf('l', 100, 10, { ...told, signal: 'log', span_id: '', end_unix_micros: 0 });
    const span = llmOf('s', 100, 10, { ...told, end_unix_micros: log.start_unix_micros + 5_000_000 });
    for (const batches of [[[log], [span]], [[span], [log]], [[span, log]]])
      expect(netBookings(runBatches(batches, book).entries)).toMatchObject([{ cost_usd: '0.005000000000' }]);
    expect(netBookings(runBatches([[log]], book).entries)).toMatchObject([{ unpriced_reason: 'no_price' }]);
  });

  test('digest and quantisation tell weights of one name apart', () => {
    const book = bookOf(`prices:
  - {id: any, models: [llama], local: {gpu_per_hour: 1}}
  - {id: q4, models: [llama], quantisation: q4_k_m, local: {gpu_per_hour: 2}}
  - {id: exact, models: [llama], digest: "sha256:ABC", local: {gpu_per_hour: 3}}
`);
    const hourly = (more: Partial<PriceQuery>): string | null =>
      explainCost(priceOf(book, queryOf('llama', more)), useOf({ gpu_seconds: 3600 })).cost_usd;
    expect(hourly({})).toBe('1.000000000000');
    expect(hourly({ quantisation: 'Q4_K_M' })).toBe('2.000000000000');
    expect(hourly({ quantisation: 'Q4_K_M', digest: 'abc' })).toBe('3.000000000000');
    const tagged = bookOf('prices: [{id: q4, models: ["llama3.3:*"], quantisation: Q4_K_M, local: {gpu_per_hour: 2}}]');
    expect(isPrice(tagged.find(queryOf('llama3.3:70b-instruct-q4_K_M')))).toBe(true);
    expect(isPrice(tagged.find(queryOf('llama3.3:70b-instruct-q8_0')))).toBe(false);
  });
});
