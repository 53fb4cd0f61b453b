import { expect, test } from 'vitest';
import { createMetrics } from '../../runtime/metrics.ts';
import type { Clock, Logger, RuleFiles } from '../../runtime/ports.ts';
import { type LoadedBook, loadPriceBook } from './book.ts';
import { createPricesInForce } from './prices-in-force.ts';

const DIR = 'config/prices';
const FILE = `${DIR}/own.yaml`;
const textOf = (usd: string): string => `prices:\n  - {id: house, models: [house-1], rates: {input_mtok: ${usd}}}\n`;
const bookOf = (text: string | null): LoadedBook => {
  const read = loadPriceBook(text === null ? [] : [{ path: FILE, text, problem: null }]);
  if (read.kind === 'refused') throw new Error(JSON.stringify(read.problems));
  return read;
};

/** A folder in memory, a clock that moves only when the test lets a look happen, and everything that was told. */
const startWatch = (loaded: string | null, onDisk: string | null) => {
  let text = onDisk;
  let version = 0;
  const files: RuleFiles = {
    dir: DIR,
    stamp: async () => String(version),
    read: async () => ({
      files: [
        text === null ? { path: DIR, text: null, problem: 'does not exist' } : { path: FILE, text, problem: null },
      ],
      changedAtMs: version,
    }),
  };
  let wake: (() => void) | null = null;
  const clock = {
    nowMs: () => 1_000,
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        wake = resolve;
        signal?.addEventListener('abort', () => reject(signal.reason));
      }),
  } as unknown as Clock;
  const errors: unknown[] = [];
  const log = (into: unknown[]) => (what: unknown) => void into.push(what);
  const logger = { info: log([]), warn: log([]), error: log(errors), debug: log([]) } as unknown as Logger;
  const taken: LoadedBook[] = [];
  let refusals = 0;
  const prices = createPricesInForce(bookOf(loaded), {
    ...{ files, clock, logger, metrics: createMetrics() },
    take: async (next) => {
      if (refusals > 0) {
        refusals -= 1;
        throw new Error('the store is away');
      }
      taken.push(next);
    },
  });
  prices.start();
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  return {
    ...{ prices, taken, errors },
    write: (changed: string | null): void => {
      text = changed;
      version += 1;
    },
    failTakes: (times: number): void => {
      refusals = times;
    },
    look: async (times = 2): Promise<void> => {
      for (let at = 0; at < times; at += 1) {
        await settled();
        wake?.();
        await settled();
      }
    },
  };
};

test('a change is taken once, when whoever writes has finished', async () => {
  const { prices, taken, write, look } = startWatch(textOf('1'), textOf('1'));
  await look(3);
  expect(taken).toEqual([]);
  write(textOf('2'));
  await look(1);
  write(textOf('3'));
  await look(1);
  expect(taken).toEqual([]);
  await look(3);
  expect(taken.map(({ book }) => book.hash)).toEqual([bookOf(textOf('3')).book.hash]);
  expect(prices.current().book.hash).toBe(bookOf(textOf('3')).book.hash);
  await prices.drain();
});

test('what changed between the start and the first look is seen', async () => {
  const { prices, taken, look } = startWatch(textOf('1'), textOf('2'));
  await look();
  expect(taken).toHaveLength(1);
  await prices.drain();
});

test('a mistake keeps the book that was loaded and is told with file, line and column until it is mended', async () => {
  const { prices, taken, errors, write, look } = startWatch(textOf('1'), textOf('1'));
  await look();
  write(textOf('dear'));
  await look();
  expect(taken).toEqual([]);
  expect(prices.current().book.hash).toBe(bookOf(textOf('1')).book.hash);
  expect(prices.health()).toEqual({ state: 'degraded', detail: expect.stringContaining(`${FILE}:2:`) });
  expect(JSON.stringify(errors)).toContain(`${FILE}:2:`);
  write(textOf('1'));
  await look();
  expect(prices.health()).toEqual({ state: 'ok', detail: '' });
  expect(taken).toEqual([]);
  await prices.drain();
});

test('a folder that has gone ends no price; without one from the start none is missed', async () => {
  const gone = startWatch(textOf('1'), textOf('1'));
  await gone.look();
  gone.write(null);
  await gone.look();
  expect(gone.prices.health()).toMatchObject({ state: 'degraded', detail: expect.stringContaining('does not exist') });
  expect(gone.prices.current().own).toHaveLength(1);
  await gone.prices.drain();

  const none = startWatch(null, null);
  await none.look();
  expect(none.prices.health()).toEqual({ state: 'ok', detail: '' });
  none.write(textOf('1'));
  await none.look();
  expect(none.prices.current().own).toHaveLength(1);
  await none.prices.drain();
});

test('a book the store does not take is not in force, and is tried again', async () => {
  const { prices, taken, write, look, failTakes } = startWatch(textOf('1'), textOf('1'));
  await look();
  failTakes(1);
  write(textOf('2'));
  await look();
  expect(prices.current().book.hash).toBe(bookOf(textOf('1')).book.hash);
  await look(3);
  expect(taken).toHaveLength(1);
  expect(prices.current().book.hash).toBe(bookOf(textOf('2')).book.hash);
  await prices.drain();
});
