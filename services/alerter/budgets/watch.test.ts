import { expect, test } from 'vitest';
import { silentLogger } from '../../runtime/log.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import type { Clock, Store } from '../../runtime/ports.ts';
import { createBudgetWatch } from './watch.ts';

test('a machine that sleeps through a look watches again within five minutes', async () => {
  const pauses: number[] = [];
  const now = { ms: 1_795_000_000_000 };
  const third = Promise.withResolvers<void>();
  const clock: Clock = {
    nowMs: () => now.ms,
    sleep: async (ms, signal) => {
      pauses.push(ms);
      if (pauses.length < 3) return;
      third.resolve();
      await new Promise((resolve) => signal?.addEventListener('abort', resolve));
    },
  };
  const never = async (): Promise<never> => {
    throw new Error('nothing is told without budgets');
  };
  // The lid is closed in the midst of the second look.
  const store: Store = {
    query: async () => {
      if (pauses.length === 1) now.ms += 8 * 3_600_000;
      return [];
    },
    insert: async () => {},
    command: never,
    ping: never,
    close: never,
  };
  const log = {
    kind: 'memory',
    ensureTopics: never,
    append: never,
    consume: never,
    ranges: never,
    committed: never,
    logId: never,
    ping: never,
    close: never,
  } as const;
  const watch = createBudgetWatch([], {
    log,
    store,
    clock,
    random: { uuid: () => 'u', float: () => 0 },
    logger: silentLogger,
    metrics: createMetrics(),
    onCrash: (error) => {
      throw error;
    },
  });
  watch.start();
  await third.promise;
  await watch.drain();
  expect(pauses).toEqual([2_000, 300_000, 2_000]);
});
