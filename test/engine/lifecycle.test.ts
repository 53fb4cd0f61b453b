import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { findRunningEngine } from '../../services/runtime/engine/engine-file.ts';
import { type EngineOptions, startEmbeddedEngine } from '../../services/runtime/engine/spawn.ts';
import { createSupervisedEngine } from '../../services/runtime/engine/supervise.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Row, Store } from '../../services/runtime/ports.ts';
import { createClickHouseStore } from '../../services/runtime/store/clickhouse.ts';
import { silentLogger } from '../support/engine.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const options = (changes: Partial<EngineOptions> = {}): EngineOptions => {
  const dataDir = mkdtempSync(join(tmpdir(), 'tacho-life-'));
  folders.push(dataDir);
  return {
    dataDir,
    host: '127.0.0.1',
    port: 0,
    startDeadlineMs: 20_000,
    clock: systemClock,
    logger: silentLogger,
    ...changes,
  };
};

const storeOn = (access: { url: string; user: string; password: string }): Store =>
  createClickHouseStore(
    { ...access, database: 'default' },
    { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: createMetrics() },
  );

const createTable = async (store: Store): Promise<void> => {
  await store.command('CREATE DATABASE IF NOT EXISTS d');
  await store.command(
    'CREATE TABLE d.t (a UInt64, s String) ENGINE = MergeTree PARTITION BY a % 2 ORDER BY a SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1',
  );
};

const rowsOf = (first: number, count: number): readonly Row[] =>
  Array.from({ length: count }, (_value, index) => ({ a: first + index, s: `row ${first + index}`.repeat(20) }));

const totals = async (store: Store) =>
  (
    await store.query<{ n: string; d: string; x: string }>(
      'SELECT count() AS n, uniqExact(a) AS d, max(a) AS x FROM d.t',
    )
  )[0];

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await systemClock.sleep(20);
  }
};

describe('the engine process', () => {
  test('writes engine.json for this user alone, is found by it, and removes it at a clean end', async () => {
    const given = options();
    const engine = await startEmbeddedEngine(given);
    const path = join(given.dataDir, 'engine.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: engine.pid, port: engine.port, user: 'tacho' });
    expect(await findRunningEngine(given.dataDir)).toEqual({
      url: engine.url,
      user: 'tacho',
      password: engine.password,
      pid: engine.pid,
    });
    await engine.close();
    await engine.close();
    expect(existsSync(path)).toBe(false);
    expect(await findRunningEngine(given.dataDir)).toBeNull();
    expect(await engine.ended).toEqual({ code: null, signal: 'SIGKILL', isExpected: true });
  });

  test('names the key to change when its port is busy', async () => {
    const busy = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => busy.once('listening', done));
    const address = busy.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    await expect(startEmbeddedEngine(options({ port }))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      retryable: false,
      message: expect.stringContaining('TACHO_CLICKHOUSE_PORT'),
    });
    await new Promise((done) => busy.close(done));
  });

  test('waits for the lock of its directory, up to a deadline', async () => {
    const given = options();
    const first = await startEmbeddedEngine(given);
    await expect(startEmbeddedEngine({ ...given, startDeadlineMs: 500 })).rejects.toMatchObject({
      message: expect.stringContaining('another process holds'),
    });
    const second = startEmbeddedEngine(given);
    await first.close();
    const engine = await second;
    expect(await storeOn(engine).query('SELECT 1 AS x')).toEqual([{ x: 1 }]);
    await engine.close();
  });

  test('ends when its parent is killed, and a new one starts on the same data', async () => {
    const given = options();
    const parent = spawn(
      process.execPath,
      [resolve(import.meta.dirname, '../support/engine-parent.ts'), given.dataDir],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const line = await new Promise<string>((done) => createInterface({ input: parent.stdout }).once('line', done));
    const told = JSON.parse(line);
    const store = storeOn({ url: told.url, user: 'tacho', password: told.password });
    await createTable(store);
    await store.insert('d.t', rowsOf(0, 1000), { token: 'first' });
    await store.close();
    parent.kill('SIGKILL');
    const engine = await startEmbeddedEngine(given);
    expect(engine.pid).not.toBe(told.pid);
    await until('the orphan ended', () => !isAlive(told.pid));
    const again = storeOn(engine);
    await again.insert('d.t', rowsOf(0, 1000), { token: 'first' });
    expect(await totals(again)).toEqual({ n: '1000', d: '1000', x: '999' });
    await again.close();
    await engine.close();
  });

  test('one that waits for the lock does not outlive its parent, and so never takes it from a living one', async () => {
    const given = options();
    const owner = await startEmbeddedEngine(given);
    const waiting = spawn(process.execPath, [resolve(import.meta.dirname, '../../services/runtime/engine/child.ts')], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    const { dataDir, host, port } = given;
    const order = { dataDir, host, port, user: 'u', password: 'p', startDeadlineMs: 600_000 };
    const isRefused = new Promise<void>((done) => {
      waiting.stderr.on('data', (said) => String(said).includes('Cannot lock') && done());
    });
    waiting.stdin.write(`${JSON.stringify(order)}\n`);
    await isRefused;
    waiting.stdin.end();
    await until('the orphan ended', () => waiting.signalCode === 'SIGKILL');
    await owner.close();
  });

  test('killed under load, it comes back at the same address: no confirmed row is lost, none is doubled', async () => {
    const engine = await createSupervisedEngine(options());
    const store = storeOn(engine);
    await createTable(store);
    let confirmed = 0;
    const load = (async () => {
      for (let batch = 0; batch < 40; batch += 1) {
        await store.insert('d.t', rowsOf(batch * 500, 500), { token: `batch/${batch}` });
        confirmed += 1;
      }
    })();
    for (const at of [3, 11, 24]) {
      await until(`${at} batches`, () => confirmed >= at);
      const pid = engine.pid();
      process.kill(pid, 'SIGKILL');
      await until('another engine', () => engine.pid() !== pid);
    }
    await load;
    expect(engine.restarts()).toBe(3);
    expect(await totals(store)).toEqual({ n: '20000', d: '20000', x: '19999' });
    await store.close();
    await engine.close();
  });

  test('killed in mid-insert, a replay of the same token gives each row once', async () => {
    const engine = await createSupervisedEngine(options());
    const store = storeOn(engine);
    await createTable(store);
    const rows = rowsOf(0, 150_000);
    for (const delayMs of [20, 60, 120]) {
      const inserted = store.insert('d.t', rows, { token: 'big' });
      await systemClock.sleep(delayMs);
      const pid = engine.pid();
      process.kill(pid, 'SIGKILL');
      await until('another engine', () => engine.pid() !== pid);
      await inserted;
    }
    await store.insert('d.t', rows, { token: 'big' });
    expect(await totals(store)).toEqual({ n: '150000', d: '150000', x: '149999' });
    await store.close();
    await engine.close();
  });
});
