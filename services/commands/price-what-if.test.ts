import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createDice } from '../../test/support/random.ts';
import { bookOf } from '../ledger/prices/price.ts';
import { llmOf, runBatches, tableSource } from '../ledger/step-fixture.ts';
import type { Row } from '../runtime/ports.ts';
import { priceOtherwise, type WhatIf } from './price-what-if.ts';

const SEED = 411;
const START_MS = Date.parse('2026-05-01T00:00:00Z');
const DAY_MS = 86_400_000;
const LIST = bookOf([
  tableSource('list', {
    small: { input_mtok: '0.25', cache_read_mtok: '0.025', cache_write_mtok: '0.3', output_mtok: '2' },
    large: { input_mtok: '2.5', cache_read_mtok: '0.25', cache_write_mtok: '3', output_mtok: '15' },
  }),
]);

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
  const dice = createDice(SEED);
  const rows: Row[] = [];
  for (let run = 0; run < 60; run += 1) {
    const steps = Array.from({ length: 20 }, (_, at) => {
      const micros = (START_MS + dice.within(0, 3 * DAY_MS)) * 1000;
      const input = dice.chance(0.05) ? null : dice.within(1, 80_000);
      return llmOf(
        `${run}-${at}`,
        input,
        input === null ? null : dice.within(0, 3_000),
        {
          ...{ run_id: `run-${run}`, span_id: `s${at}`, trace_id: `t${run}`, provider: 'maker' },
          ...{
            request_model: dice.pick(['small', 'large', 'nobody-knows']),
            tenant_id: dice.pick(['acme', 'acme', 'beta']),
          },
          ...{ start_unix_micros: micros, end_unix_micros: micros + 5 },
        },
        {
          cache_read_tokens: input === null ? null : dice.within(0, 9_000),
          cache_write_tokens: input === null ? null : dice.within(0, 900),
        },
      );
    });
    // Told again with another account: every call is taken back and booked anew.
    const again = steps
      .slice(0, 5)
      .map((step) => ({ ...step, step_id: `${step.step_id}x`, log_offset: 5, agent_name: 'a' }));
    for (const tenant of ['acme', 'beta']) {
      const own = [steps, again].map((batch) => batch.filter((step) => step.tenant_id === tenant));
      rows.push(
        ...(runBatches(own, LIST, undefined, `${tenant}|run-${run}`).entries as readonly unknown[] as readonly Row[]),
      );
    }
  }
  await engine.store.insert('ledger_entries', rows, { token: 'seed' });
});
afterAll(() => engine.close());

const ASK: WhatIf = {
  ...{ fromMs: START_MS, toMs: START_MS + 10 * DAY_MS, tenant: null },
  ...{ models: new Map(), tier: null, hasCache: true },
};
/** USD of the standing calls by SQL alone, in 10^-12: signed tokens times what a million of them costs in micro-dollars. */
const bySql = async (rates: string, where = '1'): Promise<bigint> => {
  const [row] = await engine.store.query<{ readonly usd: string }>(
    `SELECT toString(ifNull(sum(toInt128(${rates})), 0)) AS usd FROM ledger_entries
     WHERE cost_usd IS NOT NULL AND ts >= '2026-05-01' AND ${where}`,
  );
  return BigInt(row?.usd ?? '0');
};
const SMALL =
  'input_tokens * 250000 + cache_read_tokens * 25000 + cache_write_tokens * 300000 + output_tokens * 2000000';
const LARGE =
  'input_tokens * 2500000 + cache_read_tokens * 250000 + cache_write_tokens * 3000000 + output_tokens * 15000000';
const AS_IT_WAS = `if(model = 'small', ${SMALL}, ${LARGE})`;

describe(`the same history priced otherwise (seed ${SEED})`, () => {
  test('as it was is what is booked, and what SQL makes of it', async () => {
    const { recorded, before, after } = await priceOtherwise(engine.store, LIST, LIST, ASK);
    expect(before).toBe(recorded);
    expect(after).toBe(before);
    expect(before).toBe(await bySql(AS_IT_WAS));
  });

  test('another model, no cache and other prices are what SQL makes of them', async () => {
    const other = await priceOtherwise(engine.store, LIST, LIST, { ...ASK, models: new Map([['large', 'small']]) });
    expect(other.after).toBe(await bySql(SMALL));
    expect(other.before).toBe(await bySql(AS_IT_WAS));
    expect(other.lines.some((line) => line.startsWith('large → small '))).toBe(true);
    const plain = await priceOtherwise(engine.store, LIST, LIST, { ...ASK, hasCache: false, tenant: 'acme' });
    const input = '(input_tokens + cache_read_tokens + cache_write_tokens)';
    const uncached = `if(model = 'small', ${input} * 250000 + output_tokens * 2000000, ${input} * 2500000 + output_tokens * 15000000)`;
    expect(plain.after).toBe(await bySql(uncached, `tenant_id = 'acme'`));
    const dear = bookOf([
      tableSource('dear', {
        small: { input_mtok: '1', output_mtok: '3' },
        large: { input_mtok: '1', output_mtok: '3' },
      }),
    ]);
    const file = await priceOtherwise(engine.store, LIST, dear, { ...ASK, toMs: START_MS + DAY_MS });
    expect(file.after).toBe(await bySql(`${input} * 1000000 + output_tokens * 3000000`, `ts < '2026-05-02'`));
  });

  test('calls without usage or price are counted, and in neither sum', async () => {
    const { lines } = await priceOtherwise(engine.store, LIST, LIST, {
      ...ASK,
      models: new Map([['large', 'no-such']]),
    });
    const [row] = await engine.store.query<Record<string, string>>(
      `SELECT toString(sum(calls)) AS every, toString(sumIf(calls, unpriced_reason = 'no_usage')) AS silent,
              toString(sumIf(calls, unpriced_reason = 'no_price' OR (model = 'large' AND cost_usd IS NOT NULL))) AS unpriced
       FROM ledger_entries`,
    );
    const cells = lines.at(-1)?.split(/ +/) ?? [];
    expect([cells[1], cells[6], cells[7]]).toEqual([row?.['every'], row?.['silent'], row?.['unpriced']]);
    const tiered = await priceOtherwise(engine.store, LIST, LIST, { ...ASK, tier: 'priority' });
    expect([tiered.before, tiered.after]).toEqual([0n, 0n]);
  });
});
