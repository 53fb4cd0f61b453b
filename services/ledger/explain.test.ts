import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { CallExplanation } from '../../schemas/call-explanation.ts';
import { TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { stepsOfCapture } from '../../test/golden/captured-runs.ts';
import { explainRun } from './explain.ts';
import { sumCosts } from './money.ts';
import { createPriceBook } from './prices/registry.ts';
import { serialiseState } from './state.ts';
import { callOf, llmOf, netBookings, runBatches, stepOf, TEST_PRICES } from './step-fixture.ts';

const BOOK = createPriceBook();
const EMITTERS = readdirSync(new URL('../../test/fixtures/captures/', import.meta.url));

const ranOf = (emitter: string) =>
  [...Map.groupBy(stepsOfCapture(emitter), (step) => `${step.tenant_id}|${step.run_id}`)].map(([key, steps]) => {
    const ran = runBatches([steps], BOOK, undefined, key);
    return { ...ran, why: explainRun(serialiseState(ran.state), BOOK) };
  });

describe('every recorded run is explained', () => {
  test.each(EMITTERS)('%s: each booking has its evidence, each bucket its witness, each cost its lines', (emitter) => {
    for (const { entries, why } of ranOf(emitter)) {
      const reasons = new Map(why.calls.map((call) => [call.call_id, call]));
      for (const booking of netBookings(entries)) {
        const call = reasons.get(String(booking['call_id']));
        if (call === undefined) throw new Error(`call ${booking['call_id']} is not explained`);
        expect(call.evidence.filter((one) => one.is_believed)).toHaveLength(1);
        expect(witnessed(call)).toEqual(TOKEN_COLUMNS.map((column) => booking[column]));
        if (booking['cost_usd'] === null) expect(call.bill).toBeNull();
        else expect(billed(call)).toBeCloseTo(Number(booking['cost_usd']), 10);
      }
      const told = new Set(why.calls.flatMap((call) => call.evidence.map((one) => one.step_id)));
      expect(why.set_aside.filter((one) => told.has(one.step_id))).toEqual([]);
    }
  });
});

/** Each bucket as the step says it that is named for it; null where none is. */
const witnessed = (call: CallExplanation) =>
  TOKEN_COLUMNS.map((column) => {
    const from = call.bucket_from[column];
    return from === undefined ? null : call.evidence.find((one) => one.step_id === from)?.[column];
  });

const billed = (call: CallExplanation) => Number(sumCosts(call.bill?.map((line) => line.cost_usd) ?? []));

describe('why', () => {
  const whyOf = (steps: Parameters<typeof runBatches>[0][number]) => {
    const { state } = runBatches([steps], TEST_PRICES);
    return explainRun(serialiseState(state), TEST_PRICES);
  };
  const bondsOf = (steps: Parameters<typeof runBatches>[0][number]) =>
    whyOf(steps).calls.map((call) => call.evidence.map((one) => [one.step_id, one.bond, one.precedence]));

  test('a call told once is told by nobody else', () => {
    expect(bondsOf([llmOf('a', 100, 10)])).toEqual([[['a', 'only', 'alone']]]);
  });

  test('two names of one response are one call, and more detail is believed', () => {
    const plain = llmOf('a', 100, 10, { response_id: 'r-1', scope_name: 'one' }, { untold: ['cache_read'] });
    const fine = llmOf('b', 60, 10, { response_id: 'r-1', scope_name: 'two' }, { cache_read_tokens: 40 });
    expect(bondsOf([plain, fine])).toEqual([
      [
        ['b', 'response_id', 'detail'],
        ['a', 'response_id', 'detail'],
      ],
    ]);
  });

  test('a log record belongs to its span, and who tells tokens is believed', () => {
    const span = llmOf('a', null, null);
    const log = llmOf('b', 100, 10, { signal: 'log', span_id: 'a' });
    expect(bondsOf([span, log])).toEqual([
      [
        ['b', 'log_of_span', 'usage'],
        ['a', 'log_of_span', 'usage'],
      ],
    ]);
  });

  test('a measured figure stands before an estimated one inside it', () => {
    const outer = llmOf('a', 8, 11, { scope_name: 'one' }, { estimated: true });
    const inner = llmOf('b', 100, 10, { scope_name: 'two', parent_span_id: 'a' });
    expect(bondsOf([outer, inner])).toEqual([
      [
        ['b', 'inside', 'measured'],
        ['a', 'inside', 'measured'],
      ],
    ]);
  });

  test('a sum of calls below is set aside, and says so', () => {
    const around = stepOf('w', {
      step_kind: 'agent',
      call: callOf({ role: 'wrapper', input_tokens: 300, output_tokens: 30 }),
    });
    const why = whyOf([
      around,
      llmOf('a', 100, 10, { parent_span_id: 'w' }),
      llmOf('b', 200, 20, { parent_span_id: 'w', start_unix_micros: 1_795_000_009_000_000 }),
    ]);
    expect(why.calls).toHaveLength(2);
    expect(why.set_aside.map((one) => [one.step_id, one.because])).toEqual([['w', 'wrapper']]);
  });

  test('an account in a signal that is not believed is set aside, and says so', () => {
    const family = 'codex';
    const log = llmOf('log', 100, 10, { family, signal: 'log', span_id: '' });
    const why = whyOf([llmOf('span', 100, 10, { family }), log]);
    expect(why.calls.map((call) => call.evidence.map((one) => one.step_id))).toEqual([['log']]);
    expect(why.set_aside.map((one) => [one.step_id, one.because, one.input_tokens])).toEqual([
      ['span', 'other_signal', 100],
    ]);
  });

  test('what a believed signal of the family tells as well is set aside as that', () => {
    const told = { step_kind: 'llm', family: 'codex', request_model: 'gpt-5' } as const;
    const log = stepOf('l', {
      ...told,
      signal: 'log',
      span_id: '',
      call: callOf({ input_tokens: 100, output_tokens: 10 }),
    });
    const span = stepOf('s', { ...told, call: callOf({ input_tokens: 100, output_tokens: 10 }) });
    const why = whyOf([log, span]);
    expect(why.calls.map((call) => call.evidence.map((one) => one.step_id))).toEqual([['l']]);
    expect(why.set_aside.map((one) => [one.step_id, one.because])).toEqual([['s', 'other_signal']]);
  });

  test('a price the book does not give any more leaves no bill, never a wrong one', () => {
    const { state } = runBatches([[llmOf('a', 100, 10)]], TEST_PRICES);
    const dearer = { hash: 'h', find: () => ({ ...someOtherPrice, price_id: 'elsewhere:gpt-5' }) };
    expect(explainRun(serialiseState(state), dearer).calls[0]?.bill).toBeNull();
    const same = { hash: 'h', find: () => ({ ...someOtherPrice, price_id: 'table:gpt-5' }) };
    expect(explainRun(serialiseState(state), same).calls[0]?.bill).toBeNull();
  });
});

const someOtherPrice = {
  source: 'table',
  rates: new Map(),
  is_inferred: false,
  effective_from: null,
  effective_to: null,
  known_since: null,
  provider: null,
  local: null,
  service_tier: null,
};
