import { describe, expect, test } from 'vitest';
import { runSeed } from './run.ts';

/** SEED=k SEEDS=n for others than these; SEED=k alone replays one and prints what happened in it. */
const FIRST = Number(process.env['SEED'] ?? 1);
const SEEDS = Number(process.env['SEEDS'] ?? (process.env['SEED'] === undefined ? 5_000 : 1));
/** A seed takes about 12 ms on a quiet machine. */
const TIMEOUT_MS = 60_000 + SEEDS * 200;
const TRACE_LINES = 400;

/** Runs a seed once more, for its story: the last lines of it, in order. */
const storyOf = async (seed: number): Promise<string> => {
  const lines: string[] = [];
  const { problems } = await runSeed({ seed, trace: (line) => lines.push(line) });
  return [`SEED=${seed}`, ...lines.slice(-TRACE_LINES), ...problems].join('\n');
};

/** Runs the seeds in order; throws the story of the first that fails. Gives how often each fault came. */
const runAll = async (): Promise<Readonly<Record<string, number>>> => {
  const faults: Record<string, number> = {};
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const verdict = await runSeed({ seed });
    if (verdict.problems.length > 0) throw new Error(await storyOf(seed));
    for (const [fault, count] of Object.entries(verdict.faults)) faults[fault] = (faults[fault] ?? 0) + count;
  }
  return faults;
};

describe('the stream loop in a simulated world', () => {
  test(
    `seeds ${FIRST}..${FIRST + SEEDS - 1}: nothing lost, nothing doubled, no hole in the manifest, every gap told`,
    async () => {
      const faults = await runAll();
      if (SEEDS === 1) console.log(await storyOf(FIRST));
      // Runs without their faults would prove nothing.
      if (SEEDS < 1_000) return;
      expect(Object.keys(faults).length).toBe(10);
      for (const [fault, count] of Object.entries(faults)) expect(count, fault).toBeGreaterThan(SEEDS / 10);
    },
    TIMEOUT_MS,
  );

  test('a seed is one story: twice the same, event by event', async () => {
    for (const seed of [1, 2, 3]) expect(await storyOf(seed)).toBe(await storyOf(seed));
    expect(await storyOf(1)).not.toBe(await storyOf(2));
  });
});
