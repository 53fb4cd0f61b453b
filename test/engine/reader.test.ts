import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
let secretFile: string;
beforeAll(async () => {
  engine = await startTestEngine();
  mkdirSync(join(engine.dataDir, 'outside'));
  secretFile = join(engine.dataDir, 'outside', 'secret.csv');
  writeFileSync(secretFile, 'the-secret\n');
  await engine.store.command('CREATE VIEW through AS SELECT 1 AS one');
  await engine.store.command(
    'CREATE TABLE kept (name String, url String, file_name String) ENGINE = MergeTree ORDER BY name',
  );
  await engine.store.insert('kept', [{ name: 'a', url: 'u', file_name: 'f' }], { token: 'kept' });
});
afterAll(() => engine.close());

/** As anybody on this machine: no credentials. */
const ask = async (sql: string, query = ''): Promise<{ status: number; text: string }> => {
  const reply = await fetch(`${engine.url}/?${query}`, { method: 'POST', body: sql });
  return { status: reply.status, text: await reply.text() };
};

describe('a caller without the password', () => {
  test.each([
    'SELECT 1',
    '  -- why\n /* what */ SELECT 1 -- end',
    'WITH 1 AS x SELECT x',
    'SELECT count() FROM tacho.kept;',
    'SELECT one FROM tacho.through',
    'SHOW TABLES FROM tacho',
    'DESCRIBE TABLE tacho.spans',
    'EXISTS TABLE tacho.spans',
    'EXPLAIN SELECT 1',
    "SELECT name, url, file_name AS `req/s` FROM tacho.kept WHERE name != 'file(1); INSERT INTO x' FORMAT JSON",
    "SELECT URLHierarchy('http://a/b'), domain('http://a/b')",
    'SELECT * FROM numbers(3) AS n, (SELECT 1) AS q',
    "SELECT name IS DISTINCT FROM 'x', name IS NOT DISTINCT FROM 'x' FROM tacho.kept",
    "SELECT '/* ' AS a, ' */' AS b, '--' AS c, $1 FROM (SELECT 1 AS `$1`)".replace(', $1', ''),
    '(SELECT 1) UNION ALL (SELECT 2)',
  ])('may read: %s', async (sql) => {
    const { status, text } = await ask(sql);
    expect([sql, status, text]).toEqual([sql, 200, text]);
  });

  test.each([
    "INSERT INTO tacho.kept VALUES ('b', '', '')",
    'CREATE TABLE tacho.x (a UInt8) ENGINE = Memory',
    'CREATE TEMPORARY TABLE x (a UInt8)',
    'DROP TABLE tacho.kept',
    'TRUNCATE TABLE tacho.kept',
    'ALTER TABLE tacho.kept DELETE WHERE 1',
    'OPTIMIZE TABLE tacho.kept',
    'RENAME TABLE tacho.kept TO tacho.gone',
    'SYSTEM SHUTDOWN',
    'KILL QUERY WHERE 1',
    'SET readonly = 0',
    'USE tacho',
    'GRANT ALL ON *.* TO default',
    "BACKUP DATABASE tacho TO File('x')",
    'ATTACH TABLE tacho.x',
    'EXECUTE AS tacho SELECT 1',
    'SELECT 1; DROP TABLE tacho.kept',
    'SELECT 1;;SELECT 2',
    "SELECT 1 /* ; */ ; INSERT INTO tacho.kept VALUES ('b','','')",
    'WITH x AS (SELECT 1) INSERT INTO tacho.kept SELECT 1, 2, 3',
    'EXPLAIN AST INSERT INTO tacho.kept VALUES (1, 2, 3)',
    "SELECT * FROM file('SECRET', 'LineAsString')",
    "SELECT 1 UNION DISTINCT FROM 'SECRET' SELECT *",
    "SELECT 1 AS is UNION DISTINCT FROM 'SECRET' SELECT *",
    "SELECT * FROM FILE ( 'SECRET' , 'LineAsString')",
    "SELECT * FROM `file`('SECRET', 'LineAsString')",
    "SELECT * FROM \"file\"('SECRET', 'LineAsString')",
    "SELECT * FROM `fil\\x65`('SECRET', 'LineAsString')",
    "SELECT * FROM file/* */('SECRET', 'LineAsString')",
    "SELECT * FROM file -- x\n ('SECRET', 'LineAsString')",
    "SELECT * FROM file\u00a0('SECRET', 'LineAsString')",
    "SELECT * FROM /* /* */ file('SECRET', 'LineAsString') /* */",
    "SELECT * FROM /* /* */ */ file('SECRET', 'LineAsString')",
    "SELECT '\\'' , (SELECT * FROM file('SECRET', 'LineAsString')) -- '",
    "SELECT '''', (SELECT * FROM file('SECRET', 'LineAsString')), ''''",
    "SELECT $$ ' $$, (SELECT * FROM file('SECRET', 'LineAsString')) --'",
    "SELECT file('SECRET')",
    "SELECT `file`('SECRET')",
    "SELECT * APPLY file FROM (SELECT 'SECRET' AS x)",
    "SELECT * APPLY(file) FROM (SELECT 'SECRET' AS x)",
    "SELECT arrayMap(file, ['SECRET'])",
    "SELECT arrayMap(x -> file(x), ['SECRET'])",
    "WITH file('SECRET') AS x SELECT x",
    "SELECT 1 WHERE (SELECT file('SECRET')) != ''",
    "SELECT * FROM 'SECRET'",
    'SELECT * FROM `SECRET`',
    'SELECT * FROM "SECRET"',
    'SELECT * FROM default.`SECRET`',
    'SELECT 1 FROM system.one, `SECRET`',
    'DESCRIBE TABLE `SECRET`',
    "DESCRIBE TABLE file('SECRET', 'LineAsString')",
    "EXPLAIN PLAN SELECT * FROM file('SECRET', 'LineAsString')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM view(SELECT * FROM file('SECRET', 'LineAsString'))",
    "SELECT * FROM fileCluster('default', 'SECRET', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV')",
    "SELECT * FROM urlCluster('default', 'http://127.0.0.1:1/', 'CSV')",
    "SELECT * FROM s3('http://127.0.0.1:1/b/k')",
    "SELECT * FROM s3Cluster('default', 'http://127.0.0.1:1/b/k')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1:1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM sqlite('SECRET', 't')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'd', 't', 'u', 'p', 'a Int8')",
    "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')",
    "SELECT * FROM odbc('DSN=x', 'd', 't')",
    "SELECT * FROM jdbc('x', 'd', 't')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV')",
    "SELECT * FROM azureBlobStorage('x', 'c', 'b')",
    "SELECT * FROM icebergLocal('SECRET')",
    "SELECT * FROM deltaLakeLocal('SECRET')",
    "SELECT * FROM executable('x.sh', 'TSV', 'a String')",
    "SELECT * FROM python('x')",
    "SELECT * FROM filesystem('SECRET')",
    "SELECT aiGenerate('x')",
    "SELECT catboostEvaluate('SECRET', 1)",
    "SELECT 1 INTO OUTFILE 'SECRET.out'",
    "SELECT 1 INTO /* */ OUTFILE 'SECRET.out' FORMAT CSV",
    'SELECT 1 SETTINGS readonly = 0',
    'SELECT 1 SETTINGS max_execution_time = 0',
    "SELECT 1 FORMAT Template SETTINGS format_template_row = 'SECRET'",
    "SELECT 'unclosed",
    '/* unclosed SELECT 1',
    'FILE',
    '',
    ';',
    '\u0000',
  ])('is refused: %s', async (template) => {
    const sql = template.replaceAll('SECRET', secretFile);
    const { status, text } = await ask(sql);
    expect([sql, status >= 400, text.startsWith('Code: ')]).toEqual([sql, true, true]);
    expect(text).not.toContain('the-secret');
  });

  test.each([
    'readonly=0',
    'user_files_path=/',
    'format_schema=/etc/passwd',
    'format_template_row=/etc/passwd',
    'output_format_schema=/tmp/x',
    'allow_ddl=1',
    'insert_deduplication_token=x',
    'async_insert=1',
    'max_memory_usage_for_user=0',
    'send_logs_level=trace',
  ])('may not set %s in the URL', async (setting) => {
    const { status, text } = await ask('SELECT 1', setting);
    expect([setting, status, text.startsWith('Code: 164')]).toEqual([setting, 403, true]);
  });

  test('may ask for less than the limits, never for more', async () => {
    const asked = "SELECT getSetting('max_execution_time') AS t, getSetting('max_result_rows') AS r FORMAT JSONEachRow";
    const read = async (query: string) => JSON.parse((await ask(asked, query)).text);
    expect(await read('')).toEqual({ t: 30, r: 1_000_000 });
    expect(await read('max_execution_time=5&max_result_rows=10')).toEqual({ t: 5, r: 10 });
    expect(await read('max_execution_time=0&max_result_rows=0')).toEqual({ t: 30, r: 1_000_000 });
    expect(await read('max_execution_time=9999&max_result_rows=-1')).toEqual({ t: 30, r: 1_000_000 });
    expect(await read('max_execution_time=1e9&max_result_rows=NaN')).toEqual({ t: 30, r: 1_000_000 });
    expect((await ask('SELECT number FROM numbers(1000001)')).text).toContain('Code: 396');
    expect(
      (await ask('SELECT sum(cityHash64(number)) FROM numbers(100000000000)', 'max_execution_time=1')).text,
    ).toContain('Code: 159');
  });

  test('cannot write by a GET even with the password, so that no link changes anything', async () => {
    const url = `${engine.url}/?user=${engine.user}&password=${engine.password}&query=`;
    const reply = await fetch(url + encodeURIComponent('DROP TABLE tacho.kept'));
    expect(reply.status).toBe(403);
  });

  test('changed nothing by all of this', async () => {
    expect(await engine.store.query('SELECT * FROM kept')).toEqual([{ name: 'a', url: 'u', file_name: 'f' }]);
  });
});
