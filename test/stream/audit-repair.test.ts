import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROLLUPS } from '../../schemas/rollup.ts';
import { type AuditReport, audit } from '../../services/audit/audit.ts';
import { BATCH_TABLES } from '../../services/audit/checks.ts';
import { carryOut, type Mended, planRepair, type SlicesPlace } from '../../services/audit/repair.ts';
import { createReplay } from '../../services/commands/replay-batch.ts';
import { buildGroup } from '../../services/rollup/build.ts';
import { rollUp } from '../../services/rollup/pass.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Store } from '../../services/runtime/ports.ts';
import { silentLogger, startTestEngine, type TestEngine } from '../support/engine.ts';
import { capturedRecords, createPipeline, createPipelineLog, pipelineTasks, untilDone } from '../support/pipeline.ts';

const OURS = BATCH_TABLES.map(([table]) => table).filter(
  (table) => table !== 'incident_events' && table !== 'dead_letters',
);
const KEPT = [...OURS, 'batches', 'rollup_spend', 'rollup_steps', 'rollup_slices', 'rollup_passes'];
/** When the store took a row, or which build made it: no part of what was recorded. */
const MOMENTS: Readonly<Record<string, string>> = {
  spans: 'ingested_at',
  batches: 'written_at, produced',
  rollup_spend: 'generation, built_at',
};
const EPOCH = '1970-01-02 00:00:00.000';

/** Lists of `size` at most. */
const chunked = <T>(list: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));

const failed = (report: AuditReport): readonly string[] =>
  report.results.filter((result) => result.findings.length > 0).map((result) => result.name);

describe('tacho audit --repair', () => {
  let engine: TestEngine;
  let log: MemoryEventLog;

  beforeAll(async () => {
    engine = await startTestEngine();
    log = await createPipelineLog();
    const services = createPipeline(log, engine.store);
    for (const service of services) await service.start();
    for (const records of chunked(capturedRecords().slice(0, 24), 8)) {
      await log.append(records);
      await untilDone(log, services);
    }
    for (const service of services) await service.drain();
    // Three hours later, by the clock of the store: all hours are closed and quiet.
    const later: Store = {
      ...engine.store,
      query: async <T>(...question: Parameters<Store['query']>) =>
        question[0].includes("now64(3, 'UTC')) AS ms")
          ? ([{ ms: String(Date.now() + 3 * 3_600_000) }] as unknown as readonly T[])
          : engine.store.query<T>(...question),
    };
    const built = await rollUp({ store: later, clock: systemClock, random: systemRandom }, 'me', true);
    expect(built.built).toBeGreaterThan(3);
    for (const table of KEPT)
      await engine.store.command(
        `CREATE TABLE kept_${table} ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM ${table}`,
      );
  }, 500_000);
  afterAll(async () => engine.close());

  const plan = () => planRepair(engine.store, '2100-01-01 00:00:00.000', () => EPOCH);
  const repair = async (): Promise<readonly Mended[]> => {
    const { store } = engine;
    const done: Mended[] = [];
    const world = {
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      metrics: createMetrics(),
      stop: new AbortController().signal,
    };
    const rebuild = async ({ kind, ...slices }: SlicesPlace): Promise<void> => {
      const rollup = ROLLUPS.find((one) => one.kind === kind);
      if (rollup !== undefined)
        await buildGroup({ ...world, store }, { ...slices, rollup }, Date.now() + 4 * 3_600_000);
    };
    const client = log.openClient();
    const replay = createReplay(world, client, store, pipelineTasks(store));
    await carryOut(store, await plan(), { replay, rebuild }, (mended) => done.push(mended));
    await client.close();
    return done;
  };
  const differing = async (table: string): Promise<readonly object[]> => {
    const hidden = MOMENTS[table];
    const says = `toString(tuple(* ${hidden === undefined ? '' : `EXCEPT (${hidden})`}))`;
    return engine.store.query<object>(
      `SELECT says, sum(one) AS more FROM (SELECT ${says} AS says, 1 AS one FROM ${table}
         UNION ALL SELECT ${says} AS says, -1 AS one FROM kept_${table}) GROUP BY says HAVING more != 0 LIMIT 3`,
    );
  };
  const audited = () => audit(engine.store, { clock: systemClock, settleMs: 0 });
  /** Does harm, sees that the audit finds and locates it, mends it, and sees that all is as it was. */
  const harm = async (table: string, check: string, ...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await engine.store.command(statement);
    const found = await audited();
    expect(failed(found)).toContain(check);
    const mended = await repair();
    expect(mended.filter((one) => !one.isMended)).toEqual([]);
    expect(mended).not.toEqual([]);
    for (const one of [table, 'batches']) expect(await differing(one), one).toEqual([]);
    expect(failed(await audited())).toEqual([]);
  };
  /** The same in several tables at once. */
  const harmAll = async (harms: readonly (readonly [table: string, statement: string])[]): Promise<void> => {
    for (const [, statement] of harms) await engine.store.command(statement);
    const found = await audited();
    expect(failed(found)).toEqual(expect.arrayContaining(harms.map(([table]) => `rows:${table}`)));
    const places = found.results.flatMap((result) => result.findings.map(({ detail, place }) => place + detail));
    for (const { service, topic, batchId } of (await plan()).batches)
      expect(places.some((place) => place.includes(`${service} ${topic}/`) && place.includes(batchId))).toBe(true);
    const mended = await repair();
    expect(mended.filter((one) => !one.isMended)).toEqual([]);
    for (const table of [...OURS, 'batches']) expect(await differing(table), table).toEqual([]);
    expect(failed(await audited())).toEqual([]);
  };
  const sync = 'SETTINGS mutations_sync = 2';
  const batchOf = (table: string, order: string) => `(SELECT ${order}(batch_id) FROM kept_${table})`;

  test('an undisturbed store has nothing to mend', async () => {
    expect(failed(await audited())).toEqual([]);
    expect(await plan()).toEqual({ batches: [], lost: [], doubled: [], slices: [] });
  });

  const harmable = OURS.filter((one) => one !== 'span_duplicates');

  test('batches whose rows are gone, in every table, are made again from the log', { timeout: 300_000 }, async () => {
    const gone = (table: string): string => {
      const batch = `batch_id = ${batchOf(table, 'min')} ${table === 'run_state' ? "AND service = 'ledger'" : ''}`;
      // Policy says by its own rows under which rules it judged: one of them must be left.
      const some = `AND (_part, _part_offset) IN (SELECT _part, max(_part_offset) FROM ${table} WHERE ${batch} GROUP BY _part)`;
      return `ALTER TABLE ${table} DELETE WHERE ${batch} ${table.startsWith('policy_') ? some : ''} ${sync}`;
    };
    await harmAll(harmable.map((table) => [table, gone(table)]));
  });

  test('a dropped part is found, each of its batches located, and made again', { timeout: 300_000 }, async () => {
    // Of the tables of policy only with its rows goes the knowledge under which rules they were judged.
    const tables = harmable.filter((table) => !table.startsWith('policy_'));
    const drops: [table: string, statement: string][] = [];
    for (const table of tables) {
      // A part of two batches, whatever merges have made of the others: of more than it can list the audit lists some.
      const own = table === 'run_state' ? "WHERE service = 'ledger'" : '';
      const some = `batch_id IN (SELECT DISTINCT batch_id FROM kept_${table} ${own} ORDER BY batch_id LIMIT 2) ${own.replace('WHERE', 'AND')}`;
      await engine.store.command(`ALTER TABLE ${table} DELETE WHERE ${some} ${sync}`);
      await engine.store.command(`SYSTEM STOP MERGES ${table}`);
      await engine.store.command(`INSERT INTO ${table} SELECT * FROM kept_${table} WHERE ${some}`);
      const parts = await engine.store.query<{ readonly name: string }>(
        `SELECT DISTINCT _part AS name FROM ${table} WHERE ${some}`,
      );
      expect(parts.length, table).toBeGreaterThan(0);
      for (const { name } of parts) drops.push([table, `ALTER TABLE ${table} DROP PART '${name}'`]);
      drops.push([table, `SYSTEM START MERGES ${table}`]);
    }
    await harmAll(drops);
  });

  test('doubled batches, in every table: one of each row stays', { timeout: 300_000 }, async () => {
    await harmAll(
      harmable.map((table) => [
        table,
        `INSERT INTO ${table} SELECT * FROM kept_${table} WHERE batch_id = ${batchOf(table, 'max')}`,
      ]),
    );
  });

  test('a booking nobody made is taken out again', { timeout: 180_000 }, async () => {
    await harm(
      'ledger_entries',
      'reversals',
      `INSERT INTO ledger_entries SELECT * REPLACE (concat(entry_id, 'x') AS entry_id, 'nothing' AS reverses_entry_id, -1 AS calls)
       FROM kept_ledger_entries LIMIT 1`,
    );
  });

  test('a manifest row that is lost is made again, one that stands twice is single again', {
    timeout: 180_000,
  }, async () => {
    for (const service of ['normalizer', 'ledger', 'lineage']) {
      const middle = `(SELECT argMin(batch_id, end) FROM kept_batches WHERE service = '${service}' AND first > 0 AND rows != map()
        AND (topic, partition, end) NOT IN (SELECT topic, partition, max(end) FROM kept_batches WHERE service = '${service}' GROUP BY topic, partition))`;
      await harm(
        'batches',
        'chain',
        `ALTER TABLE batches DELETE WHERE service = '${service}' AND batch_id = ${middle} ${sync}`,
      );
    }
    await harm('batches', 'manifest', 'INSERT INTO batches SELECT * FROM kept_batches ORDER BY batch_id LIMIT 1');
  });

  test('a roll-up that says something else is built again', { timeout: 180_000 }, async () => {
    await engine.store.command(
      `ALTER TABLE rollup_spend UPDATE calls = calls + 1 WHERE hour = (SELECT max(hour) FROM kept_rollup_spend) ${sync}`,
    );
    expect(failed(await audited())).toContain('rollup:spend');
    expect((await repair()).every((one) => one.isMended)).toBe(true);
    expect(failed(await audited())).toEqual([]);
    await engine.store.command(
      `ALTER TABLE rollup_steps DELETE WHERE hour = (SELECT min(hour) FROM kept_rollup_steps) ${sync}`,
    );
    expect(failed(await audited())).toContain('rollup:steps');
    await repair();
    expect(failed(await audited())).toEqual([]);
  });

  test('what the log no longer holds is said and left', { timeout: 180_000 }, async () => {
    await engine.store.command(
      `ALTER TABLE span_content DELETE WHERE batch_id = ${batchOf('span_content', 'min')} ${sync}`,
    );
    for (const topic of ['otlp_spans', 'otlp_logs'])
      for (const { partition, end } of await log.ranges(topic)) log.faults.trim(topic, partition, end);
    const mended = await repair();
    expect(mended.map((one) => one.isMended)).toEqual([false]);
    expect(mended[0]?.did).toContain('expired');
  });
});

describe('what the audit counts', () => {
  test('is every table a service writes, but those of which only the newest version counts', async () => {
    const engine = await startTestEngine();
    const versioned = await engine.store.query<{ name: string }>(
      "SELECT name FROM system.tables WHERE database = 'tacho' AND engine LIKE '%Replacing%'",
    );
    const { incidentFold } = await import('../../services/alerter/fold.ts');
    const written = new Set([...pipelineTasks(engine.store).flatMap(({ tables }) => tables), ...incidentFold.tables]);
    for (const { name } of versioned) written.delete(name);
    expect([...written].sort()).toEqual(BATCH_TABLES.map(([table]) => table).sort());
    await engine.close();
  });
});
