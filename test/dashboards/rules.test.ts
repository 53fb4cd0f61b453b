import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { pageRules } from '../../dashboards/rules/pages.ts';
import { pipelineRules } from '../../dashboards/rules/pipeline.ts';
import { type FileRule, fileGroupOf } from '../../dashboards/rules/rule.ts';
import type { Row } from '../../services/runtime/ports.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { insertRows } from '../support/seed-rows.ts';
import { type Evaluation, evaluate } from './evaluate.ts';
import { auditRow, batchRow, brakeRow, budgetRow, RULE_TABLES, violationRow } from './seeds.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** A moment in the middle of a day, near now: tables expire. */
const nowMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - 12 * HOUR_MS;

const rules = [pipelineRules, pageRules].flatMap(
  (group) => JSON.parse(JSON.stringify(fileGroupOf(group).rules)) as readonly FileRule[],
);

describe('alert rules on the real engine', () => {
  let engine: TestEngine;
  let seeded = 0;
  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());
  beforeEach(async () => {
    for (const table of RULE_TABLES) await engine.store.command(`TRUNCATE TABLE ${table}`);
  });

  const seed = async (rows: Readonly<Partial<Record<(typeof RULE_TABLES)[number], readonly Row[]>>>): Promise<void> => {
    seeded += 1;
    await insertRows(engine.store, rows as Readonly<Record<string, readonly Row[]>>, `rules-${seeded}`);
  };
  const look = async (uid: string, atMs = nowMs): Promise<Evaluation> => {
    const rule = rules.find((candidate) => candidate.uid === uid);
    if (rule === undefined) throw new Error(`no rule ${uid}`);
    return evaluate(engine, rule as Parameters<typeof evaluate>[1], atMs);
  };
  const firing = async (uid: string, atMs = nowMs) =>
    (await look(uid, atMs)).instances.filter((instance) => instance.isFiring).map((instance) => instance.labels);

  test.each(rules.map((rule) => [rule.uid, rule] as const))(
    '%s: no data means what the rule states',
    async (uid, rule) => {
      expect((await look(uid)).state).toBe('NoData');
      expect(rule.noDataState).toBe('OK');
      expect(rule.execErrState).toBe('Error');
    },
  );

  test('freshness: names the service that is late, and no other', async () => {
    await seed({
      batches: [
        batchRow(nowMs - MINUTE_MS, { service: 'normalizer', took: 700 }),
        batchRow(nowMs - MINUTE_MS, { service: 'ledger', took: 45_000 }),
        batchRow(nowMs - 20 * MINUTE_MS, { service: 'policy', took: 99_000 }),
      ],
    });
    expect(await firing('tachograph-freshness')).toEqual([{ service: 'ledger' }]);
    expect((await look('tachograph-freshness')).instances).toHaveLength(2);
  });

  /** The normalizer wrote up to `wrote` in partition 0 at `atMs`. */
  const produced = (atMs: number, wrote: number): Row =>
    batchRow(atMs, { service: 'normalizer', produced: { 'agent_steps/0': wrote, 'nobody_reads/0': 9999 } });
  const folded = (service: string, atMs: number, end: number, rest: Row = {}): Row =>
    batchRow(atMs, { service, end, ...rest });

  test('lag: since when the first unread step waits, for each fold', async () => {
    await seed({
      batches: [
        produced(nowMs - 20 * MINUTE_MS, 100),
        produced(nowMs - 4 * MINUTE_MS, 200),
        produced(nowMs - 1000, 300),
        ...['ledger', 'lineage', 'policy'].map((service) => folded(service, nowMs - HOUR_MS, 50)),
        folded('ledger', nowMs - 900, 200),
        folded('lineage', nowMs - 900, 300),
        folded('policy', nowMs - 900, 100),
      ],
    });
    const { instances } = await look('tachograph-lag');
    expect(instances).toEqual([
      { labels: { service: 'ledger' }, value: 1, isFiring: false },
      { labels: { service: 'lineage' }, value: 0, isFiring: false },
      { labels: { service: 'policy' }, value: 240, isFiring: true },
    ]);
  });

  test('lag: a partition nobody has read is seen', async () => {
    await seed({
      batches: [
        batchRow(nowMs - 5 * MINUTE_MS, {
          service: 'normalizer',
          produced: { 'agent_steps/0': 5, 'agent_steps/1': 7 },
        }),
        folded('ledger', nowMs - 4 * MINUTE_MS, 5),
      ],
    });
    expect(await firing('tachograph-lag')).toEqual([{ service: 'ledger' }]);
  });

  test('lag: a reader of what a fold writes is watched too, and one out of service for a week is not', async () => {
    await seed({
      batches: [
        folded('policy', nowMs - 6 * MINUTE_MS, 5, { produced: { 'policy_violations/1': 3 } }),
        folded('alerter', nowMs - HOUR_MS, 9, { topic: 'policy_violations' }),
        folded('retired', nowMs - 8 * DAY_MS, 9, { topic: 'policy_violations' }),
      ],
    });
    expect(await firing('tachograph-lag')).toEqual([{ service: 'alerter' }]);
    expect(await firing('tachograph-stopped')).toEqual([{ service: 'alerter' }]);
  });

  test('lag: a log made anew does not count the steps of the old one', async () => {
    await seed({
      batches: [
        produced(nowMs - 2 * HOUR_MS, 5000),
        folded('ledger', nowMs - 2 * HOUR_MS, 5000, { log_id: 'old' }),
        produced(nowMs - 2000, 10),
        folded('ledger', nowMs - 1000, 10, { log_id: 'new' }),
      ],
    });
    expect((await look('tachograph-lag')).state).toBe('Normal');
  });

  test('stopped: a fold that writes nothing while steps wait; one with nothing to do is fine', async () => {
    await seed({
      batches: [
        produced(nowMs - 30 * MINUTE_MS, 100),
        produced(nowMs - 1000, 200),
        folded('ledger', nowMs - 900, 200),
        folded('policy', nowMs - 30 * MINUTE_MS, 100),
      ],
    });
    expect(await firing('tachograph-stopped')).toEqual([{ service: 'policy' }]);
    await engine.store.command('TRUNCATE TABLE batches');
    await seed({ batches: [produced(nowMs - 30 * MINUTE_MS, 100), folded('policy', nowMs - 30 * MINUTE_MS, 100)] });
    expect((await look('tachograph-stopped')).state).toBe('Normal');
  });

  test('silent: steady traffic that ends; not a laptop that is used now and then', async () => {
    const steady = Array.from({ length: 140 }, (_, at) =>
      batchRow(nowMs - 40 * MINUTE_MS - at * 10 * MINUTE_MS, { service: 'normalizer' }),
    );
    await seed({ batches: steady });
    expect(await firing('tachograph-silent')).toEqual([{ service: 'normalizer' }]);
    // It stays until somebody mends it, or two days have passed.
    expect(await firing('tachograph-silent', nowMs + 20 * HOUR_MS)).toEqual([{ service: 'normalizer' }]);
    expect((await look('tachograph-silent', nowMs - 35 * MINUTE_MS)).state).not.toBe('Alerting');
    await engine.store.command('TRUNCATE TABLE batches');
    await seed({ batches: steady.filter((_, at) => at % 3 === 0) });
    expect((await look('tachograph-silent')).state).toBe('NoData');
  });

  test('dead letters: by service and topic', async () => {
    await seed({
      batches: [
        batchRow(nowMs - MINUTE_MS, { service: 'normalizer', topic: 'otlp_spans', dead_letters: 2 }),
        batchRow(nowMs - MINUTE_MS, { service: 'normalizer', topic: 'otlp_logs' }),
        batchRow(nowMs - HOUR_MS, { service: 'ledger', dead_letters: 5 }),
      ],
    });
    expect(await firing('tachograph-dead-letters')).toEqual([{ service: 'normalizer', topic: 'otlp_spans' }]);
  });

  test('a brake: until it is released, or its service has gone on', async () => {
    const batches = [0, 1, 2].map((partition) => batchRow(nowMs - HOUR_MS, { service: 'normalizer', partition }));
    const stopped = [0, 1, 2].map((partition) => brakeRow('stopped', nowMs - HOUR_MS, partition, 10));
    await seed({ batches, brakes: stopped });
    expect(await firing('tachograph-braked')).toEqual([{ service: 'normalizer', topic: 'otlp_spans' }]);
    await seed({
      brakes: [brakeRow('released', nowMs - MINUTE_MS, 0, 20), brakeRow('released', nowMs - MINUTE_MS, 1, 20)],
    });
    expect(await firing('tachograph-braked')).toEqual([{ service: 'normalizer', topic: 'otlp_spans' }]);
    await seed({ batches: [batchRow(nowMs, { service: 'normalizer', partition: 2, first: 10, end: 11 })] });
    expect((await look('tachograph-braked')).state).not.toBe('Alerting');
    await seed({ brakes: [brakeRow('stopped', nowMs - MINUTE_MS / 2, 0, 25)] });
    expect(await firing('tachograph-braked')).toEqual([{ service: 'normalizer', topic: 'otlp_spans' }]);
  });

  test('audit findings: the newest audit counts, not the one before', async () => {
    await seed({
      audit_results: [
        auditRow(nowMs - 20 * MINUTE_MS, { check: 'chain', findings: 3 }),
        auditRow(nowMs - 10 * MINUTE_MS, { check: 'chain' }),
        auditRow(nowMs - 10 * MINUTE_MS, { check: 'spans-once', findings: 1, position: 1 }),
      ],
    });
    expect(await firing('tachograph-audit-findings')).toEqual([{ check: 'spans-once' }]);
    expect(await firing('tachograph-audit-findings', nowMs - 15 * MINUTE_MS)).toEqual([{ check: 'chain' }]);
  });

  test('audit stale: data without an audit, and an audit long ago', async () => {
    await seed({ batches: [batchRow(nowMs - 3 * HOUR_MS, { service: 'normalizer' })] });
    expect((await look('tachograph-audit-stale')).state).toBe('Alerting');
    await seed({ audit_results: [auditRow(nowMs - 2 * HOUR_MS)] });
    expect((await look('tachograph-audit-stale')).state).toBe('Alerting');
    await seed({ audit_results: [auditRow(nowMs - 10 * MINUTE_MS)] });
    expect((await look('tachograph-audit-stale')).state).toBe('Normal');
  });

  test('audit stale: a system just started is given its time', async () => {
    await seed({ batches: [batchRow(nowMs - MINUTE_MS, { service: 'normalizer' })] });
    expect((await look('tachograph-audit-stale')).state).toBe('Normal');
  });

  test('budgets: reached and used up, in the period of now only, by the newest version', async () => {
    const yesterday = { period_start: nowMs / 1000 - 2 * 86_400, period_end: nowMs / 1000 - 86_400 };
    await seed({
      budget_status: [
        budgetRow(nowMs, { budget_id: 'a', title: 'A' }),
        budgetRow(nowMs, { budget_id: 'b', title: 'B', spent_usd: '85', reached: [0.5, 0.8] }),
        budgetRow(nowMs, {
          budget_id: 'c',
          title: 'C',
          spent_usd: '20',
          unknown_ceiling_usd: '80',
          reached: [0.5, 0.8, 1],
        }),
        budgetRow(nowMs, { budget_id: 'd', title: 'D', spent_usd: '900', reached: [0.5, 0.8, 1], ...yesterday }),
        budgetRow(nowMs, { budget_id: 'e', title: 'E', spent_usd: '900', reached: [1] }),
        budgetRow(nowMs, { budget_id: 'e', title: 'E', version: 2 }),
        budgetRow(nowMs, { budget_id: 'b2', title: 'B', spent_usd: '1' }),
        budgetRow(nowMs, {
          budget_id: 'f',
          title: 'F',
          limit_usd: '0',
          spent_usd: '0.01',
          unknown_ceiling_usd: '0',
          reached: [1],
        }),
      ],
    });
    const budgets = async (uid: string) => (await firing(uid)).map((labels) => labels['budget']);
    expect(await budgets('tachograph-budget-reached')).toEqual(['B', 'C', 'F']);
    expect(await budgets('tachograph-budget-exceeded')).toEqual(['C', 'F']);
  });

  test('violations: what is new, severe and not dismissed pages; judged late still pages', async () => {
    await seed({
      batches: [
        batchRow(nowMs - MINUTE_MS, { service: 'policy', batch_id: 'fresh' }),
        batchRow(nowMs - HOUR_MS, { service: 'policy', batch_id: 'old' }),
      ],
      policy_violations: [
        // Two rows of one violation: it counts once.
        violationRow(nowMs - 3 * HOUR_MS, { batch_id: 'fresh', violation_id: 'late', rule_id: 'late' }),
        violationRow(nowMs - 3 * HOUR_MS, { batch_id: 'fresh', violation_id: 'late', rule_id: 'late' }),
        violationRow(nowMs - MINUTE_MS, { batch_id: 'fresh', severity: 'medium', rule_id: 'medium' }),
        violationRow(nowMs - MINUTE_MS, { batch_id: 'fresh', mode: 'monitor', rule_id: 'monitored' }),
        violationRow(nowMs - MINUTE_MS, { batch_id: 'fresh', detected_by: 'backfill', rule_id: 'history' }),
        violationRow(nowMs - HOUR_MS, { batch_id: 'old', rule_id: 'old' }),
        violationRow(nowMs - MINUTE_MS, { batch_id: 'fresh', violation_id: 'dismissed', rule_id: 'dismissed' }),
        violationRow(nowMs - MINUTE_MS, { batch_id: 'fresh', violation_id: 'confirmed', rule_id: 'confirmed' }),
      ],
      violation_reviews: [
        {
          tenant_id: 'demo',
          violation_id: 'dismissed',
          review: 'confirm',
          actor: 'ada',
          comment: '',
          at: '2026-01-01 00:00:00.000',
        },
        {
          tenant_id: 'demo',
          violation_id: 'dismissed',
          review: 'dismiss',
          actor: 'ada',
          comment: '',
          at: '2026-01-01 00:00:01.000',
        },
        {
          tenant_id: 'demo',
          violation_id: 'confirmed',
          review: 'confirm',
          actor: 'ada',
          comment: '',
          at: '2026-01-01 00:00:00.000',
        },
        {
          tenant_id: 'other',
          violation_id: 'late',
          review: 'dismiss',
          actor: 'ada',
          comment: '',
          at: '2026-01-01 00:00:00.000',
        },
      ],
    });
    const { instances } = await look('tachograph-violations');
    expect(instances.map(({ labels, value }) => [labels['rule'], labels['violation_severity'], value])).toEqual([
      ['confirmed', 'high', 1],
      ['late', 'high', 1],
    ]);
  });
});
