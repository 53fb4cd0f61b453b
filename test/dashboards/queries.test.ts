import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pipelineRules } from '../../dashboards/rules/pipeline.ts';
import { fileGroupOf } from '../../dashboards/rules/rule.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { capturedRecords, createPipeline, createPipelineLog, untilDone } from '../support/pipeline.ts';
import { evaluate } from './evaluate.ts';
import { ask, type Choices, EVERYTHING, type Frame, msOf, onlyField } from './frames.ts';
import type { QueryTime } from './macros.ts';
import { seedEverything } from './seeds.ts';
import { allPanels, dashboards, targetsOf } from './targets.ts';

const DAY_MS = 86_400_000;
const nowMs = Date.now();
/** The whole history, as wide as a dashboard would draw it. */
const month: QueryTime = { fromMs: nowMs - 32 * DAY_MS, toMs: nowMs + 60_000, intervalMs: 3_600_000 };

/** A frame that the panel can draw, whatever is in the tables. */
const assertShape = (type: string, frame: Frame): void => {
  expect(frame.fields.filter((field) => field.kind === 'other')).toEqual([]);
  expect(new Set(frame.fields.map((field) => field.name)).size).toBe(frame.fields.length);
  if (type === 'timeseries') {
    const times = onlyField(frame, 'time').values.map(msOf);
    expect(times.every((time) => Number.isFinite(time))).toBe(true);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const labels = frame.fields.filter((field) => field.kind === 'string');
    expect(labels.flatMap((field) => field.values).every((label) => typeof label === 'string' && label !== '')).toBe(
      true,
    );
    // One point a series and time: a long frame with two would be folded into the last.
    const points = times.map((time, row) => [time, ...labels.map((field) => field.values[row])].join('|'));
    expect(new Set(points).size).toBe(points.length);
    expect(frame.fields.some((field) => field.kind === 'number')).toBe(true);
  }
  if (type === 'stat') {
    expect(frame.fields.map((field) => field.kind)).toEqual(['number']);
    expect(frame.rows).toBe(1);
  }
  if (type === 'bargauge') expect(frame.fields.map((field) => field.kind)).toEqual(['string', 'number']);
};

const variablesOf = dashboards.flatMap((dashboard) =>
  (dashboard.templating.list ?? [])
    .filter((variable) => variable.type === 'query')
    .map((variable) => [`${dashboard.uid ?? ''} / ${variable.name}`, String(variable.query)] as const),
);

describe('with seeded rows', () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startTestEngine();
    await seedEverything(engine.store, nowMs);
  });
  afterAll(async () => engine.close());

  test.each(allPanels)('%s shows something, in the shape its panel draws', async (_, __, panel) => {
    for (const target of targetsOf(panel)) {
      const frame = await ask(engine, target.rawSql, month);
      assertShape(panel.type, frame);
      expect(frame.rows).toBeGreaterThan(0);
      const numbers = frame.fields.filter((field) => field.kind === 'number').flatMap((field) => field.values);
      expect(numbers.some((value) => value !== null)).toBe(true);
    }
  });

  test.each(variablesOf)('variable %s offers values', async (_, sql) => {
    const frame = await ask(engine, sql, month);
    expect(frame.fields.map((field) => field.kind)).toEqual(['string']);
    expect(frame.rows).toBeGreaterThan(0);
  });

  test('a choice narrows every panel that knows it, and two tenants add up to all', async () => {
    const [, , spend] = allPanels.find(([place]) => place === 'tachograph-cost / Spend') ?? [];
    const sql = spend === undefined ? '' : (targetsOf(spend)[0]?.rawSql ?? '');
    const spent = async (choices: Choices): Promise<number> =>
      Number(onlyField(await ask(engine, sql, month, choices), 'number').values[0]);
    const demo = await spent({ ...EVERYTHING, tenant: ['demo'] });
    const acme = await spent({ ...EVERYTHING, tenant: ['acme'] });
    const all = await spent(EVERYTHING);
    expect(demo).toBeGreaterThan(0);
    expect(acme).toBeGreaterThan(0);
    expect(demo + acme).toBeCloseTo(all, 6);
    expect(await spent({ ...EVERYTHING, tenant: ['demo', 'acme'] })).toBeCloseTo(all, 6);
    expect(await spent({ ...EVERYTHING, agent: ['research-agent'] })).toBeLessThan(all);
    const [row] = await engine.store.query<{ total: string }>(
      'SELECT toString(sum(cost_usd)) AS total FROM ledger_entries',
    );
    expect(all).toBeCloseTo(Number(row?.total), 6);
  });

  test('unknown is never shown as 0: no known cost gives NULL, and the share says so', async () => {
    const nothingKnown: Choices = { ...EVERYTHING, tenant: ['nobody'] };
    for (const [place, , panel] of allPanels) {
      if (!/Spend( today)?$|Share of cost known$|Input from cache$/.test(place)) continue;
      const frame = await ask(engine, targetsOf(panel)[0]?.rawSql ?? '', month, nothingKnown);
      expect([place, onlyField(frame, 'number').values[0]]).toEqual([place, null]);
    }
  });

  test('hostile names of agents stay within their quotes', async () => {
    const names = [`x\\') OR 1=1 --`, `'; DROP TABLE runs; --`, '*', '"', '\\', "\\'"];
    for (const [place, , panel] of allPanels) {
      for (const target of targetsOf(panel)) {
        // The values a variable offers never hold a backslash.
        const offered = names.map((name) => name.replaceAll('\\', '/'));
        await expect(
          ask(engine, target.rawSql, month, { ...EVERYTHING, agent: offered }),
          place,
        ).resolves.toBeDefined();
      }
    }
  });

  test('a row whose agent nobody told belongs to All, and can be chosen', async () => {
    const [, , calls] = allPanels.find(([place]) => place === 'tachograph-overview / Calls') ?? [];
    const panel =
      allPanels.find(([place, , found]) => place === 'tachograph-overview / Calls' && found.type === 'stat')?.[2] ??
      calls;
    const sql = panel === undefined ? '' : (targetsOf(panel)[0]?.rawSql ?? '');
    const count = async (choices: Choices): Promise<number> =>
      Number(onlyField(await ask(engine, sql, month, choices), 'number').values[0]);
    const before = await count(EVERYTHING);
    await engine.store.command(
      `INSERT INTO ledger_entries (entry_id, tenant_id, ts, call_id, calls, agent_name, logged_at) VALUES ('untold', 'demo', now64(6) - 3600, 'untold', 1, NULL, now64(3)), ('hostile', 'demo', now64(6) - 3600, 'hostile', 1, 'a\\\\b\\'c', now64(3))`,
    );
    expect(await count(EVERYTHING)).toBe(before + 2);
    expect(await count({ ...EVERYTHING, agent: ['(not told)'] })).toBe(1);
    expect(await count({ ...EVERYTHING, agent: ["a/b'c"] })).toBe(1);
    await engine.store.command(
      "ALTER TABLE ledger_entries DELETE WHERE entry_id IN ('untold', 'hostile') SETTINGS mutations_sync = 2",
    );
  });
});

const AT_ONCE = 10;

describe('with recorded traffic', () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startTestEngine();
    const log = await createPipelineLog();
    const services = createPipeline(log, engine.store);
    for (const service of services) await service.start();
    // Some at a time: a slow machine would read the last of all of them late, and rightly say so.
    const records = capturedRecords();
    for (let at = 0; at < records.length; at += AT_ONCE) {
      await log.append(records.slice(at, at + AT_ONCE));
      await untilDone(log, services);
    }
    for (const service of services) await service.drain();
  }, 180_000);
  afterAll(async () => engine.close());

  test.each(allPanels)('%s can be drawn', async (_, __, panel) => {
    const years: QueryTime = { fromMs: Date.parse('2024-01-01'), toMs: Date.now() + 60_000, intervalMs: DAY_MS };
    for (const target of targetsOf(panel)) assertShape(panel.type, await ask(engine, target.rawSql, years));
  });

  test('no alert fires on a healthy pipeline', async () => {
    for (const rule of fileGroupOf(pipelineRules).rules) {
      const plain = JSON.parse(JSON.stringify(rule)) as Parameters<typeof evaluate>[1];
      const { state, instances } = await evaluate(engine, plain, Date.now());
      expect([rule.uid, state === 'Alerting' ? instances : []]).toEqual([rule.uid, []]);
    }
  });
});

describe('with empty tables', () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());

  test.each(allPanels)('%s answers without an error', async (_, __, panel) => {
    for (const target of targetsOf(panel)) {
      const frame = await ask(engine, target.rawSql, month);
      assertShape(panel.type, frame);
      expect(frame.rows).toBe(panel.type === 'stat' ? 1 : 0);
    }
  });

  test.each(variablesOf)('variable %s answers without an error', async (_, sql) => {
    expect((await ask(engine, sql, month)).rows).toBe(0);
  });
});
