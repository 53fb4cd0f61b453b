import { describe, expect, test } from 'vitest';
import { createMetrics } from '../runtime/metrics.ts';
import type { Logger, LogRecord, Row, Store } from '../runtime/ports.ts';
import type { BatchProcessor, RecordBatch } from '../runtime/stream/types.ts';
import { recordOf, sourceOf, span, spanRequest, textOfOutput } from './batch-fixture.ts';
import { createSeenSet, SEEN_POSITIONS } from './seen-set.ts';
import { createNormalizerTask } from './service.ts';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** A store that holds the rows of `spans` and answers what the seen-set asks. */
const createRowStore = () => {
  const rows: Row[] = [];
  const asked: unknown[] = [];
  const store: Store = {
    insert: async (table, inserted) => {
      if (table === 'spans') rows.push(...inserted);
    },
    query: async <T>(_sql: string, params: Readonly<Record<string, unknown>> = {}) => {
      asked.push(params['first']);
      const found = rows.filter(
        (row) =>
          Number(row['log_offset']) >= Number(params['from']) && Number(row['log_offset']) < Number(params['first']),
      );
      return found as readonly T[];
    },
    command: async () => undefined,
    ping: async () => undefined,
    close: async () => undefined,
  };
  return { store, rows, asked };
};

const PLACE = { logId: 'log-1', topic: 'otlp_spans', partition: 0 };
const processorOn = (store: Store): BatchProcessor =>
  createNormalizerTask(
    { sources: [sourceOf('spans')], content: 'full', redact: true },
    { store, logger: silent, metrics: createMetrics() },
  ).createProcessor({ ...PLACE, signal: new AbortController().signal });

const request = (id: number) => spanRequest([span({}, { spanId: id.toString(16).padStart(16, '0') })]);
const batch = (records: readonly LogRecord[], first: number): RecordBatch => ({
  ...PLACE,
  first,
  end: (records.at(-1)?.offset ?? first) + 1,
  records,
  variant: '',
  batchId: `batch-${first}`,
});
const signal = new AbortController().signal;

const land = async (processor: BatchProcessor, store: Store, taken: RecordBatch) => {
  const output = await processor.build(taken, signal);
  for (const { table, rows } of output.tables) await store.insert(table, rows, { token: taken.batchId });
  processor.landed(taken, output);
  return output;
};

describe('duplicates across batches', () => {
  test('a span redelivered in a later batch is dropped', async () => {
    const { store, asked } = createRowStore();
    const processor = processorOn(store);
    await land(processor, store, batch([recordOf(request(1), 0)], 0));
    const again = await land(processor, store, batch([recordOf(request(1), 1), recordOf(request(2), 2)], 1));
    expect(again.counts.duplicates).toBe(1);
    expect(again.tables[0]?.rows).toHaveLength(1);
    // Loaded once; after that memory is complete.
    expect(asked).toEqual([0]);
  });

  test('a new processor over the same history gives the same output as the old one', async () => {
    const { store } = createRowStore();
    const old = processorOn(store);
    await land(old, store, batch([recordOf(request(1), 0), recordOf(request(2), 1)], 0));
    const next = batch([recordOf(request(2), 2), recordOf(request(3), 3)], 2);
    const fresh = await processorOn(store).build(next, signal);
    expect(textOfOutput(await old.build(next, signal))).toBe(textOfOutput(fresh));
    expect(fresh.counts.duplicates).toBe(1);
  });

  test('a batch that was built and dropped leaves no trace in memory', async () => {
    const { store } = createRowStore();
    const processor = processorOn(store);
    const taken = batch([recordOf(request(1), 0)], 0);
    const first = await processor.build(taken, signal);
    const second = await processor.build(taken, signal);
    expect(second).toEqual(first);
  });

  test('the replay of an intent that landed in part does not take its own rows for older ones', async () => {
    const { store } = createRowStore();
    const taken = batch([recordOf(request(1), 5), recordOf(request(2), 6)], 5);
    const output = await processorOn(store).build(taken, signal);
    await store.insert('spans', output.tables[0]?.rows.slice(0, 1) ?? [], { token: 'x' });
    expect(await processorOn(store).build(taken, signal)).toEqual(output);
  });

  test('beyond the horizon a span is stored again, whoever remembers it', async () => {
    const { store } = createRowStore();
    const processor = processorOn(store);
    await land(processor, store, batch([recordOf(request(1), 0)], 0));
    await land(processor, store, batch([recordOf(request(2), 1)], 1));
    const far = SEEN_POSITIONS + 1;
    await land(processor, store, batch([recordOf(request(3), far - 1)], 2));
    const late = batch([recordOf(request(1), far), recordOf(request(2), far + 1)], far);
    const output = await processor.build(late, signal);
    expect(output.counts.duplicates).toBe(1);
    expect(await processorOn(store).build(late, signal)).toEqual(output);
  });
});

describe('the seen-set', () => {
  const seen = (steps: readonly (readonly [string, number])[], first: number) => {
    const set = createSeenSet({ positions: 10, steps: 4 });
    set.load(
      steps.map(([stepId, offset]) => ({ stepId, offset })),
      first,
    );
    return (ids: string) => [...ids].filter((id) => set.has(id)).join('');
  };

  test('forgets positions behind the horizon', () => {
    expect(
      seen(
        [
          ['a', 1],
          ['b', 5],
          ['c', 6],
        ],
        15,
      )('abc'),
    ).toBe('bc');
  });

  test('with too many steps it forgets whole positions, never part of one', () => {
    expect(
      seen(
        [
          ['a', 5],
          ['b', 6],
          ['c', 6],
          ['d', 7],
          ['e', 8],
        ],
        9,
      )('abcde'),
    ).toBe('bcde');
    expect(
      seen(
        [
          ['a', 5],
          ['b', 5],
          ['c', 6],
          ['d', 7],
          ['e', 8],
        ],
        9,
      )('abcde'),
    ).toBe('cde');
  });

  test('taking in batch by batch ends where loading all at once ends', () => {
    const rows = Array.from({ length: 60 }, (_, i) => ({ stepId: `s${i % 50}`, offset: Math.floor(i / 3) }));
    const step = createSeenSet({ positions: 10, steps: 7 });
    step.load([], 0);
    for (let first = 0; first < 20; first += 4) {
      step.take(
        rows.filter(({ offset }) => offset >= first && offset < first + 4),
        first + 4,
      );
      const whole = createSeenSet({ positions: 10, steps: 7 });
      whole.load(
        rows.filter(({ offset }) => offset < first + 4),
        first + 4,
      );
      const ids = rows.map(({ stepId }) => stepId);
      expect(ids.filter(step.has)).toEqual(ids.filter(whole.has));
    }
  });
});

test('a topic that no source names is a bug, said at once', () => {
  const task = createNormalizerTask(
    { sources: [sourceOf('spans')], content: 'full', redact: true },
    { store: createRowStore().store, logger: silent, metrics: createMetrics() },
  );
  expect(task.topics).toEqual(['otlp_spans']);
  expect(() => task.createProcessor({ ...PLACE, topic: 'other', signal: new AbortController().signal })).toThrow(
    'no source names the topic other',
  );
});
