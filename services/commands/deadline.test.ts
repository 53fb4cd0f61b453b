import { describe, expect, test } from 'vitest';
import type { Clock, Logger, Service } from '../runtime/ports.ts';
import { drainAll } from './deadline.ts';

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => SILENT,
};

/** A clock that stands still and counts who waits on it; `pass` lets every wait end. */
const createStillClock = () => {
  const waiting = new Set<() => void>();
  const clock: Clock = {
    nowMs: () => 0,
    sleep: (_ms, signal) =>
      new Promise((done, fail) => {
        waiting.add(done);
        signal?.addEventListener('abort', () => {
          waiting.delete(done);
          fail(new Error('aborted'));
        });
      }),
  };
  const pass = (): void => {
    for (const done of waiting) done();
  };
  return { clock, waiting, pass };
};

const serviceOf = (name: string, drain: () => Promise<void>): Service => ({
  name,
  start: async () => undefined,
  health: () => ({ state: 'ok', detail: '' }),
  drain,
});

describe('a drain', () => {
  test('leaves no timer behind: a process that is drained ends, it does not wait for the deadline', async () => {
    const { clock, waiting } = createStillClock();
    const order: string[] = [];
    const service = (name: string) => serviceOf(name, async () => void order.push(name));
    const failing = serviceOf('failing', async () => {
      throw new Error('no');
    });
    await drainAll([service('first'), failing, service('last')], SILENT, clock);
    expect(order).toEqual(['last', 'first']);
    expect(waiting.size).toBe(0);
  });

  test('that does not end is given up at the deadline, and the next one is begun', async () => {
    const { clock, waiting, pass } = createStillClock();
    const order: string[] = [];
    const stuck = serviceOf('stuck', () => new Promise(() => undefined));
    const drained = drainAll([serviceOf('first', async () => void order.push('first')), stuck], SILENT, clock);
    expect(waiting.size).toBe(1);
    pass();
    await drained;
    expect(order).toEqual(['first']);
  });
});
