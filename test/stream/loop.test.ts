import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import { createMemoryEventLog, type MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { silentLogger } from '../../services/runtime/log.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Row, Store } from '../../services/runtime/ports.ts';
import { insertToken } from '../../services/runtime/stream/intent.ts';
import { createStreamService, type StreamService } from '../../services/runtime/stream/service.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import type { RecordBatch, StreamTask } from '../../services/runtime/stream/types.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { until } from '../support/tacho.ts';

/** A task that writes one row of `dead_letters` a record: the smallest thing the loop can carry. */
const rowsOf = (batch: RecordBatch): readonly Row[] =>
  batch.records.map((record) => ({
    tenant_id: 't',
    topic: batch.topic,
    log_id: batch.logId,
    log_topic: batch.topic,
    log_partition: batch.partition,
    log_offset: record.offset,
    log_index: 0,
    reason: 'empty_record',
    detail: batch.variant,
    bytes: record.value.byteLength,
    batch_id: batch.batchId,
    logged_at: utcMillis(record.timestampMs),
  }));

const task = (topic: string, variant = ''): StreamTask => ({
  service: 'normalizer',
  topics: [topic],
  tables: ['dead_letters'],
  createProcessor: () => ({
    variant: () => variant,
    build: async (batch) => ({
      tables: [{ table: 'dead_letters', identity: ['log_offset', 'log_index'], rows: rowsOf(batch) }],
      produce: [],
      deadLetters: [],
      counts: { duplicates: 0, filtered: 0, empty: 0, hours: [] },
    }),
    landed: () => {},
  }),
});

/** What a store does at one insert: land it or not, then answer or not. */
type Fault = 'ok' | 'lost' | 'landed-unanswered' | 'half-landed' | 'rejected';

/** The real store behind a plan of faults, one per insert into dead_letters; a fault ends the process (aborts it). */
const faulty = (store: Store, plan: Fault[], die: () => void): Store => ({
  ...store,
  insert: async (table, rows, options) => {
    const fault = table === 'dead_letters' ? (plan.shift() ?? 'ok') : 'ok';
    if (fault === 'rejected') throw new TransportError('STORE_REJECTED', 'schema', { retryable: false });
    const half = rows.slice(0, Math.ceil(rows.length / 2));
    // A half lands under another token as a part of an insert would: the rest of the token is still free.
    if (fault === 'half-landed') await store.insert(table, half, { token: `${options.token}/half` });
    if (fault === 'ok' || fault === 'landed-unanswered') await store.insert(table, rows, options);
    if (fault !== 'ok') {
      die();
      throw new TransportError('FENCED', 'the process died here', { retryable: false });
    }
  },
});

describe('the stream loop', () => {
  let engine: TestEngine;
  let log: MemoryEventLog;
  let topic: string;
  let topics = 0;
  const services: StreamService[] = [];

  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());
  beforeEach(async () => {
    topics += 1;
    topic = `loop_${topics}`;
    log = createMemoryEventLog({ clock: systemClock, random: systemRandom });
    await log.ensureTopics([{ topic, partitions: 1, retentionMs: 3_600_000, recordBytesMax: 1024 }]);
  });

  const append = async (count: number) =>
    log.append(Array.from({ length: count }, (_, at) => ({ topic, key: 'k', value: Buffer.from(`record ${at}`) })));

  const start = async (store: Store = engine.store, variant = ''): Promise<StreamService> => {
    const deps = { log, store, clock: systemClock, logger: silentLogger, metrics: createMetrics() };
    const service = createStreamService(deps, task(topic, variant), {
      batchRecordsMax: 10,
      batchBytesMax: 1_000_000,
      lingerMs: 5,
      idleMs: 50,
      onCrash: (error) => expect.fail(String(error)),
    });
    services.push(service);
    await service.start();
    return service;
  };

  const stored = async (): Promise<readonly number[]> => {
    const rows = await engine.store.query<{ log_offset: string }>(
      'SELECT log_offset FROM dead_letters WHERE log_topic = {topic:String} ORDER BY log_offset',
      { topic },
    );
    return rows.map((row) => Number(row.log_offset));
  };
  const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);
  const untilStored = async (count: number) =>
    until(`${count} rows`, async () => ((await stored()).length >= count ? true : null), 20_000);

  test('stores every record once and brings lag to 0', async () => {
    await append(35);
    const service = await start();
    await untilStored(35);
    await until('lag 0', async () => {
      const commit = (await log.committed('tacho-normalizer', topic)).get(0);
      return commit?.offset === 35 && commit.metadata === '' ? true : null;
    });
    await service.drain();
    expect(await stored()).toEqual(upTo(35));
    const batches = await engine.store.query<{ first: string; end: string }>(
      'SELECT first, end FROM batches WHERE topic = {topic:String} ORDER BY first',
      { topic },
    );
    expect(batches.map((b) => b.first)).toEqual(['0', ...batches.slice(0, -1).map((b) => b.end)]);
  });

  test.each<[Fault]>([['lost'], ['landed-unanswered'], ['half-landed']])(
    'an insert that was %s when the process died is completed exactly once by the next owner',
    async (fault) => {
      await append(20);
      let isDead = false;
      const first = await start(
        faulty(engine.store, ['ok', fault], () => {
          isDead = true;
        }),
      );
      await until('the process died', async () => (isDead ? true : null));
      await first.drain();
      await append(15);
      const second = await start();
      await untilStored(35);
      await second.drain();
      expect(await stored()).toEqual(upTo(35));
    },
  );

  test('an open batch is replayed with the variant it began with, later ones with the one in force', async () => {
    await append(20);
    let isDead = false;
    const first = await start(
      faulty(engine.store, ['half-landed'], () => {
        isDead = true;
      }),
      'old',
    );
    await until('the process died', async () => (isDead ? true : null));
    await first.drain();
    const second = await start(engine.store, 'new');
    await untilStored(20);
    await second.drain();
    const rows = await engine.store.query<{ detail: string; n: string }>(
      'SELECT detail, toString(count()) AS n FROM dead_letters WHERE log_topic = {topic:String} GROUP BY detail ORDER BY detail',
      { topic },
    );
    expect(rows).toEqual([
      { detail: 'new', n: '10' },
      { detail: 'old', n: '10' },
    ]);
  });

  test('commits no offset past an unconfirmed row', async () => {
    await append(10);
    let isDead = false;
    const service = await start(
      faulty(engine.store, ['lost'], () => {
        isDead = true;
      }),
    );
    await until('the process died', async () => (isDead ? true : null));
    const commit = (await log.committed('tacho-normalizer', topic)).get(0);
    expect(commit?.offset).toBe(0);
    expect(commit?.metadata).toContain('"end":10');
    await service.drain();
  });

  test('a permanent store error stops the partition and says so; nothing is skipped', async () => {
    await append(10);
    const service = await start(faulty(engine.store, ['rejected'], () => {}));
    await until('the service is degraded', async () => (service.health().state === 'degraded' ? true : null));
    await service.drain();
    expect(await stored()).toEqual([]);
    const again = await start();
    await untilStored(10);
    await again.drain();
    expect(await stored()).toEqual(upTo(10));
  });

  test('lost group offsets resume from the manifest, neither from 0 nor from the end', async () => {
    await append(20);
    const first = await start();
    await untilStored(20);
    await first.drain();
    await append(5);
    log.faults.loseOffsets('tacho-normalizer');
    const second = await start();
    await untilStored(25);
    await second.drain();
    expect(await stored()).toEqual(upTo(25));
  });

  test('with the offsets lost, an insert of a former owner that the engine is still at is waited for', async () => {
    await append(5);
    await engine.store.command(
      `CREATE TABLE slow (a UInt64, b UInt8 MATERIALIZED sleepEachRow(0.4)) ENGINE = MergeTree ORDER BY a
       SETTINGS non_replicated_deduplication_window = 100`,
    );
    const batch = { logId: await log.logId(topic), topic, partition: 0, first: 0, end: 3 };
    const rows = Array.from({ length: 6 }, (_, a) => ({ a }));
    const inserting = engine.store.insert('slow', rows, { token: insertToken(batch, 'normalizer', 'slow') });
    await until('the engine is at it', async () => {
      const running = await engine.store.query("SELECT 1 FROM system.processes WHERE query ILIKE 'INSERT INTO slow%'");
      return running.length > 0 ? true : null;
    });
    const landed: unknown[] = [];
    const service = await start({
      ...engine.store,
      insert: async (table, given, options) => {
        if (table === 'dead_letters') landed.push(...(await engine.store.query('SELECT count() AS n FROM slow')));
        await engine.store.insert(table, given, options);
      },
    });
    await until('it waits', async () => (service.health().detail.includes('still running') ? true : null));
    await untilStored(5);
    await inserting;
    await service.drain();
    expect(landed).toEqual([{ n: '6' }]);
    expect(await stored()).toEqual(upTo(5));
  });

  test('a replay keeps the boundaries of its intent when the log hands the records over differently', async () => {
    await append(10);
    let isDead = false;
    const first = await start(
      faulty(engine.store, ['landed-unanswered'], () => {
        isDead = true;
      }),
    );
    await until('the process died', async () => (isDead ? true : null));
    await first.drain();
    const deps = { log, store: engine.store, clock: systemClock, logger: silentLogger, metrics: createMetrics() };
    const second = createStreamService(deps, task(topic), {
      batchRecordsMax: 3,
      batchBytesMax: 1_000_000,
      lingerMs: 0,
      idleMs: 50,
      onCrash: (error) => expect.fail(String(error)),
    });
    await second.start();
    await append(4);
    await untilStored(14);
    await second.drain();
    expect(await stored()).toEqual(upTo(14));
    const [batch] = await engine.store.query<{ first: string; end: string }>(
      'SELECT first, end FROM batches WHERE topic = {topic:String} ORDER BY first LIMIT 1',
      { topic },
    );
    expect(batch).toEqual({ first: '0', end: '10' });
  });
});
