import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { TransportError } from './errors.ts';
import type { Clock, Random } from './ports.ts';

/** Requests and answers wait behind a computation; this is how long at a time. */
const SLICE_MS = 12;
let turnedMs = 0;

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
  breathe: () =>
    performance.now() - turnedMs < SLICE_MS
      ? null
      : new Promise((resolve) => {
          setImmediate(() => {
            turnedMs = performance.now();
            resolve();
          });
        }),
};

/** The machine's randomness. */
export const systemRandom: Random = { uuid: () => randomUUID(), float: () => Math.random() };
