import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { LineageEdge } from '../../schemas/lineage-edge.ts';
import { ONLY_FOR_HEADER, TOPICS } from '../../schemas/topics.ts';
import { audit } from '../../services/audit/audit.ts';
import { edgeText, netEdges, runBatches } from '../../services/lineage/run-fixture.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { Store } from '../../services/runtime/ports.ts';
import type { StreamService } from '../../services/runtime/stream/service.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { capturedRecords, createPipeline, createPipelineLog, untilDone } from '../support/pipeline.ts';
import { until } from '../support/tacho.ts';

/** Every step in the log, by run, in the order it stands there. */
const stepsInLog = async (log: MemoryEventLog) => {
  const steps = [];
  for (const { partition, end } of await log.ranges(TOPICS.steps)) {
    const records = await readAll(log, partition, end);
    for (const record of records) {
      const decoded = decodeAgentStep(record);
      if (decoded.kind === 'ok') steps.push(decoded.value);
    }
  }
  return Map.groupBy(steps, (step) => `${step.tenant_id}|${step.run_id}`);
};

/** Reads a partition of the steps with a group of its own. */
const readAll = async (log: MemoryEventLog, partition: number, end: number): Promise<readonly Uint8Array[]> => {
  const values: Uint8Array[] = [];
  const client = log.openClient();
  await new Promise<void>((resolve, reject) => {
    if (end === 0) resolve();
    client
      .consume({
        group: `reader-${partition}`,
        topics: [TOPICS.steps],
        recordsMax: 1_000,
        bytesMax: 10_000_000,
        lingerMs: 1,
        idleMs: 10,
        assigned: async (assignment) => ({
          startOffset: assignment.logStart,
          onBatch: async (batch) => {
            if (assignment.partition !== partition) return 'stop';
            const others = batch.records.filter(({ headers }) => (headers[ONLY_FOR_HEADER] ?? 'lineage') === 'lineage');
            values.push(...others.map((record) => record.value));
            if (batch.records.some((record) => record.offset === end - 1)) resolve();
            return 'continue';
          },
          onIdle: async () => {},
        }),
        onCrash: reject,
      })
      .catch(reject);
  });
  await client.close();
  return values;
};

const storedEdges = (store: Store): Promise<readonly LineageEdge[]> =>
  store.query<LineageEdge>('SELECT * FROM lineage_edges');
const failed = async (store: Store): Promise<readonly string[]> => {
  const report = await audit(store, { clock: systemClock, settleMs: 0 });
  return report.results.filter((result) => result.findings.length > 0).map((result) => result.name);
};

/** Resolves when a service has confirmed everything that is in a topic. */
const untilRead = (log: MemoryEventLog, service: StreamService, topic: string): Promise<boolean> =>
  until(`${topic} is read`, async () => {
    const { partitions } = service.report();
    const ranges = await log.ranges(topic);
    const isRead = ranges.every(({ partition, end }) =>
      partitions.some((p) => p.topic === topic && p.partition === partition && p.next_offset >= end),
    );
    return isRead ? true : null;
  });

describe('lineage in the pipeline', () => {
  let engine: TestEngine;
  let log: MemoryEventLog;

  /** Changes the stored edges, audits, and puts everything back. */
  const sabotage = async (sql: string): Promise<readonly string[]> => {
    await engine.store.command(sql);
    const names = await failed(engine.store);
    await engine.store.command('TRUNCATE TABLE lineage_edges');
    await engine.store.command('INSERT INTO lineage_edges SELECT * FROM kept_edges');
    return names;
  };

  beforeAll(async () => {
    engine = await startTestEngine();
    log = await createPipelineLog();
    const services = createPipeline(log, engine.store);
    for (const service of services) await service.start();
    // One by one, so that parents come batches after their children.
    for (const record of capturedRecords()) await log.append([record]);
    await untilDone(log, services);
    for (const service of services) await service.drain();
    await engine.store.command(
      'CREATE TABLE kept_edges ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM lineage_edges',
    );
  }, 120_000);
  afterAll(async () => engine.close());

  test('what stands in the store is what the steps in the log say, run by run', async () => {
    const stored = Map.groupBy(await storedEdges(engine.store), (row) => `${row.tenant_id}|${row.run_id}`);
    const runs = await stepsInLog(log);
    expect(runs.size).toBeGreaterThan(100);
    for (const [key, steps] of runs) {
      const expected = netEdges(runBatches([steps], undefined, key).rows).map(edgeText);
      expect(netEdges(stored.get(key) ?? []).map(edgeText), key).toEqual(expected);
    }
  });

  test('sum(weight) is the edges in force', async () => {
    const [row] = await engine.store.query<{ net: string; reversed: string }>(
      'SELECT sum(weight) AS net, countIf(weight < 0) AS reversed FROM lineage_edges',
    );
    expect(Number(row?.net)).toBe(netEdges(await storedEdges(engine.store)).length);
    expect(Number(row?.reversed)).toBeGreaterThan(0);
  });

  test('the audit is clean, and finds an edge lost, doubled, altered and taken back twice', async () => {
    expect(await failed(engine.store)).toEqual([]);
    const settings = 'SETTINGS mutations_sync = 2';
    const taken = 'edge_id IN (SELECT reverses_edge_id FROM kept_edges WHERE weight < 0)';
    expect(
      await sabotage(
        `ALTER TABLE lineage_edges DELETE WHERE edge_id = (SELECT max(edge_id) FROM kept_edges) ${settings}`,
      ),
    ).toContain('rows:lineage_edges');
    // One in force: of one that was taken back the reversals would tell as well.
    expect(
      await sabotage(
        `INSERT INTO lineage_edges SELECT * FROM kept_edges WHERE weight > 0 AND NOT (${taken}) ORDER BY edge_id LIMIT 1`,
      ),
    ).toEqual(['rows:lineage_edges', 'edges-once', 'edges-net']);
    expect(await sabotage(`ALTER TABLE lineage_edges UPDATE to_id = 'other' WHERE ${taken} ${settings}`)).toEqual(
      expect.arrayContaining(['edges-net', 'edge-reversals']),
    );
    // The net of that edge may stay within bounds: one of the same ends may be in force again with other circumstances.
    expect(
      await sabotage(
        `INSERT INTO lineage_edges SELECT * REPLACE (concat(edge_id, 'x') AS edge_id) FROM kept_edges WHERE weight < 0 ORDER BY edge_id LIMIT 1`,
      ),
    ).toEqual(expect.arrayContaining(['rows:lineage_edges', 'edge-reversals']));
  });

  test('states of two folds are each matched with their own manifest', async () => {
    const [row] = await engine.store.query<{ shared: string }>(
      `SELECT count() AS shared FROM (SELECT batch_id FROM batches WHERE topic = '${TOPICS.steps}' GROUP BY batch_id HAVING uniqExact(service) > 1)`,
    );
    // Else this says nothing: batches of both folds with the same boundaries have the same id.
    expect(Number(row?.shared)).toBeGreaterThan(0);
    await engine.store.command(
      'CREATE TABLE kept_state ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM run_state',
    );
    await engine.store.command("ALTER TABLE run_state DELETE WHERE service = 'lineage' SETTINGS mutations_sync = 2");
    expect(await failed(engine.store)).toEqual(['rows:run_state']);
    await engine.store.command('TRUNCATE TABLE run_state');
    await engine.store.command('INSERT INTO run_state SELECT * FROM kept_state');
    expect(await failed(engine.store)).toEqual([]);
  });
});

describe('a fold beside another one', () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());

  test('completes its open batch although the other confirmed a batch of the same id', async () => {
    const log = await createPipelineLog();
    const first = log.openClient();
    // Edges of lineage land, its states and its manifest do not: the process dies there.
    const dying: Store = {
      ...engine.store,
      insert: (table, rows, options) =>
        options.token.includes('/lineage/') && (table === 'run_state' || table === 'batches')
          ? new Promise(() => {})
          : engine.store.insert(table, rows, options),
    };
    // Fewer steps than a batch holds: when more have come, an owner who knows nothing would begin with another batch.
    const few = capturedRecords().filter((record) => record.key?.startsWith('langsmith/'));
    await log.append(few);
    const [normalizer, ledger, lineage] = createPipeline(first, dying);
    if (normalizer === undefined || ledger === undefined || lineage === undefined) throw new Error('three services');
    await normalizer.start();
    await untilRead(first, normalizer, TOPICS.spans);
    await ledger.start();
    await lineage.start();
    await untilRead(first, ledger, TOPICS.steps);
    await until('lineage wrote edges', async () => ((await storedEdges(engine.store)).length > 0 ? true : null));
    first.crash();
    log.faults.loseOffsets('tacho-lineage');
    await log.append(capturedRecords().filter((record) => record.key?.startsWith('vercel-ai7/')));
    const again = log.openClient();
    const services = createPipeline(again, engine.store);
    for (const service of services) await service.start();
    await untilDone(again, services);
    for (const service of services) await service.drain();
    expect(await failed(engine.store)).toEqual([]);
  }, 60_000);
});
