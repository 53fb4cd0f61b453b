import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { splitStatements } from '../../services/runtime/engine/sql-tokens.ts';
import { DEFAULT_RETENTION_DAYS, type RetentionDays } from '../../services/runtime/store/ddl.ts';
import { migrate, printedSchema } from '../../services/runtime/store/migrate.ts';
import { storedRetention } from '../../services/runtime/store/retention.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { until } from '../support/tacho.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
});
afterAll(() => engine.close());

const options = { database: 'tacho', fsyncInserts: true, clock: systemClock, random: systemRandom };
const keep = (days: Partial<RetentionDays>) =>
  migrate(engine.adminStore, { ...options, retentionDays: { ...DEFAULT_RETENTION_DAYS, ...days } });

/** A row of `dead_letters` logged `ago` days ago; `ts` does not come into it. */
const letter = (ago: number) =>
  engine.adminStore.command(
    `INSERT INTO tacho.dead_letters (log_topic, log_offset, logged_at) SELECT 'age', ${ago}, now64(3) - toIntervalDay(${ago})`,
  );
const ages = async () =>
  (
    await engine.store.query<{ age: string }>(
      "SELECT toString(log_offset) AS age FROM dead_letters WHERE log_topic = 'age' ORDER BY log_offset",
    )
  ).map(({ age }) => Number(age));

describe('retention of tables that exist', () => {
  test('follows the config, says what changed, and changes nothing twice', async () => {
    expect((await keep({ spans: 90, tables: { dead_letters: 500 } })).retention).toEqual([
      { table: 'spans', from: 30, to: 90 },
      { table: 'dead_letters', from: 400, to: 500 },
    ]);
    expect((await keep({ spans: 90, tables: { dead_letters: 500 } })).retention).toEqual([]);
    const stored = await storedRetention(engine.store, 'tacho');
    expect([stored.get('spans'), stored.get('dead_letters'), stored.get('batches')]).toEqual([90, 500, 400]);
    expect(stored.has('policy_rulesets')).toBe(false);
  });

  test('drops whole parts of what is too old now, and rewrites none of the others', async () => {
    for (const ago of [1, 70, 130, 450]) await letter(ago);
    expect(await ages()).toEqual([1, 70, 130, 450]);
    const partsOf = async (ageMax: number) =>
      (
        await engine.adminStore.query<{ bytes: string }>(
          `SELECT toString(sum(data_compressed_bytes)) AS bytes FROM system.parts WHERE active AND database = 'tacho' AND table = 'dead_letters' AND max_time > now() - toIntervalDay(${ageMax})`,
        )
      )[0]?.bytes;
    const before = await partsOf(60);
    await keep({ tables: { dead_letters: 100 } });
    await until('old parts go', async () => ((await ages()).length === 2 ? true : null), 120_000);
    expect(await ages()).toEqual([1, 70]);
    expect(await partsOf(60)).toBe(before);
  });

  test('the printed schema, applied by hand, does the same', async () => {
    const printed = printedSchema({
      database: 'tacho',
      replication: false,
      retentionDays: { ...DEFAULT_RETENTION_DAYS, spans: 45, tables: { dead_letters: 50 } },
    });
    for (const statement of splitStatements(printed)) await engine.adminStore.command(statement);
    const stored = await storedRetention(engine.store, 'tacho');
    expect([stored.get('spans'), stored.get('dead_letters'), stored.get('runs')]).toEqual([45, 50, 400]);
    // A part may not be wholly over at the moment, so only what must stay is told.
    expect(await ages()).toContain(1);
  });
});
