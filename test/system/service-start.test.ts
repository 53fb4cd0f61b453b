import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { splitStatements } from '../../services/runtime/engine/sql-tokens.ts';
import { type EngineServer, startEngineServer } from '../support/engine-server.ts';
import { createSite, freePort, runTacho, type Site, startTacho, type Tacho, until } from '../support/tacho.ts';
import { helpServices } from '../support/tacho-help.ts';

const services = helpServices();
const writers = services.filter((name) => name !== 'receiver');

let scratch: string;
let engine: EngineServer;
/** The engine has no schema yet, and services may not make one. */
let site: Site;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'tacho-start-'));
  engine = await startEngineServer(join(scratch, 'engine'));
  site = await createSite({
    TACHO_CLICKHOUSE_URL: engine.url,
    TACHO_CLICKHOUSE_USER: engine.user,
    TACHO_CLICKHOUSE_PASSWORD: engine.password,
    TACHO_CLICKHOUSE_MANAGE_SCHEMA: 'false',
  });
});
afterAll(async () => {
  await engine?.stop();
  site?.remove();
  rmSync(scratch, { recursive: true, force: true });
});

const ask = async (sql: string): Promise<void> => {
  const headers = { 'x-clickhouse-user': engine.user, 'x-clickhouse-key': engine.password };
  const answer = await fetch(engine.url, { method: 'POST', body: sql, headers });
  expect(answer.status, await answer.text()).toBe(200);
};

const untilRunning = (name: string, service: Tacho): Promise<true> =>
  until(`${name} is running`, async () => {
    if (service.child.exitCode !== null) throw new Error(service.output());
    return service.output().includes(`tacho ${name} is running`) ? true : null;
  });

test.concurrent.each(services)('tacho %s --help says what it does', async (name) => {
  const { code, output } = await runTacho(site, [name, '--help']);
  expect(output).toMatch(/^Usage: tacho /);
  expect(code).toBe(0);
});

describe('what a service needs is not there', () => {
  // It used to say so and then hold on to the event log for ever.
  test.concurrent.each(writers)('tacho %s ends when its ClickHouse does not answer, and says so', async (name) => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const service = startTacho(site, [name], { TACHO_CLICKHOUSE_URL: url, TACHO_CLICKHOUSE_MANAGE_SCHEMA: 'true' });
    expect(await service.exited).toBe(1);
    expect(service.output()).toContain('ClickHouse does not answer');
    expect(service.output()).toContain(url.slice('http://'.length));
    expect(service.output()).not.toMatch(/^ {4}at /m);
  });

  test.concurrent.each([...writers, 'up'])('tacho %s before tacho migrate ends, and says what to do', async (name) => {
    const { code, output } = await runTacho(site, [name]);
    expect(code).toBe(1);
    expect(output).toContain('run tacho migrate');
    expect(output).toContain('TACHO_CLICKHOUSE_MANAGE_SCHEMA');
  });

  test.concurrent('tacho receiver without a broker ends, names it, and heeds Ctrl-C while it tries', async () => {
    const broker = { TACHO_KAFKA_BROKERS: `127.0.0.1:${await freePort()}`, TACHO_LOG_LEVEL: 'warn' };
    const [alone, stopped] = [startTacho(site, ['receiver'], broker), startTacho(site, ['receiver'], broker)];
    await until('it tries', async () => (stopped.output().includes('ECONNREFUSED') ? true : null));
    stopped.kill('SIGINT');
    const ended = await Promise.race([stopped.exited.then(() => 'stopped'), alone.exited.then(() => 'alone')]);
    expect(await alone.exited).toBe(1);
    expect(alone.output()).toContain(broker.TACHO_KAFKA_BROKERS);
    expect([ended, await stopped.exited]).toEqual(['stopped', 0]);
  });
});

describe('the schema', () => {
  test('printed and applied by hand is one that --check and later migrations know', async () => {
    const printed = await runTacho(site, ['migrate', '--print']);
    for (const statement of splitStatements(printed.output)) await ask(statement);
    expect(await runTacho(site, ['migrate', '--check'])).toMatchObject({ code: 0 });
    expect((await runTacho(site, ['migrate'])).output).toContain('0 applied now');
    await ask('DROP DATABASE tacho SYNC');
    expect(await runTacho(site, ['migrate', '--check'])).toMatchObject({ code: 1 });
  });

  test('is made once by two migrations at the same time', async () => {
    const both = await Promise.all([runTacho(site, ['migrate']), runTacho(site, ['migrate'])]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const applied = both.map(({ output }) => /(\d+) applied now, (\d+) in place/.exec(output)?.slice(1).map(Number));
    const [made = 0] = [...(applied[0] ?? []), 0].filter((count) => count > 0);
    expect(applied).toEqual(
      expect.arrayContaining([
        [made, 0],
        [0, made],
      ]),
    );
  });
});

describe('Ctrl-C', () => {
  test.concurrent.each(services)('ends tacho %s, whose store is there, with exit code 0', async (name) => {
    const service = startTacho(site, [name]);
    await untilRunning(name, service);
    service.kill('SIGINT');
    expect(await service.exited, service.output()).toBe(0);
  });
});
