import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { migrate, missingMigrations, readMigrations, SQL_DIR } from '../../services/runtime/store/migrate.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
let sqlDir: string;
beforeAll(async () => {
  engine = await startTestEngine();
  sqlDir = mkdtempSync(join(tmpdir(), 'tacho-sql-'));
  cpSync(SQL_DIR, sqlDir, { recursive: true });
});
afterAll(async () => {
  rmSync(sqlDir, { recursive: true, force: true });
  await engine.close();
});

const run = (database: string, dir = sqlDir) =>
  migrate(engine.adminStore, { database, sqlDir: dir, fsyncInserts: true, clock: systemClock, random: systemRandom });
const versions = readMigrations().map((migration) => migration.version);

describe('migrations', () => {
  test('apply every file once, in order, and know what was applied', async () => {
    expect(await run('once')).toEqual({ applied: versions, already: [], retention: [] });
    expect(await run('once')).toEqual({ applied: [], already: versions, retention: [] });
    writeFileSync(
      join(sqlDir, '9000_more.sql'),
      '-- a; b\nCREATE TABLE IF NOT EXISTS {{db}}.more (a UInt8) ENGINE = {{MergeTree}} ORDER BY a;\n',
    );
    expect(await run('once')).toEqual({ applied: ['9000_more'], already: versions, retention: [] });
  });

  test('that are missing are told without making anything', async () => {
    const missing = (database: string) => missingMigrations(engine.adminStore, database, sqlDir);
    expect(await missing('never')).toEqual([...versions, '9000_more']);
    expect(await engine.adminStore.query("SHOW DATABASES LIKE 'never'")).toEqual([]);
    await engine.adminStore.command('CREATE DATABASE empty');
    expect(await missing('empty')).toEqual([...versions, '9000_more']);
    await run('half', SQL_DIR);
    expect(await missing('half')).toEqual(['9000_more']);
    expect(await missing('once')).toEqual([]);
  });

  test('refuse a file that was changed after it had been applied', async () => {
    writeFileSync(join(sqlDir, '9000_more.sql'), 'SELECT 1;');
    await expect(run('once')).rejects.toMatchObject({
      code: 'STORE_REJECTED',
      message: expect.stringContaining('9000_more'),
    });
  });

  test('run at the same time by several, are applied once and leave no lock', async () => {
    rmSync(join(sqlDir, '9000_more.sql'), { force: true });
    const results = await Promise.all([run('many'), run('many'), run('many')]);
    expect(results.flatMap((result) => result.applied)).toEqual(versions);
    const left = "SELECT name FROM system.tables WHERE database = 'many' AND name LIKE '%lock%'";
    expect(await engine.adminStore.query(left)).toEqual([]);
  });

  test('overtake the lock of a killed holder', async () => {
    await engine.adminStore.command('CREATE DATABASE dead');
    await engine.adminStore.command(
      "CREATE TABLE dead.schema_lock (held UInt8) ENGINE = Memory COMMENT 'somebody 1000'",
    );
    expect((await run('dead')).applied).toEqual(versions);
  });

  test('give every stream table a deduplication window, synced inserts and drops of whole parts', async () => {
    const rows = await engine.adminStore.query<{ name: string }>(
      `SELECT name FROM system.tables WHERE database = 'tacho' AND engine LIKE '%MergeTree'
       AND NOT (create_table_query LIKE '%non_replicated_deduplication_window = 10000%' AND create_table_query LIKE '%fsync_after_insert = 1%'
       AND create_table_query LIKE '%fsync_part_directory = 1%' AND create_table_query LIKE '%ttl_only_drop_parts = 1%')`,
    );
    expect(rows).toEqual([]);
  });
});
