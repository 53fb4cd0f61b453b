import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { silentLogger, startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createPipelineLog } from '../../test/support/pipeline.ts';
import { seeded } from '../../test/support/random.ts';
import { until } from '../../test/support/tacho.ts';
import { createLedgerFold } from '../ledger/fold.ts';
import { bookOf, type PriceBook } from '../ledger/prices/price.ts';
import { llmOf, tableSource } from '../ledger/step-fixture.ts';
import { systemClock, systemRandom } from '../runtime/clock.ts';
import type { MemoryEventLog } from '../runtime/event-log/memory.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { createFoldTask } from '../runtime/stream/fold-task.ts';
import { createStreamService, type StreamService } from '../runtime/stream/service.ts';
import { type RepriceDeps, type RepriceSelection, reprice } from './price-reprice.ts';

/** `TACHO_REPRICE_CALLS=100000 npx vitest run services/commands/price-reprice.test.ts` for the figures in docs/reprice.md. */
const CALLS = Number(process.env['TACHO_REPRICE_CALLS'] ?? 10_000);
const CALLS_OF_A_RUN = 50;
const SEED = 20_261_122;
const DAY_MS = 86_400_000;
const START_MS = Date.parse('2026-10-30T00:00:00Z');

/** What a million tokens cost; the catalogue of the test is exact at 12 decimals, so SQL can be. */
type Rates = Readonly<Record<string, Readonly<Record<string, string>>>>;
const OLD: Rates = {
  steady: { input_mtok: '1', cache_read_mtok: '0.1', output_mtok: '4' },
  dearer: { input_mtok: '1.25', cache_read_mtok: '0.125', output_mtok: '10' },
  gone: { input_mtok: '3', cache_read_mtok: '0.3', output_mtok: '15' },
};
const NEW: Rates = {
  steady: { input_mtok: '1', cache_read_mtok: '0.1', output_mtok: '4' },
  dearer: { input_mtok: '2.5', cache_read_mtok: '0.25', output_mtok: '12.345678' },
  come: { input_mtok: '0.05', cache_read_mtok: '0.005', output_mtok: '0.4' },
};
/** Of one name, so that a price which stays is the same price. */
const bookOfRates = (rates: Rates): PriceBook => bookOf([tableSource('list', rates)]);
const MODELS = ['steady', 'dearer', 'gone', 'come'] as const;

let engine: TestEngine;
let log: MemoryEventLog;
let ledger: StreamService;
const lines: string[] = [];
beforeAll(async () => {
  engine = await startTestEngine();
  log = await createPipelineLog();
  const deps = { log, store: engine.store, clock: systemClock, logger: silentLogger, metrics: createMetrics() };
  const task = createFoldTask(createLedgerFold(bookOfRates(OLD)), [TOPICS.steps], { store: engine.store });
  ledger = createStreamService(deps, task, {
    ...{ batchRecordsMax: 10_000, batchBytesMax: 16_000_000, lingerMs: 20, idleMs: 50 },
    onCrash: (error) => {
      throw error;
    },
  });
  await ledger.start();
}, 120_000);
afterAll(async () => {
  await ledger.drain();
  await log.close();
  await engine.close();
});

const madeSteps = (): readonly AgentStep[] => {
  const random = seeded(SEED);
  return Array.from({ length: CALLS }, (_, at): AgentStep => {
    const run = Math.floor(at / CALLS_OF_A_RUN);
    const micros = (START_MS + Math.floor(random() * 4 * DAY_MS)) * 1000;
    const id = `${run}-${at}`;
    return llmOf(
      id,
      1 + Math.floor(random() * 90_000),
      Math.floor(random() * 4000),
      {
        tenant_id: run % 3 === 0 ? 'beta' : 'acme',
        run_id: `run-${run}`,
        trace_id: `trace-${run}`,
        span_id: `s${at}`,
        log_offset: at,
        provider: 'maker',
        request_model: MODELS[Math.floor(random() * MODELS.length)] ?? 'steady',
        start_unix_micros: micros,
        end_unix_micros: micros + 1_000_000,
      },
      { cache_read_tokens: random() < 0.3 ? Math.floor(random() * 50_000) : 0 },
    );
  });
};

const untilBooked = () =>
  until(
    'the ledger has read its topic',
    async () => {
      for (const { partition, end } of await log.ranges(TOPICS.steps)) {
        const at = ledger.report().partitions.find((one) => one.partition === partition && one.topic === TOPICS.steps);
        if (at === undefined || at.next_offset < end) return null;
      }
      return true;
    },
    300_000,
  );

const ALL: RepriceSelection = {
  ...{ fromMs: START_MS - DAY_MS, toMs: START_MS + 10 * DAY_MS },
  ...{ model: null, tenant: null, knownAtMs: null, includeClosed: false },
};
const depsOf = (stop = new AbortController(), append = log.append): RepriceDeps => ({
  world: {
    ...{ clock: systemClock, random: systemRandom, stop: stop.signal },
    print: (line) => void lines.push(line),
    progress: () => undefined,
  },
  log: { append, logId: log.logId },
  store: engine.store,
  prices: bookOfRates(NEW),
});

/** USD by model, by SQL alone: signed tokens times what the lists say, in millionths of a millionth. */
const PICO: Readonly<Record<string, readonly [input: number, read: number, output: number]>> = {
  steady: [1_000_000, 100_000, 4_000_000],
  dearer: [2_500_000, 250_000, 12_345_678],
  come: [50_000, 5_000, 400_000],
};
const recomputed = (where = '1') =>
  engine.store.query<{ model: string; day: string; calls: string; booked: string | null; sql: string | null }>(
    `WITH indexOf({models:Array(String)}, ifNull(toString(model), '')) AS at,
          toInt128({input:Array(Int64)}[at]) AS i, toInt128({read:Array(Int64)}[at]) AS r,
          toInt128({output:Array(Int64)}[at]) AS o
     SELECT toString(model) AS model, toString(toDate(ts)) AS day, toString(sum(calls)) AS calls,
            toString(toInt128(sum(cost_usd) * 1000000000000)) AS booked,
            toString(sum(i * input_tokens + r * ifNull(cache_read_tokens, 0) + o * output_tokens)) AS sql
     FROM ledger_entries WHERE ${where} GROUP BY model, day ORDER BY model, day`,
    {
      models: Object.keys(PICO),
      input: Object.values(PICO).map(([rate]) => rate),
      read: Object.values(PICO).map(([, rate]) => rate),
      output: Object.values(PICO).map(([, , rate]) => rate),
    },
  );
const oneRow = async (sql: string) => (await engine.store.query<Record<string, string>>(sql))[0];
const DIMENSIONS =
  'tenant_id, ts, call_id, trace_id, span_id, run_id, service, provider, model, family, outcome, untold, labels';

describe(`${CALLS} calls priced anew (seed ${SEED})`, () => {
  test('are shown by model and day as SQL has them, and nothing is booked before it is meant', async () => {
    const steps = madeSteps();
    for (let at = 0; at < steps.length; at += 10_000)
      await log.append(
        steps.slice(at, at + 10_000).map((step) => ({
          topic: TOPICS.steps,
          key: `${step.tenant_id}|${step.run_id}`,
          value: encodeAgentStep(step),
        })),
      );
    await untilBooked();
    expect(await oneRow('SELECT toString(sum(calls)) AS calls FROM ledger_entries')).toEqual({ calls: `${CALLS}` });
    lines.length = 0;
    expect(await reprice(depsOf(), ALL, false)).toBe(0);
    const before = await oneRow(`SELECT toString(count()) AS changed, toString(sum(cost_usd)) AS old,
      toString(countIf(cost_usd IS NULL)) AS come, toString(countIf(model = 'gone')) AS gone
      FROM ledger_entries WHERE model != 'steady'`);
    expect(lines[0]).toBe(
      `looked at ${CALLS} calls of ${CALLS / CALLS_OF_A_RUN} runs: ${before?.['changed']} have another price`,
    );
    const [day, calls, old, , , come, gone] = lines.at(-1)?.split(/ {2,}/) ?? [];
    expect([day, calls, Number(old)]).toEqual(['all', before?.['changed'], Number(before?.['old'])]);
    expect([come, gone]).toEqual([before?.['come'], before?.['gone']]);
    expect(await oneRow(`SELECT toString(count()) AS n FROM ledger_entries`)).toEqual({ n: `${CALLS}` });
  }, 300_000);

  test('closed months and other tenants are left alone until they are asked for', async () => {
    const row = { month: '2026-10', is_closed: true, actor: 'test', at: '2026-11-22 00:00:00.000', version: 1 };
    await engine.store.insert('closed_months', [{ ...row, tenant_id: '' }], { token: 'closed' });
    const october = await oneRow(`SELECT toString(count()) AS n FROM ledger_entries WHERE toYYYYMM(ts) = 202610`);
    lines.length = 0;
    expect(await reprice(depsOf(), { ...ALL, model: 'dearer', tenant: 'beta' }, true)).toBe(0);
    await untilBooked();
    expect(lines.some((line) => line.startsWith('left ') && line.includes('closed months'))).toBe(true);
    expect(Number(october?.['n'])).toBeGreaterThan(0);
    const repriced = await engine.store.query(
      `SELECT DISTINCT tenant_id, model, toYYYYMM(ts) AS month FROM ledger_entries WHERE reason = 'repriced'`,
    );
    expect(repriced).toEqual([{ tenant_id: 'beta', model: 'dearer', month: 202611 }]);
  }, 300_000);

  test('ended in the middle and begun again, the books are those of SQL, and a third time changes nothing', async () => {
    const stop = new AbortController();
    let appended = 0;
    const all = { ...ALL, includeClosed: true };
    await reprice(
      depsOf(stop, async (records) => {
        appended += 1;
        if (appended === 2) stop.abort();
        return log.append(records);
      }),
      all,
      true,
    );
    expect(lines.at(-1)).toContain('goes on with the rest');
    // Not waited for: what was told is told again, with a later moment.
    expect(await reprice(depsOf(), all, true)).toBe(0);
    await untilBooked();
    const rows = await recomputed(`model != 'gone'`);
    expect(rows).toHaveLength(12);
    expect(rows.filter(({ booked, sql }) => booked !== sql)).toEqual([]);
    expect(
      await oneRow(`SELECT sum(cost_usd) AS cost, sum(calls) AS calls FROM ledger_entries WHERE model = 'gone'
      GROUP BY call_id HAVING cost != 0 OR calls != 1 LIMIT 1`),
    ).toBeUndefined();
    expect(
      await oneRow(`SELECT ${DIMENSIONS} FROM ledger_entries GROUP BY ${DIMENSIONS} HAVING sum(calls) != 1 LIMIT 1`),
    ).toBeUndefined();
    const entries = await oneRow(
      `SELECT toString(count()) AS n, toString(uniqExact(entry_id)) AS ids FROM ledger_entries`,
    );
    expect(entries?.['n']).toBe(entries?.['ids']);
    lines.length = 0;
    expect(await reprice(depsOf(), all, true)).toBe(0);
    expect(lines).toEqual([`looked at ${CALLS} calls of ${CALLS / CALLS_OF_A_RUN} runs: 0 have another price`]);
  }, 300_000);
});
