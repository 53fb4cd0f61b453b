import { describe, expect, test } from 'vitest';
import type { Clock, PartitionConsumer, PolledBatch } from '../ports.ts';
import { createPace, goesFirst, type Pace, yields } from './pace.ts';

/** A clock that is moved by what sleeps. */
const handClock = () => {
  const state = { ms: 1_000_000, slept: 0 };
  const clock: Clock = {
    nowMs: () => state.ms,
    sleep: async (ms) => {
      state.ms += ms;
      state.slept += ms;
    },
  };
  return { clock, state };
};

const batchOf = (records: number, logEnd: number, timestampMs: number): PolledBatch => ({
  records: Array.from({ length: records }, (_, offset) => ({
    ...{ offset, timestampMs, key: null, value: new Uint8Array(), headers: {} },
  })),
  logEnd,
});

const world = () => {
  const { clock, state } = handClock();
  const pace = createPace(clock);
  const consumer = (tookMs: number): PartitionConsumer => ({
    startOffset: 7,
    onBatch: async () => {
      state.ms += tookMs;
      return 'continue';
    },
    onIdle: async () => {},
  });
  const restAfter = async (tookMs: number, batch: PolledBatch, of: Pace = pace): Promise<number> => {
    state.slept = 0;
    await yields(consumer(tookMs), of, clock, new AbortController().signal).onBatch(batch);
    return state.slept;
  };
  return { clock, state, pace, consumer, restAfter };
};

describe('the pace of the streams of one process', () => {
  test('a slow fold rests half as long as it worked, so that the next batch is larger; a backlog is not made to wait', async () => {
    const { restAfter } = world();
    expect(await restAfter(80, batchOf(10, 12, 0))).toBe(40);
    expect(await restAfter(9_000, batchOf(10, 12, 0))).toBe(250);
    expect(await restAfter(80, batchOf(10, 20, 0))).toBe(0);
  });

  test('folds make way while what goes first is late, and no longer than that', async () => {
    const { clock, state, pace, consumer, restAfter } = world();
    const first = goesFirst(consumer(0), pace, clock);
    await first.onBatch(batchOf(1, 1, state.ms - 3_000));
    expect(await restAfter(10, batchOf(10, 900, 0))).toBe(1_000);
    await first.onBatch(batchOf(1, 1, state.ms - 200));
    expect(await restAfter(10, batchOf(10, 12, 0))).toBe(5);
    await first.onBatch(batchOf(1, 1, state.ms - 3_000));
    // Nothing more was heard of it.
    state.ms += 6_000;
    expect(await restAfter(10, batchOf(10, 12, 0))).toBe(5);
  });

  test('a partition that is taken away rests no more', async () => {
    const { pace, consumer } = world();
    const ended = new AbortController();
    const clock: Clock = {
      nowMs: () => 0,
      sleep: (_ms, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('aborted')));
          ended.abort();
        }),
    };
    const resting = yields(consumer(0), { ...pace, restMs: () => 1e9 }, clock, ended.signal).onBatch(batchOf(1, 1, 0));
    expect(await resting).toBe('continue');
  });

  test('while it is late two batches of folds are under way, in the order of coming; otherwise any number', async () => {
    const { state, pace } = world();
    const { signal } = new AbortController();
    const begun: number[] = [];
    const take = async (number: number): Promise<() => void> => {
      const done = await pace.turn(signal);
      begun.push(number);
      return done;
    };
    const early = await Promise.all([0, 1, 2].map(take));
    expect(begun).toEqual([0, 1, 2]);
    pace.passed(5_000);
    const [third] = [take(3), take(4), take(5)];
    early[0]?.();
    await new Promise(setImmediate);
    expect(begun).toEqual([0, 1, 2]);
    early[1]?.();
    (await third)();
    await new Promise(setImmediate);
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    // Not late any more: whoever comes to an end lets all go.
    pace.passed(100);
    early[2]?.();
    await new Promise(setImmediate);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
    expect(state.slept).toBe(0);
  });

  test('whoever waits for its turn is let go when its partition is taken away', async () => {
    const { pace } = world();
    const ended = new AbortController();
    pace.passed(5_000);
    await pace.turn(ended.signal);
    await pace.turn(ended.signal);
    const third = pace.turn(ended.signal);
    ended.abort();
    expect(typeof (await third)).toBe('function');
  });

  test('begins where the partition begins', () => {
    const { clock, pace, consumer } = world();
    expect(goesFirst(consumer(0), pace, clock).startOffset).toBe(7);
    expect(yields(consumer(0), pace, clock, new AbortController().signal).startOffset).toBe(7);
  });
});
