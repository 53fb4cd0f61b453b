import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { TransportError } from './errors.ts';
import type { Clock, Random } from './ports.ts';

/** The machine's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, signal ? { signal } : {});
    } catch (cause) {
      throw new TransportError('ABORTED', 'waiting was aborted', { retryable: false, cause });
    }
  },
};

/** The machine's randomness. */
export const systemRandom: Random = { uuid: () => randomUUID(), float: () => Math.random() };
