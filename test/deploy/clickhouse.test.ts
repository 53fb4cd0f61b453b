import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import { createClickHouseStore } from '../../services/runtime/store/clickhouse.ts';
import { migrate, missingMigrations } from '../../services/runtime/store/migrate.ts';
import { silentLogger } from '../support/engine.ts';
import { type GrantedEngine, startGrantedEngine, usersXmlOf } from '../support/granted-engine.ts';

const root = resolve(import.meta.dirname, '..', '..');
const configText = readFileSync(join(root, 'deploy/clickhouse/config.d/tachograph.xml'), 'utf8');
const usersText = readFileSync(join(root, 'deploy/clickhouse/users.d/tachograph.xml'), 'utf8');

const deps = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: createMetrics() };
const storeOf = ({ url, user, password }: GrantedEngine, database: string) =>
  createClickHouseStore({ url, user, password, database }, deps);

let dataDir: string;
let engine: GrantedEngine | undefined;
const as = async (user: string): Promise<GrantedEngine> => {
  engine = await startGrantedEngine(dataDir, user);
  return engine;
};
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tacho-grants-'));
});
afterEach(() => engine?.close());
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const REFUSED = /Not enough privileges|ACCESS_DENIED/;

// In this order: the schema that the first makes is what the others read and write.
describe('on the real engine, under the grants that are shipped', () => {
  test('tacho_migrate makes the whole schema, takes a lock and lets go of it', async () => {
    const migrator = await as('tacho_migrate');
    const admin = storeOf(migrator, 'default');
    const options = { database: 'tacho', fsyncInserts: false, ...deps };
    expect((await migrate(admin, options)).applied.length).toBeGreaterThan(1);
    expect((await migrate(admin, options)).applied).toEqual([]);
    await admin.close();
    await expect(migrator.ask('CREATE DATABASE elsewhere')).rejects.toThrow(REFUSED);
    await expect(migrator.ask('CREATE USER more')).rejects.toThrow(REFUSED);
    await expect(migrator.ask("SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a Int8')")).rejects.toThrow(REFUSED);
  });

  test('tacho reads and adds rows to every table, and can neither change nor drop one', async () => {
    const writer = await as('tacho');
    const store = storeOf(writer, 'tacho');
    expect(await missingMigrations(store, 'tacho')).toEqual([]);
    const tables = await store.query<{ name: string; engine: string }>(
      "SELECT name, engine FROM system.tables WHERE database = 'tacho'",
    );
    expect(tables.length).toBeGreaterThan(15);
    for (const view of tables.filter(({ engine }) => engine === 'View'))
      await writer.ask(`SELECT * FROM tacho.${view.name} LIMIT 1`);
    for (const { name } of tables.filter(({ engine }) => engine !== 'View')) {
      await writer.ask(`SELECT * FROM tacho.${name} LIMIT 1`);
      await writer.ask(`INSERT INTO tacho.${name} SELECT * FROM tacho.${name} WHERE 0`);
      for (const statement of [
        `DROP TABLE tacho.${name}`,
        `TRUNCATE TABLE tacho.${name}`,
        // Of roll-ups, which are made of other rows, it removes what no longer counts.
        ...(['rollup_spend', 'rollup_steps'].includes(name)
          ? []
          : [`ALTER TABLE tacho.${name} DELETE WHERE 1`, `ALTER TABLE tacho.${name} DROP PARTITION ID 'x'`]),
      ])
        await expect(writer.ask(statement), statement).rejects.toThrow(REFUSED);
    }
    await expect(writer.ask('CREATE TABLE tacho.more (a UInt8) ENGINE = Memory')).rejects.toThrow(REFUSED);
    await writer.ask("KILL QUERY WHERE query_id = 'of nobody' ASYNC");
    expect(await writer.ask("SELECT count() FROM system.processes WHERE query ILIKE 'SELECT%'")).toBe('1');
    const row = { at: '2026-01-01 00:00:00.000', actor: 'test', tenant_id: 't', subject: 's' };
    await store.insert('access_log', [row], { token: 'one' });
    expect(await writer.ask('SELECT actor FROM tacho.access_log')).toBe('test');
    await store.close();
  });

  test('grafana reads all but the texts of prompts, writes nothing, and stays within its limits', async () => {
    const reader = await as('grafana');
    expect(await reader.ask('SELECT actor FROM tacho.access_log')).toBe('test');
    expect(await reader.ask('SELECT count() FROM tacho.spans SETTINGS max_execution_time = 30')).toBe('0');
    await expect(reader.ask('SELECT * FROM tacho.span_content')).rejects.toThrow(REFUSED);
    await expect(reader.ask('INSERT INTO tacho.access_log SELECT * FROM tacho.access_log')).rejects.toThrow(
      /ACCESS_DENIED|READONLY/,
    );
    await expect(reader.ask('SELECT number FROM numbers(1000001)')).rejects.toThrow('TOO_MANY_ROWS');
    const limits = [
      'max_execution_time',
      'max_memory_usage',
      'max_result_rows',
      'max_result_bytes',
      'max_rows_to_read',
    ];
    // 0 would lift a limit as well as a large number does. Of threads, 0 means as many as there are processors.
    for (const setting of limits
      .flatMap((limit) => [`${limit} = 0`, `${limit} = 100000000000`])
      .concat('max_threads = 64'))
      await expect(reader.ask(`SELECT 1 SETTINGS ${setting}`), setting).rejects.toThrow('SETTING_CONSTRAINT_VIOLATION');
    await expect(reader.ask('SELECT 1 SETTINGS readonly = 0')).rejects.toThrow('READONLY');
  });

  test('a config or a users file with a slip does not load, so that this test would tell', async () => {
    const broken = configText.replace('</part_log>', '');
    await expect(startGrantedEngine(dataDir, 'tacho', { users: usersXmlOf('tacho'), server: broken })).rejects.toThrow(
      'did not start',
    );
    const misspelt = usersText.replace('GRANT SELECT, INSERT ON tacho.*', 'GRANT SELECT INSERT ON tacho.*');
    await expect(startGrantedEngine(dataDir, 'tacho', { users: usersXmlOf('tacho', [], misspelt) })).rejects.toThrow(
      'did not start',
    );
  });
});

test('docs/deploy.md says the same grants as SQL, and the engine takes it', async () => {
  const docs = readFileSync(join(root, 'docs/deploy.md'), 'utf8');
  const sql = [...(/```sql\n(.*?)```/s.exec(docs)?.[1] ?? '').matchAll(/[^;]+;/g)].map(([text]) => text.trim());
  const granted = ['tacho_migrate', 'tacho', 'grafana'].flatMap((user) => {
    const section = new RegExp(`<${user}>(.*?)</${user}>`, 's').exec(usersText)?.[1] ?? '';
    return [...section.matchAll(/<query>(.*?)<\/query>/g)].map(
      ([, query = '']) => `${query} ${query.startsWith('REVOKE') ? 'FROM' : 'TO'} ${user};`,
    );
  });
  expect(sql.filter((text) => !text.startsWith('CREATE USER'))).toEqual(granted);
  const parser = await as('tacho');
  for (const text of sql) await parser.ask(`EXPLAIN AST ${text}`);
});

describe("the server's own tables", () => {
  const ttls = [...configText.matchAll(/<(\w+)><ttl>([^<]+)<\/ttl>/g)].map(([, table = '', ttl = '']) => ({
    table,
    ttl,
  }));
  const removed = [...configText.matchAll(/<(\w+_log) remove="remove"\/>/g)].map(([, table]) => table);

  /** Logs that are written in the default config of ClickHouse 26.8, or were in one of the versions before. */
  const LOGS = ['query_log', 'part_log', 'metric_log', 'asynchronous_metric_log', 'error_log', 'trace_log', 'text_log']
    .concat(['latency_log', 'query_thread_log', 'query_views_log', 'query_metric_log', 'processors_profile_log'])
    .concat(['opentelemetry_span_log', 'asynchronous_insert_log', 'backup_log', 's3queue_log', 'blob_storage_log']);

  test('each expire after days or are not written', () => {
    expect(LOGS.filter((log) => !removed.includes(log) && !ttls.some(({ table }) => table === log))).toEqual([]);
  });

  test('expire by an expression that the engine takes', async () => {
    const migrator = await as('tacho_migrate');
    expect(ttls.length).toBeGreaterThan(3);
    for (const { table, ttl } of ttls)
      await migrator.ask(
        `CREATE TABLE tacho.of_${table} (event_date Date) ENGINE = MergeTree ORDER BY event_date TTL ${ttl}`,
      );
  });
});
