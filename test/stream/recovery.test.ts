import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import { createMemoryEventLog, type MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Clock, Row, Store } from '../../services/runtime/ports.ts';
import { createStreamService, type StreamService } from '../../services/runtime/stream/service.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import type { RecordBatch, StreamTask } from '../../services/runtime/stream/types.ts';
import { silentLogger, startTestEngine, type TestEngine } from '../support/engine.ts';
import { until } from '../support/tacho.ts';

const SERVICE = 'recovery';
const GROUP = 'tacho-recovery';
const DAY_MS = 86_400_000;

/** One row of run_state a record: a table partitioned by day. */
const rowsOf = (batch: RecordBatch): readonly Row[] =>
  batch.records.map((record) => ({
    service: SERVICE,
    log_id: batch.logId,
    topic: batch.topic,
    partition: batch.partition,
    run_key: Buffer.from(record.value).toString('utf8'),
    as_of: batch.end,
    state: String(record.offset),
    batch_id: batch.batchId,
    logged_at: utcMillis(record.timestampMs),
  }));

const isQuiet = (record: { readonly value: Uint8Array }): boolean =>
  Buffer.from(record.value).toString().startsWith('quiet');

const taskOf = (topic: string): StreamTask => ({
  service: SERVICE,
  topics: [topic],
  tables: ['run_state'],
  createProcessor: () => ({
    build: async (batch) => ({
      // As a task that only passes records on: batches of quiet records write no table at all.
      tables: batch.records.every(isQuiet) ? [] : [{ table: 'run_state', identity: ['run_key'], rows: rowsOf(batch) }],
      produce: [],
      deadLetters: [],
      counts: { duplicates: 0, filtered: 0, empty: 0, hours: [] },
    }),
    landed: () => {},
  }),
});

const died = () => new TransportError('FENCED', 'the process died here', { retryable: false });
const unanswered = () => new TransportError('STORE_UNAVAILABLE', 'no answer', { retryable: true });

describe('recovery of the stream loop', () => {
  let engine: TestEngine;
  let log: MemoryEventLog;
  let topic: string;
  let topics = 0;
  let shiftMs = 0;
  const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + shiftMs };

  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());
  beforeEach(async () => {
    topics += 1;
    shiftMs = 0;
    topic = `recovery_${topics}`;
    log = createMemoryEventLog({ clock, random: systemRandom });
    await log.ensureTopics([{ topic, partitions: 1, retentionMs: 1_000 * DAY_MS, recordBytesMax: 1024 }]);
  });

  let keys = 0;
  const append = async (count: number) =>
    log.append(
      Array.from({ length: count }, () => {
        keys += 1;
        return { topic, key: 'k', value: Buffer.from(`key ${keys}`) };
      }),
    );
  const start = async (store: Store = engine.store, batchRecordsMax = 10): Promise<StreamService> => {
    const deps = { log, store, clock: systemClock, logger: silentLogger, metrics: createMetrics() };
    const service = createStreamService(deps, taskOf(topic), {
      batchRecordsMax,
      batchBytesMax: 1_000_000,
      lingerMs: 5,
      idleMs: 50,
      onCrash: (error) => expect.fail(String(error)),
    });
    await service.start();
    return service;
  };
  const stored = async (): Promise<readonly number[]> => {
    const rows = await engine.store.query<{ state: string }>(
      'SELECT state FROM run_state WHERE topic = {topic:String} ORDER BY toUInt64(state)',
      { topic },
    );
    return rows.map((row) => Number(row.state));
  };
  const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);
  const untilNext = async (service: StreamService, offset: number) =>
    until(
      `offset ${offset} is confirmed`,
      async () => (service.report().partitions.some((p) => p.next_offset >= offset) ? true : null),
      90_000,
    );
  const readAll = async (count: number, batchRecordsMax = 10): Promise<void> => {
    const service = await start(engine.store, batchRecordsMax);
    await untilNext(service, count);
    await service.drain();
  };

  /** The real store with a plan for inserts of rows; what the plan does not take goes its way. */
  const withPlan = (
    plan: (rows: readonly Row[], token: string, land: () => Promise<void>) => Promise<void>,
  ): Store => ({
    ...engine.store,
    insert: async (table, rows, options) => {
      const land = () => engine.store.insert(table, rows, options);
      if (table === 'batches') return land();
      return plan(rows, options.token, land);
    },
  });

  test('a store that died in mid-insert and swallows the token afterwards loses nothing', async () => {
    await append(10);
    const swallowed = new Set<string>();
    const store = withPlan(async (_rows, token, land) => {
      if (swallowed.has(token)) return;
      if (swallowed.size > 0) return land();
      swallowed.add(token);
      throw unanswered();
    });
    const service = await start(store);
    await untilNext(service, 10);
    await service.drain();
    expect(await stored()).toEqual(upTo(10));
  });

  test('an insert that landed without an answer is found by the same process, not sent again', async () => {
    await append(10);
    let inserts = 0;
    const store = withPlan(async (_rows, _token, land) => {
      inserts += 1;
      await land();
      if (inserts === 1) throw unanswered();
    });
    const service = await start(store);
    await untilNext(service, 10);
    await service.drain();
    expect(inserts).toBe(1);
    expect(await stored()).toEqual(upTo(10));
  });

  test('an open batch whose intent was lost with the offsets is found again by its rows', async () => {
    await append(14);
    await readAll(14);
    await append(20);
    let isDead = false;
    const first = await start(
      withPlan(async (rows, token, land) => {
        if (isDead) throw died();
        isDead = true;
        // A part of the batch lands, then the process is gone, and the offsets of the group expire.
        await engine.store.insert('run_state', rows.slice(0, 4), { token: `${token}/part` });
        void land;
        throw died();
      }),
    );
    await until('the process died', async () => (isDead ? true : null));
    await first.drain();
    log.faults.loseOffsets(GROUP);
    await readAll(34, 3);
    expect(await stored()).toEqual(upTo(34));
  });

  test('it is found also when no batch of the service has written that table before', async () => {
    await log.append(Array.from({ length: 5 }, (_, at) => ({ topic, key: 'k', value: Buffer.from(`quiet ${at}`) })));
    await engine.store.command('TRUNCATE TABLE batches');
    await readAll(5);
    await append(20);
    let isDead = false;
    const first = await start(
      withPlan(async (rows, token) => {
        if (!isDead) await engine.store.insert('run_state', rows.slice(0, 4), { token: `${token}/part` });
        isDead = true;
        throw died();
      }),
    );
    await until('the process died', async () => (isDead ? true : null));
    await first.drain();
    log.faults.loseOffsets(GROUP);
    await readAll(25, 3);
    expect(await stored()).toEqual(upTo(25).slice(5));
  });

  test('a task that writes a table it does not name is a bug, said at once', async () => {
    await append(1);
    const crashes: unknown[] = [];
    const deps = { log, store: engine.store, clock: systemClock, logger: silentLogger, metrics: createMetrics() };
    const service = createStreamService(
      deps,
      { ...taskOf(topic), tables: [] },
      { batchRecordsMax: 1, batchBytesMax: 1_000, lingerMs: 5, idleMs: 50, onCrash: (error) => crashes.push(error) },
    );
    await service.start();
    await until('the bug is told', async () => (crashes.length > 0 ? true : null));
    expect(String(crashes[0])).toContain('does not name its table run_state');
    await service.drain();
  });

  test('a plain offset of another life of the log is not believed', async () => {
    await append(20);
    await readAll(20);
    log.faults.remakeTopic(topic);
    await append(30);
    await readAll(30);
    expect(await stored()).toEqual([...upTo(20), ...upTo(30)].sort((a, b) => a - b));
  });

  test('an offset beyond the manifest, as after a restored store, reads again what the manifest does not hold', async () => {
    await append(20);
    await readAll(20, 10);
    for (const table of ['batches', 'run_state']) {
      await engine.store.command(
        `ALTER TABLE ${table} DELETE WHERE topic = {topic:String} AND ${table === 'batches' ? 'end' : 'as_of'} > 10 SETTINGS mutations_sync = 2`,
        { topic },
      );
    }
    expect(await stored()).toEqual(upTo(10));
    await append(5);
    // Other boundaries than before: a restored store does not remember the tokens it once took.
    await readAll(25, 7);
    expect(await stored()).toEqual(upTo(25));
  });

  test('a log cut shorter than an open intent stops the partition, and takes no other records for those', async () => {
    await append(10);
    const service = await start(
      withPlan(async () => {
        throw died();
      }),
    );
    await until('an intent is open', async () => ((await log.committed(GROUP, topic)).get(0) ? true : null));
    await service.drain();
    const cut: MemoryEventLog = {
      ...log,
      consume: (options) =>
        log.consume({ ...options, assigned: (assignment) => options.assigned({ ...assignment, logEnd: 6 }) }),
    };
    const deps = { log: cut, store: engine.store, clock: systemClock, logger: silentLogger, metrics: createMetrics() };
    const next = createStreamService(deps, taskOf(topic), {
      batchRecordsMax: 10,
      batchBytesMax: 1_000_000,
      lingerMs: 5,
      idleMs: 50,
      onCrash: (error) => expect.fail(String(error)),
    });
    await next.start();
    await until('it says so', async () => (next.health().state === 'degraded' ? true : null));
    await next.drain();
    expect(await stored()).toEqual([]);
  });

  test('a topic that holds months in a few records is stored: no insert meets too many partitions', async () => {
    for (let day = 150; day > 0; day -= 1) {
      shiftMs = -day * DAY_MS;
      await append(1);
    }
    await readAll(150, 1_000);
    const batches = await engine.store.query<{ first: string; end: string }>(
      'SELECT first, end FROM batches WHERE topic = {topic:String} ORDER BY first',
      { topic },
    );
    expect(batches.map((batch) => batch.end)).toEqual(['60', '120', '150']);
  }, 120_000);

  test('a partition that cannot begin says so in the health', async () => {
    await append(1);
    let isDown = true;
    const store: Store = {
      ...engine.store,
      query: async (sql, params, signal) => {
        if (isDown) throw new TransportError('STORE_REJECTED', 'no table', { retryable: false });
        return engine.store.query(sql, params, signal);
      },
    };
    const service = await start(store);
    await until('it is degraded', async () => (service.health().state === 'degraded' ? true : null));
    expect(service.health().detail).toContain(topic);
    isDown = false;
    await untilNext(service, 1);
    expect(service.health().state).toBe('ok');
    await service.drain();
  });
});
