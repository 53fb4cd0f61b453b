import { describe, expect, test } from 'vitest';
import { TAKING_AWAY } from './faults.ts';
import { REAL } from './pipelines.ts';
import { type RunOptions, runSeed } from './run.ts';

/** SEED=k SEEDS=n for others than these; SEED=k alone replays one and prints what happened in it. */
const FIRST = Number(process.env['SEED'] ?? 1);
const SEEDS = Number(process.env['SEEDS'] ?? (process.env['SEED'] === undefined ? 5_000 : 1));
/** A seed takes about 12 ms on a quiet machine. */
const TIMEOUT_MS = 60_000 + SEEDS * 200;
const TRACE_LINES = 400;

type Kind = Pick<RunOptions, 'pipeline' | 'without'>;

/** Runs a seed once more, for its story: the last lines of it, in order. */
const storyOf = async (seed: number, kind: Kind = {}): Promise<string> => {
  const lines: string[] = [];
  const { problems } = await runSeed({ ...kind, seed, trace: (line) => lines.push(line) });
  return [`SEED=${seed}`, ...lines.slice(-TRACE_LINES), ...problems].join('\n');
};

/** Runs the seeds in order; throws the story of the first that fails. Gives how often each fault came. */
const runAll = async (seeds: number, kind: Kind = {}): Promise<Readonly<Record<string, number>>> => {
  const faults: Record<string, number> = {};
  for (let seed = FIRST; seed < FIRST + seeds; seed += 1) {
    const verdict = await runSeed({ ...kind, seed });
    if (verdict.problems.length > 0) throw new Error(await storyOf(seed, kind));
    for (const [fault, count] of Object.entries(verdict.faults)) faults[fault] = (faults[fault] ?? 0) + count;
  }
  return faults;
};

describe('the stream loop in a simulated world', () => {
  test(
    `seeds ${FIRST}..${FIRST + SEEDS - 1}: nothing lost, nothing doubled, no hole in the manifest, every gap told`,
    async () => {
      const faults = await runAll(SEEDS);
      if (SEEDS === 1) console.log(await storyOf(FIRST));
      // Runs without their faults would prove nothing.
      if (SEEDS < 1_000) return;
      expect(Object.keys(faults).length).toBe(10);
      for (const [fault, count] of Object.entries(faults)) expect(count, fault).toBeGreaterThan(SEEDS / 10);
    },
    TIMEOUT_MS,
  );

  test(
    'the ledger and the lineage book and draw what one look at all steps gives',
    async () => {
      await runAll(Math.ceil(SEEDS / 50), { pipeline: REAL, without: TAKING_AWAY });
    },
    TIMEOUT_MS,
  );

  test('a seed is one story: twice the same, event by event', async () => {
    for (const seed of [1, 2, 3]) expect(await storyOf(seed)).toBe(await storyOf(seed));
    expect(await storyOf(1)).not.toBe(await storyOf(2));
  });
});
