import { EngineError } from './engine-error.ts';

/** Runs at most `runningMax` tasks at once; further ones wait in order. */
export interface Slots {
  /**
   * Throws EngineError 202 (TOO_MANY_SIMULTANEOUS_QUERIES) when the queue is full, and whatever the task throws. A task
   * whose `isAbandoned` says so when its turn comes is never begun: it ends with EngineError 394.
   */
  readonly run: <T>(task: () => Promise<T>, isAbandoned: () => boolean) => Promise<T>;
  readonly running: () => number;
}

/** Builds a limiter; `waitingMax` bounds its queue. */
export const createSlots = (runningMax: number, waitingMax: number): Slots => {
  const waiting: (() => void)[] = [];
  let running = 0;
  const enter = async (): Promise<void> => {
    if (running < runningMax) {
      running += 1;
      return;
    }
    if (waiting.length >= waitingMax) {
      throw new EngineError(
        202,
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Too many queries: ${running} running, ${waiting.length} waiting`,
      );
    }
    // The slot of the task that ends is handed over, so `running` does not change.
    await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  };
  return {
    running: () => running,
    run: async (task, isAbandoned) => {
      await enter();
      try {
        if (isAbandoned()) throw new EngineError(394, 'QUERY_WAS_CANCELLED', 'The client went away before its turn');
        return await task();
      } finally {
        leave();
      }
    },
  };
};
