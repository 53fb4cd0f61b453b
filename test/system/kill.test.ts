import { describe, expect, test } from 'vitest';
import { kafkaAvailable } from '../support/kafka-broker.ts';
import type { Shape } from '../support/kill-places.ts';
import { type KillOptions, runKills } from '../support/kill-run.ts';

/** Kills of each test, two tests a log; `npm run kill -- --kills N` is the long form. */
const KILLS = Number(process.env['KILLS'] ?? 15);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const SHAPES: readonly Shape[] = ['together', 'apart'];
/** For a machine that does something else beside: a quiet one takes two minutes. */
const TIMEOUT_MS = 1_200_000;

/** Of which the recorded traffic makes nothing. */
const EMPTY: ReadonlySet<string> = new Set(['dead_letters', 'incident_deliveries', 'scores']);

const killAndJudge = async (options: Pick<KillOptions, 'log' | 'shape'>): Promise<void> => {
  const lines: string[] = [];
  const result = await runKills({ ...options, kills: KILLS, seed: SEED, say: (line) => lines.push(line) });
  const story = `seed ${SEED}\n${lines.join('\n')}\n${result.auditOutput}`;
  expect(result.problems, story).toEqual([]);
  // Much of nothing would be equal too.
  for (const { table, rows } of result.tables)
    if (!EMPTY.has(table)) expect(rows, table).toBeGreaterThan(result.rounds);
};

describe(`SIGKILL at random moments under load (${KILLS} kills each, seed ${SEED})`, () => {
  test.each(SHAPES)(
    'sqlite log, services %s: nothing lost, nothing doubled',
    (shape) => killAndJudge({ log: 'sqlite', shape }),
    TIMEOUT_MS,
  );

  test.runIf(kafkaAvailable()).each(SHAPES)(
    'Kafka, services %s, the broker among the killed: nothing lost, nothing doubled',
    (shape) => killAndJudge({ log: 'kafka', shape }),
    TIMEOUT_MS,
  );
});
