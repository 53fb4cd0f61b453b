import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import { createClickHouseStore } from '../../services/runtime/store/clickhouse.ts';
import { silentLogger, startTestEngine, type TestEngine } from '../support/engine.ts';

const deps = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: createMetrics() };
let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
  await engine.store.command(`CREATE TABLE kinds (
    id UInt64, name LowCardinality(Nullable(String)), at DateTime64(9, 'UTC'), at_ms DateTime64(3, 'UTC'), m Map(LowCardinality(String), String),
    q Map(LowCardinality(String), Float64), money Nullable(Decimal(38, 12)), links Array(Tuple(trace_id String, span_id String)),
    flags Array(LowCardinality(String)), yes Bool, n Nullable(Int64), hours Array(DateTime('UTC')),
    made DateTime64(3, 'UTC') DEFAULT now64(3), seven UInt8 DEFAULT 7
  ) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100`);
});
afterAll(() => engine.close());

const full = {
  id: 18446744073709551615n,
  name: null,
  at: '2026-11-21 09:35:11.123456789',
  at_ms: '1971-01-01 00:00:00.001',
  m: { 'k"\n': 'v\u0000é☃', '': '' },
  q: { kwh: 0.25 },
  money: '-12345678901234567890.123456789012',
  links: [{ trace_id: 'a', span_id: 'b' }],
  flags: ['x', 'y'],
  yes: true,
  n: -9007199254740993n,
  hours: ['2026-11-21 09:00:00', 1795255200],
};

describe('the store', () => {
  test('keeps every kind of value as given, fills defaults, and gives 64-bit numbers and decimals as text', async () => {
    await engine.store.insert('kinds', [full], { token: 'kinds' });
    await engine.store.insert('kinds', [{ id: 1, at: '1970-01-01 00:00:00' }], { token: 'few' });
    const rows = await engine.store.query<Record<string, unknown>>(
      'SELECT * EXCEPT (made) FROM kinds ORDER BY id DESC',
    );
    expect(rows).toEqual([
      {
        ...full,
        id: '18446744073709551615',
        n: '-9007199254740993',
        hours: ['2026-11-21 09:00:00', '2026-11-21 10:00:00'],
        seven: 7,
      },
      expect.objectContaining({ id: '1', name: null, m: {}, money: null, n: null, yes: false, links: [], seven: 7 }),
    ]);
    const recent = await engine.store.query<{ n: string }>('SELECT count() AS n FROM kinds WHERE made > now() - 60');
    expect(recent).toEqual([{ n: '2' }]);
  });

  test('the same token is stored once, whatever the rows; another token is stored', async () => {
    await engine.store.command('TRUNCATE TABLE kinds');
    const row = { id: 1, at: '2026-01-01 00:00:00' };
    for (const token of ['a', 'a', 'b', 'a']) await engine.store.insert('kinds', [row], { token });
    await engine.store.insert('kinds', [{ ...row, id: 2 }], { token: 'a' });
    expect(await engine.store.query('SELECT id FROM kinds')).toEqual([{ id: '1' }, { id: '1' }]);
  });

  test('a large insert over several partitions lands once under its token', async () => {
    await engine.store.command(
      'CREATE TABLE large (a UInt64, s String) ENGINE = MergeTree PARTITION BY a % 3 ORDER BY a SETTINGS non_replicated_deduplication_window = 100',
    );
    const rows = Array.from({ length: 100_000 }, (_value, a) => ({ a, s: `${a} `.repeat(60) }));
    await engine.store.insert('large', rows, { token: 'large' });
    await engine.store.insert('large', rows, { token: 'large' });
    expect(await engine.store.query('SELECT count() AS n, uniqExact(a) AS d FROM large')).toEqual([
      { n: '100000', d: '100000' },
    ]);
  });

  test('lone surrogates become U+FFFD, text that looks like their escape stays', async () => {
    const rows = [{ id: 9, at: '2026-01-01 00:00:00', m: { 'k\udc00': 'v\ud800w', plain: '\\ud800', emoji: '😀' } }];
    await engine.store.insert('kinds', rows, { token: 'surrogates' });
    expect(await engine.store.query('SELECT m FROM kinds WHERE id = 9')).toEqual([
      { m: { 'k\ufffd': 'v\ufffdw', plain: '\\ud800', emoji: '😀' } },
    ]);
  });

  test.each([
    ['an unknown column', { nope: 1 }],
    ['a null where text must stand', { flags: [null] }],
    ['text where a number must stand', { id: 'x' }],
    ['a time that is none', { at: 'yesterday' }],
    ['a decimal too long', { money: '1'.repeat(60) }],
    ['a decimal too fine', { money: '0.0000000000001' }],
    ['a number beyond its column', { id: -1 }],
  ])('%s is rejected, not retried', async (_what, row) => {
    await expect(engine.store.insert('kinds', [row], { token: 'bad' })).rejects.toMatchObject({
      code: 'STORE_REJECTED',
      retryable: false,
    });
  });

  test('rows of one insert that differ in their columns are rejected: nothing becomes 0 by being left out', async () => {
    const insert = engine.store.insert('kinds', [full, { id: 1, at: '1970-01-01 00:00:00' }], { token: 'mixed' });
    await expect(insert).rejects.toThrow('column at_ms: undefined');
  });

  test('a column that was added after the first insert is found', async () => {
    await engine.store.command('CREATE TABLE grows (a UInt8) ENGINE = MergeTree ORDER BY a');
    await engine.store.insert('grows', [{ a: 1 }], { token: 'one' });
    await expect(engine.store.insert('grows', [{ a: 2, b: 'x' }], { token: 'two' })).rejects.toThrow('no column b');
    await engine.store.command("ALTER TABLE grows ADD COLUMN b String DEFAULT 'none'");
    await engine.store.insert('grows', [{ a: 2, b: 'x' }], { token: 'three' });
    await engine.store.insert('grows', [{ a: 3 }], { token: 'four' });
    expect(await engine.store.query('SELECT a, b FROM grows ORDER BY a')).toEqual([
      { a: 1, b: 'none' },
      { a: 2, b: 'x' },
      { a: 3, b: 'none' },
    ]);
  });

  test('a missing table, a syntax error and a missing right are rejections', async () => {
    await expect(engine.store.insert('nothing', [{ a: 1 }], { token: 'x' })).rejects.toMatchObject({
      code: 'STORE_REJECTED',
    });
    await expect(engine.store.query('SELEC 1')).rejects.toMatchObject({ code: 'STORE_REJECTED' });
    const reader = createClickHouseStore({ url: engine.url, user: 'default', password: '', database: 'tacho' }, deps);
    await expect(reader.command('DROP TABLE kinds')).rejects.toMatchObject({ code: 'STORE_REJECTED' });
    await expect(reader.insert('kinds', [full], { token: 'r' })).rejects.toMatchObject({ code: 'STORE_REJECTED' });
    expect(await reader.query('SELECT 1 AS x', {}).catch((error: unknown) => String(error))).toEqual([{ x: 1 }]);
    await reader.close();
  });

  test('an empty insert is nothing, and parameters carry any text', async () => {
    await engine.store.insert('nothing', [], { token: 'x' });
    const text = 'tab\t \' " \\ \n é 😀 {x:String} --';
    expect(await engine.store.query('SELECT {t:String} AS t, {l:Array(UInt64)} AS l', { t: text, l: [1, 2] })).toEqual([
      { t: text, l: ['1', '2'] },
    ]);
    const ids = Array.from({ length: 3000 }, (_value, index) => `${index}`.padStart(32, '0'));
    expect(await engine.store.query('SELECT length({ids:Array(String)}) AS n', { ids })).toEqual([{ n: '3000' }]);
  });

  test('an aborted insert says ABORTED and leaves nothing running', async () => {
    const abort = new AbortController();
    abort.abort();
    await expect(engine.store.insert('kinds', [full], { token: 'ab', signal: abort.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    const down = createClickHouseStore({ url: 'http://127.0.0.1:1', user: 'x', password: '', database: 'tacho' }, deps);
    const later = new AbortController();
    const waiting = down.insert('kinds', [full], { token: 'down', signal: later.signal });
    setImmediate(() => later.abort());
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(down.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    await expect(down.ping()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await down.close();
  });

  test('an insert whose answer is lost is sent again with the same bytes and token, and lands once', async () => {
    // Stands between store and engine: passes everything on, but swallows the answers of the first two inserts.
    let swallowed = 0;
    const proxy = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const reply = await fetch(`${engine.url}${request.url}`, {
        method: request.method ?? 'POST',
        headers: { authorization: request.headers.authorization ?? '' },
        body: Buffer.concat(chunks),
      });
      const body = Buffer.from(await reply.arrayBuffer());
      if (request.url?.includes('INSERT') && swallowed < 2) {
        swallowed += 1;
        if (swallowed === 1) request.socket.destroy();
        return; // The second is never answered: the store's deadline must end it.
      }
      response.writeHead(reply.status, Object.fromEntries(reply.headers)).end(body);
    }).listen(0, '127.0.0.1');
    await new Promise((done) => proxy.once('listening', done));
    const address = proxy.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const store = createClickHouseStore(
      {
        url: `http://127.0.0.1:${port}`,
        user: engine.user,
        password: engine.password,
        database: 'tacho',
        insertDeadlineMs: 700,
      },
      deps,
    );
    await store.insert('kinds', [{ id: 77, at: '2026-01-01 00:00:00' }], { token: 'lost answer' });
    expect(swallowed).toBe(2);
    expect(await store.query('SELECT count() AS n FROM kinds WHERE id = 77')).toEqual([{ n: '1' }]);
    await store.close();
    proxy.closeAllConnections();
    await new Promise((done) => proxy.close(done));
  });

  test('an insert over its deadline is cancelled and seen ended before it is sent again', async () => {
    await engine.store.command(
      'CREATE TABLE slow (a UInt64, b UInt8 MATERIALIZED sleepEachRow(0.3)) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100',
    );
    const access = { url: engine.url, user: engine.user, password: engine.password, database: 'tacho' };
    const store = createClickHouseStore({ ...access, insertDeadlineMs: 400 }, deps);
    const stop = new AbortController();
    const insert = store.insert(
      'slow',
      Array.from({ length: 8 }, (_value, a) => ({ a })),
      { token: 'slow', signal: stop.signal },
    );
    const outcome = insert.then(
      () => 'stored',
      (error: { code: string }) => error.code,
    );
    const seen = new Set<number>();
    for (let polls = 0; polls < 20; polls += 1) {
      const rows = await engine.store.query(
        "SELECT query_id FROM system.processes WHERE query ILIKE 'INSERT INTO slow%'",
      );
      seen.add(rows.length);
      await systemClock.sleep(100);
    }
    stop.abort();
    expect(await outcome).toBe('ABORTED');
    expect([...seen].every((count) => count <= 1)).toBe(true);
    expect(seen.has(1)).toBe(true);
    expect(
      await engine.store.query("SELECT count() AS n FROM system.processes WHERE query ILIKE 'INSERT INTO slow%'"),
    ).toEqual([{ n: '0' }]);
    await store.close();
  });
});
