import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ok } from '../../schemas/outcome.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Row, Store } from '../../services/runtime/ports.ts';
import { createFoldTask, type Fold } from '../../services/runtime/stream/fold-task.ts';
import { batchIdOf } from '../../services/runtime/stream/intent.ts';
import { landBatch } from '../../services/runtime/stream/land.ts';
import type { BatchProcessor, RecordBatch } from '../../services/runtime/stream/types.ts';
import { silentLogger, startTestEngine, type TestEngine } from '../support/engine.ts';

/** Counts the records of a key: the smallest fold whose state shows what was loaded. */
const counting: Fold<string, number> = {
  service: 'counting',
  tables: [],
  decode: (record) => ok(Buffer.from(record.value).toString('utf8')),
  keyOf: (key) => key,
  empty: () => 0,
  parse: Number,
  serialise: String,
  step: (state, inputs) => ({ state: state + inputs.length, tables: [], hours: [] }),
};

const memoryLog = () => createMemoryEventLog({ clock: systemClock, random: systemRandom });

const place = { logId: 'life', topic: 'keys', partition: 0 };

const batchOf = (first: number, keys: readonly string[], timestampMs = 1_795_100_000_000): RecordBatch => {
  const end = first + keys.length;
  return {
    ...place,
    first,
    end,
    records: keys.map((key, at) => ({
      offset: first + at,
      timestampMs,
      key: null,
      value: Buffer.from(key),
      headers: {},
    })),
    batchId: batchIdOf(place.logId, place.topic, place.partition, first, end),
    variant: '',
  };
};

describe('a fold', () => {
  let engine: TestEngine;
  let lives = 0;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());

  const fresh = (): BatchProcessor =>
    createFoldTask(counting, ['keys'], { store: engine.store }).createProcessor({ ...place, signal });
  const stateRows = async (processor: BatchProcessor, batch: RecordBatch): Promise<readonly Row[]> => {
    const output = await processor.build(batch, signal);
    return output.tables.find((table) => table.table === 'run_state')?.rows ?? [];
  };
  const land = async (rows: readonly Row[]): Promise<void> => {
    lives += 1;
    await engine.store.insert('run_state', rows, { token: `fold-test/${lives}` });
  };

  test('finds the state of a key again whatever text the key is', async () => {
    const keys = [
      "it's",
      'back\\slash',
      '\\',
      'new\nline',
      'tab\there',
      'r\rn',
      'null\u0000byte',
      '😀|run',
      '[1,2]',
      "a','b",
      '',
      '%27 %',
    ];
    await land(await stateRows(fresh(), batchOf(0, keys)));
    const again = await stateRows(fresh(), batchOf(keys.length, keys));
    expect(again.map((row) => [row['run_key'], row['state']])).toEqual(keys.map((key) => [key, '2']));
  });

  test('finds thousands of long keys again', async () => {
    const keys = Array.from({ length: 1_200 }, (_, at) => `tenant|${'ü'.repeat(500)}${at}`);
    await land(await stateRows(fresh(), batchOf(100, keys)));
    const again = await stateRows(fresh(), batchOf(100 + keys.length, keys));
    expect(new Set(again.map((row) => row['state']))).toEqual(new Set(['2']));
  }, 60_000);

  test('loads the newest state at or before the batch, never one beyond it, and of no other life of the log', async () => {
    const [one] = await stateRows(fresh(), batchOf(5_000, ['k']));
    if (one === undefined) throw new Error('a state row is expected');
    await land([
      { ...one, as_of: 5_001, state: '1' },
      { ...one, as_of: 5_003, state: '3' },
      { ...one, as_of: 5_009, state: '9' },
      { ...one, log_id: 'other', as_of: 5_004, state: '100' },
      { ...one, partition: 1, as_of: 5_004, state: '100' },
      { ...one, service: 'other', as_of: 5_004, state: '100' },
    ]);
    expect((await stateRows(fresh(), batchOf(5_005, ['k']))).map((row) => row['state'])).toEqual(['4']);
  });

  test('a later batch has the higher version, also within one millisecond at any offset', async () => {
    const versions: bigint[] = [];
    const told: Fold<string, number> = {
      ...counting,
      step: (state, _inputs, context) => {
        versions.push(context.version);
        return { state, tables: [], hours: [] };
      },
    };
    const processor = createFoldTask(told, ['keys'], { store: engine.store }).createProcessor({ ...place, signal });
    for (const first of [999_990, 999_999, 1_000_000, 3_999_999, 4_000_000])
      await processor.build(batchOf(first, [`v${first}`]), signal);
    expect(versions).toEqual([...versions].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(versions).size).toBe(versions.length);
    expect(versions.every((version) => version < 2n ** 64n)).toBe(true);
  });

  test('a batch of large states goes in pieces a server takes', async () => {
    const large: Fold<string, string> = {
      ...counting,
      empty: () => 'x'.repeat(3_000_000),
      parse: (text) => text,
      serialise: (state) => state,
      step: (state) => ({ state, tables: [], hours: [] }),
    };
    const processor = createFoldTask(large, ['keys'], { store: engine.store }).createProcessor({ ...place, signal });
    const batch = batchOf(
      8_000,
      Array.from({ length: 30 }, (_, at) => `l${at}`),
    );
    const output = await processor.build(batch, signal);
    const sizes: number[] = [];
    const store: Store = {
      ...engine.store,
      insert: async (table, rows, options) => {
        if (table === 'run_state') sizes.push(rows.length);
        await engine.store.insert(table, rows, options);
      },
    };
    const deps = { store, log: memoryLog(), clock: systemClock, logger: silentLogger, metrics: createMetrics() };
    const how = { intend: async () => {}, signal };
    await landBatch(deps, 'counting', batch, output, { ...how, isReplay: false });
    expect(sizes).toEqual([5, 5, 5, 5, 5, 5]);
    await landBatch(deps, 'counting', batch, output, { ...how, isReplay: true });
    const [row] = await engine.store.query<{ n: string }>(
      'SELECT count() AS n FROM run_state WHERE batch_id = {id:String}',
      { id: batch.batchId },
    );
    expect(row?.n).toBe('30');
  });
});
