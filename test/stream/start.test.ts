import { describe, expect, test } from 'vitest';
import { TransportError } from '../../services/runtime/errors.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Assignment, Clock, Commit, EventLog, LogRecord, Row, Store } from '../../services/runtime/ports.ts';
import { batchIdOf, intentMetadata } from '../../services/runtime/stream/intent.ts';
import { createPartitionLoop } from '../../services/runtime/stream/partition-loop.ts';
import { findStart } from '../../services/runtime/stream/start.ts';
import type { StreamTask } from '../../services/runtime/stream/types.ts';
import { createSimulatedStore, type SimulatedStore } from '../simulation/store.ts';
import { silentLogger } from '../support/engine.ts';

const LOGGED_AT = '2026-11-20 00:00:00.000';
const PLACE = { log_id: 'log-1', topic: 'otlp_spans', partition: 0 };

const task: StreamTask = {
  service: 'starter',
  topics: [PLACE.topic],
  tables: ['spans'],
  createProcessor: () => ({
    build: async (batch) => ({
      tables: [
        { table: 'spans', identity: ['step_id'], rows: batch.records.map((record) => rowOf(record, batch.batchId)) },
      ],
      ...{ produce: [], deadLetters: [], counts: { duplicates: 0, filtered: 0, empty: 0, hours: [] } },
    }),
    landed: () => {},
  }),
};

const rowOf = ({ offset }: LogRecord, batch_id: string): Row => ({
  step_id: `${offset}`,
  batch_id,
  logged_at: LOGGED_AT,
});

/** The manifest says that everything before `end` is confirmed. */
const confirmedTo = (end: number): SimulatedStore => {
  const store = createSimulatedStore();
  const row = { service: task.service, ...PLACE, first: 0, end, batch_id: 'before', logged_at: LOGGED_AT };
  store.land('batches', [row], 'before');
  return store;
};

const storeOf = (simulated: SimulatedStore): Store => ({
  insert: async (table, rows, { token }) => simulated.land(table, rows, token),
  query: async <T>(sql: string, params = {}) => simulated.answer(sql, params) as readonly unknown[] as readonly T[],
  ...{ command: async () => {}, ping: async () => {}, close: async () => {} },
});

const assignmentOf = (
  committed: Commit | null,
  logStart: number,
  logEnd: number,
  commits: Commit[] = [],
): Assignment => ({
  ...{ topic: PLACE.topic, partition: PLACE.partition, logId: PLACE.log_id, epoch: 1 },
  ...{ committed, logStart, logEnd },
  signal: new AbortController().signal,
  commit: async (offset, metadata) => void commits.push({ offset, metadata }),
});

const started = (simulated: SimulatedStore, assignment: Assignment) =>
  findStart({ store: storeOf(simulated), logger: silentLogger }, task, assignment);

const recordAt = (offset: number): LogRecord => ({
  ...{
    offset,
    timestampMs: Date.parse('2026-11-20T00:00:00Z'),
    key: null,
    value: Buffer.from(`${offset}`),
    headers: {},
  },
});

/** Nothing here waits. */
const clock: Clock = { nowMs: () => 0, sleep: async () => {} };
const noLog: Pick<EventLog, 'append'> = {
  append: async () => {
    throw new TransportError('LOG_UNAVAILABLE', 'nothing is appended here', { retryable: false });
  },
};

describe('where a partition goes on', () => {
  test('retention removed what was not read: it stops, and tells how much', async () => {
    const start = await started(confirmedTo(7), assignmentOf({ offset: 7, metadata: '' }, 15, 20));
    expect(start).toMatchObject({ offset: 15, gap: 'retention removed 8 records before they were read' });
  });

  test('a person who saw the gap moved the offset behind it: it goes on there', async () => {
    const start = await started(confirmedTo(7), assignmentOf({ offset: 15, metadata: '' }, 15, 20));
    expect(start).toMatchObject({ offset: 15, intent: null, gap: null });
  });

  test('behind an accepted gap an open batch keeps its intent, so that it is replayed and the gap not told again', async () => {
    const metadata = intentMetadata(17, PLACE.log_id, '');
    const start = await started(confirmedTo(7), assignmentOf({ offset: 15, metadata }, 15, 20));
    expect(start).toMatchObject({ offset: 15, intent: { first: 15, end: 17 }, gap: null });
  });

  test('while it is not sure that no batch is open, no plain offset tells the next owner that none is', async () => {
    const commits: Commit[] = [];
    const deps = { store: storeOf(confirmedTo(7)), log: noLog as EventLog, clock, logger: silentLogger };
    await createPartitionLoop({ ...deps, metrics: createMetrics() }, task, assignmentOf(null, 0, 9, commits));
    expect(commits).toEqual([]);
  });

  test('with its intent lost, a batch that a former owner is still inserting is waited for', async () => {
    const simulated = confirmedTo(7);
    const isLanding = { code: 'STORE_UNAVAILABLE', retryable: true, message: expect.stringContaining('still running') };
    simulated.begin('log-1/otlp_spans/0/7/9/another/spans');
    simulated.begin('log-1/otlp_spans/1/7/9/starter/spans');
    for (const table of ['spans', 'batches']) {
      const end = simulated.begin(`log-1/otlp_spans/0/7/9/starter/${table}`);
      await expect(started(simulated, assignmentOf(null, 0, 12))).rejects.toMatchObject(isLanding);
      end();
    }
    expect(await started(simulated, assignmentOf(null, 0, 12))).toMatchObject({ offset: 7, intent: null, gap: null });
  });

  test('nor is a batch overlapped whose manifest row lands while its rows are looked for', async () => {
    const simulated = confirmedTo(7);
    const batchId = batchIdOf('log-1', 'otlp_spans', 0, 7, 9);
    simulated.land('spans', [rowOf(recordAt(7), batchId), rowOf(recordAt(8), batchId)], 'rows');
    const row = { service: task.service, ...PLACE, first: 7, end: 9, batch_id: batchId, logged_at: LOGGED_AT };
    const store: Store = {
      ...storeOf(simulated),
      query: async <T>(sql: string, params = {}) => {
        if (sql.includes('DISTINCT batch_id')) simulated.land('batches', [row], 'manifest');
        return simulated.answer(sql, params) as readonly unknown[] as readonly T[];
      },
    };
    const start = () => findStart({ store, logger: silentLogger }, task, assignmentOf(null, 0, 12));
    await expect(start()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    expect(await start()).toMatchObject({ offset: 9, intent: null, gap: null });
  });

  test('a store that does not show what it runs holds no partition up', async () => {
    const simulated = confirmedTo(7);
    const store: Store = {
      ...storeOf(simulated),
      query: async <T>(sql: string, params = {}) => {
        if (sql.includes('system.processes'))
          throw new TransportError('STORE_REJECTED', 'not enough privileges', { retryable: false });
        return simulated.answer(sql, params) as readonly unknown[] as readonly T[];
      },
    };
    const start = await findStart({ store, logger: silentLogger }, task, assignmentOf(null, 0, 12));
    expect(start).toMatchObject({ offset: 7, intent: null, gap: null });
  });

  test('a batch that was swallowed with its token and whose intent is lost lands when it is tried again', async () => {
    const simulated = confirmedTo(7);
    const token = 'log-1/otlp_spans/0/7/9/starter/spans';
    simulated.swallow('spans', [rowOf(recordAt(7), ''), rowOf(recordAt(8), '')], token);
    const deps = { store: storeOf(simulated), log: noLog as EventLog, clock, logger: silentLogger };
    const loop = await createPartitionLoop({ ...deps, metrics: createMetrics() }, task, assignmentOf(null, 0, 9));
    expect(await loop.onBatch({ records: [recordAt(7), recordAt(8)], logEnd: 9 })).toBe('continue');
    expect(simulated.rows('spans').map((row) => row['step_id'])).toEqual(['7', '8']);
  });
});
