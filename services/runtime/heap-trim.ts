import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Logger } from './ports.ts';

/** How often the heap is looked at. Rare: a full collection of a heap at rest pauses the process for about 0.1 s. */
const LOOK_MS = 20_000;
/** Reserved but unused heap worth a collection. */
const SLACK_BYTES = 96 * 1024 * 1024;

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * Gives memory back after a burst. V8 keeps the heap it grew to; on a laptop that is at rest most of the day this is
 * most of what the process holds. Runs until the signal fires.
 */
export const trimHeapAtRest = async (clock: Clock, logger: Logger, signal: AbortSignal): Promise<void> => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  try {
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal);
      const before = process.memoryUsage();
      if (before.heapTotal - before.heapUsed < SLACK_BYTES && before.heapTotal < 2 * SLACK_BYTES) continue;
      collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      logger.debug({ before_bytes: before.rss, after_bytes: process.memoryUsage().rss }, 'heap trimmed');
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};
