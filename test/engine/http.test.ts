import { execFile } from 'node:child_process';
import { request as rawRequest } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestEngine, type TestEngine } from '../support/engine.ts';

const run = promisify(execFile);
let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
});
afterAll(() => engine.close());

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly isReader?: boolean;
}

const ask = async (path: string, asked: Asked = {}) => {
  const auth = { 'X-ClickHouse-User': engine.user, 'X-ClickHouse-Key': engine.password };
  const reply = await fetch(`${engine.url}${path}`, {
    method: asked.method ?? 'POST',
    headers: { ...(asked.isReader ? {} : auth), ...asked.headers },
    ...(asked.body === undefined ? {} : { body: Buffer.from(asked.body) }),
  });
  return { status: reply.status, headers: reply.headers, body: Buffer.from(await reply.arrayBuffer()) };
};
const sql = async (text: string, settings = ''): Promise<string> => {
  const reply = await ask(`/?${settings}`, { body: text });
  if (reply.status !== 200) throw new Error(reply.body.toString());
  return reply.body.toString();
};

/** All 256 byte values as one String value. */
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_value, index) => index));
const ALL_BYTES_SQL =
  'SELECT toUInt64(18446744073709551615) AS n, arrayStringConcat(arrayMap(x -> char(x), range(256))) AS s';

describe('the ClickHouse HTTP interface', () => {
  test('answers /ping, /replicas_status and / with Ok.', async () => {
    for (const path of ['/ping', '/replicas_status', '/']) {
      const reply = await ask(path, { method: 'GET', isReader: true });
      expect([path, reply.status, reply.body.toString()]).toEqual([path, 200, 'Ok.\n']);
    }
  });

  test('serves curl: GET with the query in the URL, POST with it in the body, basic auth, inserts with inline data', async () => {
    const get = await run('curl', ['-sS', `${engine.url}/?query=SELECT%201%20AS%20x%20FORMAT%20JSONEachRow`]);
    expect(get.stdout).toBe('{"x":1}\n');
    const post = await run('curl', ['-sS', engine.url, '--data-binary', 'SELECT 2, 3']);
    expect(post.stdout).toBe('2\t3\n');
    const auth = ['-sS', '-u', `${engine.user}:${engine.password}`, engine.url, '--data-binary'];
    await run('curl', [
      ...auth,
      'CREATE TABLE IF NOT EXISTS tacho.curl (a UInt8, s String) ENGINE = MergeTree ORDER BY a',
    ]);
    await run('curl', [...auth, 'INSERT INTO tacho.curl FORMAT JSONEachRow\n{"a":1,"s":"one; two"}\n{"a":2}\n']);
    await run('curl', [...auth, "INSERT INTO tacho.curl (s, a) VALUES ('it''s; so', 3), ('é', 4);"]);
    const rows = await run('curl', ['-sS', engine.url, '--data-binary', 'SELECT * FROM tacho.curl ORDER BY a']);
    expect(rows.stdout).toBe("1\tone; two\n2\t\n3\tit\\'s; so\n4\té\n");
  });

  test('serves @clickhouse/client: parameters of every kind, inserts, errors with their code', async () => {
    const client = createClient({
      url: engine.url,
      username: engine.user,
      password: engine.password,
      database: 'tacho',
      log: { level: ClickHouseLogLevel.OFF },
    });
    const params = { s: "tab\t quote' back\\slash\nline é", a: ['x', "y'"], n: null, d: new Date(0), m: { k: 'v' } };
    const result = await client.query({
      query:
        'SELECT {s:String} AS s, {a:Array(String)} AS a, {n:Nullable(String)} AS n, {d:DateTime} AS d, {m:Map(String, String)} AS m',
      format: 'JSONEachRow',
      query_params: params,
    });
    expect(await result.json()).toEqual([{ s: params.s, a: params.a, n: null, d: '1970-01-01 00:00:00', m: params.m }]);
    await client.command({
      query: "CREATE TABLE client (a UInt64, s String DEFAULT 'd') ENGINE = MergeTree ORDER BY a",
    });
    await client.insert({ table: 'client', values: [{ a: 1 }, { a: 2, s: 'é' }], format: 'JSONEachRow' });
    await client.insert({ table: 'client', values: [[3]], format: 'JSONCompactEachRow', columns: ['a'] });
    expect(
      await (await client.query({ query: 'SELECT * FROM client ORDER BY a', format: 'JSONCompact' })).json(),
    ).toMatchObject({
      data: [
        [1, 'd'],
        [2, 'é'],
        [3, 'd'],
      ],
    });
    await expect(client.query({ query: 'SELECT nope' })).rejects.toMatchObject({
      code: '47',
      type: 'UNKNOWN_IDENTIFIER',
    });
    await client.close();
  });

  test.each([
    ['RowBinary', Buffer.concat([Buffer.alloc(8, 0xff), Buffer.from([0x80, 0x02]), ALL_BYTES])],
    [
      'Native',
      Buffer.concat([
        Buffer.from([2, 1, 1]),
        Buffer.from('n'),
        Buffer.from([6]),
        Buffer.from('UInt64'),
        Buffer.alloc(8, 0xff),
        Buffer.from([1]),
        Buffer.from('s'),
        Buffer.from([6]),
        Buffer.from('String'),
        Buffer.from([0x80, 0x02]),
        ALL_BYTES,
      ]),
    ],
  ])('carries %s byte for byte, both ways', async (format, bytes) => {
    const out = await ask('/', { body: `${ALL_BYTES_SQL} FORMAT ${format}`, isReader: true });
    expect(out.body.equals(bytes)).toBe(true);
    expect(out.headers.get('x-clickhouse-format')).toBe(format);
    await sql(`CREATE TABLE tacho.bytes_${format} (n UInt64, s String) ENGINE = MergeTree ORDER BY n`);
    await ask(`/?query=${encodeURIComponent(`INSERT INTO tacho.bytes_${format} FORMAT ${format}`)}`, { body: bytes });
    const inBody = Buffer.concat([Buffer.from(`INSERT INTO tacho.bytes_${format} FORMAT ${format}\n`), bytes]);
    await ask('/', { body: inBody });
    expect(await sql(`SELECT n, hex(s) FROM tacho.bytes_${format}`)).toBe(
      `18446744073709551615\t${ALL_BYTES.toString('hex').toUpperCase()}\n`.repeat(2),
    );
  });

  test('decompresses bodies: gzip, deflate, zstd, br', async () => {
    const text = Buffer.from(`SELECT '${'é'.repeat(1000)}'`);
    for (const [encoding, body] of [
      ['gzip', gzipSync(text)],
      ['deflate', deflateSync(text)],
      ['zstd', zstdCompressSync(text)],
      ['br', brotliCompressSync(text)],
    ] as const) {
      const reply = await ask('/', { body, headers: { 'Content-Encoding': encoding } });
      expect([encoding, reply.body.toString()]).toEqual([encoding, `${'é'.repeat(1000)}\n`]);
    }
    const broken = await ask('/', { body: 'no gzip at all', headers: { 'Content-Encoding': 'gzip' } });
    expect(broken.body.toString()).toContain('Code: 33');
    const unknown = await ask('/', { body: text, headers: { 'Content-Encoding': 'lzma' } });
    expect(unknown.body.toString()).toContain('Code: 78');
  });

  test('compresses answers only when enable_http_compression=1', async () => {
    const get = (path: string, accept: string) =>
      new Promise<{ encoding: string | undefined; body: Buffer }>((resolve, reject) => {
        rawRequest(`${engine.url}${path}`, { headers: { 'Accept-Encoding': accept } }, (reply) => {
          const chunks: Buffer[] = [];
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.on('end', () => resolve({ encoding: reply.headers['content-encoding'], body: Buffer.concat(chunks) }));
        })
          .on('error', reject)
          .end();
      });
    const path = '/?query=SELECT%20repeat(%27x%27,1000)';
    expect((await get(path, 'gzip')).encoding).toBeUndefined();
    const zipped = await get(`${path}&enable_http_compression=1`, 'gzip');
    expect([zipped.encoding, gunzipSync(zipped.body).toString()]).toEqual(['gzip', `${'x'.repeat(1000)}\n`]);
    const zstd = await get(`${path}&enable_http_compression=1`, 'gzip, zstd');
    expect([zstd.encoding, zstdDecompressSync(zstd.body).toString()]).toEqual(['zstd', `${'x'.repeat(1000)}\n`]);
  });

  test('tells query id, format, timezone, summary; and errors with code and status', async () => {
    const reply = await ask('/?query_id=abc-1&default_format=JSON', { body: 'SELECT 1 AS x' });
    expect(reply.headers.get('x-clickhouse-query-id')).toBe('abc-1');
    expect(reply.headers.get('x-clickhouse-format')).toBe('JSON');
    expect(reply.headers.get('x-clickhouse-timezone')).toBe('UTC');
    expect(JSON.parse(reply.headers.get('x-clickhouse-summary') ?? '')).toHaveProperty('read_rows');
    expect(reply.headers.get('content-type')).toContain('application/json');
    expect(JSON.parse(reply.body.toString())).toMatchObject({ rows: 1, data: [{ x: 1 }] });
    const wrong = await ask('/', { body: 'SELEC 1' });
    expect([wrong.status, wrong.headers.get('x-clickhouse-exception-code')]).toEqual([400, '62']);
    expect(wrong.body.toString()).toMatch(/^Code: 62\. DB::Exception: /);
    const missing = await ask('/', { body: 'SELECT * FROM tacho.nothing' });
    expect([missing.status, missing.headers.get('x-clickhouse-exception-code')]).toEqual([404, '60']);
  });

  test('an empty answer keeps its frame: JSON with meta, CSVWithNames with its header', async () => {
    expect(JSON.parse(await sql('SELECT 1 AS x WHERE 0 FORMAT JSON'))).toMatchObject({
      meta: [{ name: 'x' }],
      data: [],
      rows: 0,
    });
    expect(await sql('SELECT 1 AS x WHERE 0 FORMAT CSVWithNames')).toBe('"x"\n');
    expect(await sql('SELECT 1 AS x WHERE 0 FORMAT JSONEachRow')).toBe('');
  });

  test('reads param_*, database, format header and several spellings of the same INSERT', async () => {
    const reply = await ask(`/?database=tacho&param_a=${encodeURIComponent("it's\\tso")}`, {
      body: 'SELECT {a:String} AS a, currentDatabase() AS d',
      headers: { 'X-ClickHouse-Format': 'JSONEachRow' },
    });
    expect(reply.body.toString()).toBe('{"a":"it\'s\\tso","d":"tacho"}\n');
    await sql('CREATE TABLE tacho.spelt (a UInt8, `b c` String, d UInt8 DEFAULT 7) ENGINE = MergeTree ORDER BY a');
    await sql('insert /* why */ into tacho.spelt (`b c`, "a") -- x\n format CSV "x;y",1\n');
    await sql(
      'INSERT INTO TABLE tacho.spelt SETTINGS input_format_skip_unknown_fields = 1 FORMAT JSONEachRow {"a":2,"z":1}',
    );
    await sql('INSERT INTO tacho.spelt (a) SELECT 3');
    await sql("INSERT INTO tacho.spelt (SELECT 4, 'p', 5)");
    await sql('INSERT INTO tacho.spelt (* EXCEPT (d)) FORMAT TabSeparated\n5\tq\n');
    await ask('/?database=tacho&query=INSERT%20INTO%20spelt', { body: "(6, 'v', 8)" });
    expect(await sql('SELECT * FROM tacho.spelt ORDER BY a')).toBe(
      '1\tx;y\t7\n2\t\t7\n3\t\t7\n4\tp\t5\n5\tq\t7\n6\tv\t8\n',
    );
  });

  test('settings of one request never reach another, nor does a SET', async () => {
    const table =
      'CREATE TABLE tacho.settings (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100';
    await sql(table);
    await sql('INSERT INTO tacho.settings FORMAT CSV 1\n', 'insert_deduplication_token=sticky');
    await sql('INSERT INTO tacho.settings FORMAT CSV 2\n', 'insert_deduplication_token=sticky');
    await sql("SET insert_deduplication_token = 'sticky'");
    await sql('INSERT INTO tacho.settings FORMAT CSV 3\n');
    expect(await sql('SELECT a FROM tacho.settings ORDER BY a')).toBe('1\n3\n');
    await sql('SET max_threads = 1, output_format_json_quote_64bit_integers = 1, readonly = 1');
    await sql('SELECT 1', 'max_threads=1&output_format_json_quote_64bit_integers=1');
    await ask('/?max_threads=1', { body: 'SELECT 1', isReader: true });
    const mine =
      "SELECT getSetting('max_threads') AS m, toUInt64(1) AS n, getSetting('insert_deduplication_token') AS t, getSetting('readonly') AS r FORMAT JSONEachRow";
    const [first, ...others] = await Promise.all(
      ['max_threads=1&output_format_json_quote_64bit_integers=1', '', '', ''].map((settings) => sql(mine, settings)),
    );
    expect(JSON.parse(first ?? '')).toMatchObject({ m: 1, n: '1', r: 0 });
    for (const other of others) expect(JSON.parse(other)).toMatchObject({ n: 1, t: '', r: 0 });
    expect((await ask('/?no_such_setting=1', { body: 'SELECT 1' })).headers.get('x-clickhouse-exception-code')).toBe(
      '115',
    );
  });

  test('refuses several statements, wrong passwords, foreign hosts and pages of other origins', async () => {
    const codeOf = async (asked: Asked & { path?: string }) =>
      (await ask(asked.path ?? '/', { body: 'SELECT 1', ...asked })).headers.get('x-clickhouse-exception-code');
    expect(await codeOf({ body: 'SELECT 1; SELECT 2' })).toBe('62');
    expect(await codeOf({ body: 'SELECT 1;' })).toBeNull();
    expect(await codeOf({ headers: { 'X-ClickHouse-Key': 'guess' } })).toBe('516');
    expect(await codeOf({ headers: { 'X-ClickHouse-User': 'root' } })).toBe('516');
    expect(await codeOf({ isReader: true, headers: { Origin: 'https://evil.example' } })).toBe('497');
    expect(await codeOf({ isReader: true, headers: { Origin: 'http://localhost:3000' } })).toBeNull();
    const rebound = await run('curl', ['-sS', '-H', 'Host: evil.example', `${engine.url}/?query=SELECT%201`]);
    expect(rebound.stdout).toContain('Code: 497');
  });

  test('the same query id twice at once is refused with code 216', async () => {
    const slow = ask('/?query_id=twice', { body: 'SELECT sleep(1)' });
    const deadline = Date.now() + 5_000;
    while (
      !(await sql("SELECT query FROM system.processes WHERE Settings['log_comment'] = 'twice'")).includes('sleep')
    ) {
      if (Date.now() > deadline) throw new Error('the slow query never showed');
    }
    const second = await ask('/?query_id=twice', { body: 'SELECT 1' });
    expect(second.headers.get('x-clickhouse-exception-code')).toBe('216');
    expect((await slow).status).toBe(200);
    expect((await ask('/?query_id=twice', { body: 'SELECT 1' })).status).toBe(200);
  });

  test('answers the clickhouse-go handshake at the client revision, and says revision 0', async () => {
    const body = 'SELECT displayName(), version(), revision(), timezone()';
    const reply = await ask('/?default_format=Native&client_protocol_version=54460', { body, isReader: true });
    expect(reply.body.subarray(0, 10)).toEqual(Buffer.from([1, 0, 2, 255, 255, 255, 255, 0, 4, 1]));
    const revision = Buffer.concat([Buffer.from('\x0arevision()\x06UInt32\x00', 'latin1'), Buffer.alloc(4)]);
    expect(reply.body.includes(revision)).toBe(true);
    expect(reply.body.toString('latin1').endsWith('\x0atimezone()\x06String\x00\x03UTC')).toBe(true);
    const plain = await ask('/?default_format=Native', { body, isReader: true });
    expect(plain.body[0]).toBe(4);
  });
});
