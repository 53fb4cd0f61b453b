import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Logger } from './ports.ts';

/** How often the heap is looked at. Rare: a full collection of a heap at rest pauses the process for about 0.1 s. */
const LOOK_MS = 20_000;
/** Reserved but unused heap worth a collection. */
const SLACK_BYTES = 96 * 1024 * 1024;
/**
 * CPU time of the whole process, in parts of the time that passed, below which it is at rest. Under load a full collection
 * stands still for half a second, and V8 collects a heap that it was made to shrink far more often afterwards.
 */
const REST_SHARE_MAX = 0.2;

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** What a look sees of the process: heap in bytes, CPU time of all its threads since it began in µs. */
export interface HeapLook {
  readonly heapTotal: number;
  readonly heapUsed: number;
  readonly cpuMicros: number;
}

/** Whether a collection is worth its pause: much heap is unused, and little was done in the `elapsedMs` since `before`. */
export const isTrimWorthwhile = (before: HeapLook, now: HeapLook, elapsedMs: number): boolean => {
  const hasSlack = now.heapTotal - now.heapUsed >= SLACK_BYTES || now.heapTotal >= 2 * SLACK_BYTES;
  return hasSlack && now.cpuMicros - before.cpuMicros < REST_SHARE_MAX * elapsedMs * 1000;
};

const look = (): HeapLook => {
  const { heapTotal, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { heapTotal, heapUsed, cpuMicros: user + system };
};

/**
 * Gives memory back after a burst. V8 keeps the heap it grew to; on a laptop that is at rest most of the day this is
 * most of what the process holds. Runs until the signal fires.
 */
export const trimHeapAtRest = async (clock: Clock, logger: Logger, signal: AbortSignal): Promise<void> => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  try {
    let before = look();
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal);
      const now = look();
      if (isTrimWorthwhile(before, now, LOOK_MS)) {
        collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
        logger.debug({ before_bytes: now.heapTotal, after_bytes: process.memoryUsage().heapTotal }, 'heap trimmed');
      }
      before = now;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};
