import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditReport, audit } from '../../services/audit/audit.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { capturedRecords, createPipeline, createPipelineLog, untilDone } from '../support/pipeline.ts';

const TABLES = ['spans', 'span_content', 'ledger_entries', 'runs', 'run_state', 'batches', 'span_duplicates'] as const;

/** Names of the checks that found something. */
const failed = (report: AuditReport): readonly string[] =>
  report.results.filter((result) => result.findings.length > 0).map((result) => result.name);

const lookOnce = { clock: systemClock, settleMs: 0 };

describe('the audit', () => {
  let engine: TestEngine;

  const run = (): Promise<AuditReport> => audit(engine.store, lookOnce);

  /** Changes the stored data, audits, and puts everything back. */
  const sabotage = async (table: string, ...statements: readonly string[]): Promise<AuditReport> => {
    for (const sql of statements) await engine.store.command(sql);
    const report = await run();
    await engine.store.command(`TRUNCATE TABLE ${table}`);
    await engine.store.command(`INSERT INTO ${table} SELECT * FROM kept_${table}`);
    return report;
  };
  const remove = (table: string, where: string): string =>
    `ALTER TABLE ${table} DELETE WHERE ${where} SETTINGS mutations_sync = 2`;
  const change = (table: string, what: string): string =>
    `ALTER TABLE ${table} UPDATE ${what} SETTINGS mutations_sync = 2`;

  beforeAll(async () => {
    engine = await startTestEngine();
    const log = await createPipelineLog();
    const services = createPipeline(log, engine.store);
    for (const service of services) await service.start();
    const records = capturedRecords();
    await log.append(records);
    await untilDone(log, services);
    // Twins: a few requests come again in the other partition, as from an unsplit foreign topic.
    const twins = records.slice(0, 6);
    for (const partition of [0, 1]) await log.append(twins.map((record) => ({ ...record, partition })));
    await untilDone(log, services);
    for (const service of services) await service.drain();
    for (const table of TABLES) {
      await engine.store.command(
        `CREATE TABLE kept_${table} ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM ${table}`,
      );
    }
  }, 120_000);
  afterAll(async () => engine.close());

  test('is clean on a healthy system, twins of foreign topics included', async () => {
    const report = await run();
    expect(report.results.flatMap((result) => [...result.findings, ...result.waiting])).toEqual([]);
    expect(Number(report.totals?.entries)).toBeGreaterThan(10);
    const [twins] = await engine.store.query<{ n: string }>('SELECT count() AS n FROM span_duplicates');
    expect(Number(twins?.n)).toBeGreaterThan(0);
  });

  test('finds and locates a lost row of spans', async () => {
    const [row] = await engine.store.query<{ step_id: string; batch_id: string; run_id: string }>(
      'SELECT step_id, batch_id, run_id FROM spans ORDER BY step_id LIMIT 1',
    );
    const report = await sabotage('spans', remove('spans', `step_id = '${row?.step_id}'`));
    expect(failed(report)).toEqual(expect.arrayContaining(['rows:spans', 'run-steps']));
    const told = report.results.flatMap((result) => result.findings.map((finding) => finding.place + finding.detail));
    expect(told.join('\n')).toContain(row?.batch_id ?? '?');
    expect(told.join('\n')).toContain(row?.run_id ?? '?');
  });

  test('finds a doubled row of spans although other steps have twins', async () => {
    const report = await sabotage('spans', 'INSERT INTO spans SELECT * FROM kept_spans ORDER BY step_id LIMIT 1');
    expect(failed(report)).toEqual(['rows:spans', 'spans-once']);
  });

  test('finds content that is gone', async () => {
    const report = await sabotage('span_content', 'TRUNCATE TABLE span_content');
    expect(failed(report)).toEqual(['rows:span_content']);
  });

  test('finds a lost booking', async () => {
    const id = '(SELECT max(entry_id) FROM kept_ledger_entries WHERE calls > 0)';
    const report = await sabotage('ledger_entries', remove('ledger_entries', `entry_id = ${id}`));
    expect(failed(report)).toEqual(expect.arrayContaining(['rows:ledger_entries', 'run-totals']));
  });

  test('finds a doubled booking', async () => {
    const report = await sabotage(
      'ledger_entries',
      'INSERT INTO ledger_entries SELECT * FROM kept_ledger_entries WHERE calls > 0 ORDER BY entry_id LIMIT 1',
    );
    expect(failed(report)).toEqual(
      expect.arrayContaining(['rows:ledger_entries', 'entries-once', 'net-calls', 'run-totals']),
    );
  });

  test('finds all bookings of a run gone', async () => {
    const report = await sabotage('ledger_entries', 'TRUNCATE TABLE ledger_entries');
    expect(failed(report)).toEqual(expect.arrayContaining(['calls-booked', 'run-totals']));
  });

  test('finds a reversal without its booking', async () => {
    const report = await sabotage(
      'ledger_entries',
      `INSERT INTO ledger_entries SELECT * REPLACE (concat(entry_id, 'x') AS entry_id, 'nothing' AS reverses_entry_id, -1 AS calls)
       FROM kept_ledger_entries LIMIT 1`,
    );
    expect(failed(report)).toContain('reversals');
  });

  test('finds an altered total of a run', async () => {
    const report = await sabotage('runs', change('runs', 'calls = calls + 1 WHERE calls > 0'));
    expect(failed(report)).toEqual(['run-totals']);
  });

  test('finds a run that counts a step too few or too many', async () => {
    const few = await sabotage('runs', change('runs', 'steps = steps - 1 WHERE steps > 1'));
    expect(failed(few)).toEqual(['run-steps']);
    const many = await sabotage('runs', change('runs', 'steps = steps + 1 WHERE steps > 1'));
    expect(failed(many)).toEqual(['run-steps']);
  });

  test('finds a run that never was folded', async () => {
    const report = await sabotage('runs', 'TRUNCATE TABLE runs');
    expect(failed(report)).toEqual(expect.arrayContaining(['run-steps']));
  });

  test('finds a manifest row lost in the middle, and the rows it leaves behind', async () => {
    const id = `(SELECT argMax(batch_id, first) FROM kept_batches WHERE service = 'normalizer' AND rows['spans'] > 0
                 AND (topic, partition, end) NOT IN (SELECT topic, partition, max(end) FROM kept_batches WHERE service = 'normalizer' GROUP BY topic, partition))`;
    const report = await sabotage('batches', remove('batches', `batch_id = ${id}`));
    expect(failed(report)).toEqual(expect.arrayContaining(['chain', 'orphans:spans']));
  });

  test('finds a first batch that is missing, and a manifest row that stands twice', async () => {
    const head = await sabotage('batches', remove('batches', 'first = 0'));
    expect(failed(head)).toContain('start');
    const twice = await sabotage('batches', 'INSERT INTO batches SELECT * FROM kept_batches ORDER BY batch_id LIMIT 1');
    expect(failed(twice)).toEqual(expect.arrayContaining(['manifest']));
  });

  test('a batch that is still open waits, and is no failure', async () => {
    const last = `(SELECT argMax(batch_id, written_at) FROM kept_batches WHERE service = 'ledger' AND rows['run_state'] > 0)`;
    const report = await sabotage('batches', remove('batches', `batch_id = ${last}`));
    expect(failed(report).filter((name) => name !== 'chain' && name !== 'start')).toEqual([]);
    const waiting = report.results.flatMap((result) => result.waiting.map((finding) => finding.check));
    expect(waiting).toEqual(expect.arrayContaining(['orphans:run_state', 'folded']));
  });

  test('a step that is not folded yet waits, and is no failure', async () => {
    const report = await sabotage(
      'batches',
      change('batches', "produced = mapApply((k, v) -> (k, v + 1000), produced) WHERE service = 'normalizer'"),
    );
    expect(report.isClean).toBe(true);
    expect(report.results.find((result) => result.name === 'folded')?.waiting).not.toEqual([]);
  });

  test('what has expired is left to the manifest: old batches without rows are no failure', async () => {
    await engine.store.command('TRUNCATE TABLE span_content');
    const report = await sabotage(
      'batches',
      'TRUNCATE TABLE batches',
      'INSERT INTO batches SELECT * REPLACE (logged_at - INTERVAL 40 DAY AS logged_at) FROM kept_batches',
    );
    const content = report.results.find((result) => result.name === 'rows:span_content');
    expect(content?.findings).toEqual([]);
    // Ten days of the fourteen are certain; what is older is told to be proven by the manifest alone.
    const beforeMs = Date.parse(`${content?.byManifestBefore}Z`);
    expect(Math.round((Date.now() - beforeMs) / 86_400_000)).toBe(10);
    expect(report.results.find((result) => result.name === 'rows:ledger_entries')?.byManifestBefore).toBeNull();
    await engine.store.command('INSERT INTO span_content SELECT * FROM kept_span_content');
    expect((await run()).isClean).toBe(true);
  });
});
