import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createSite,
  freePort,
  runTacho,
  type Site,
  startTacho,
  type Tacho,
  until,
  untilReady,
} from '../support/tacho.ts';

const EXIT_CONFIG = 2;

let site: Site;
let scratch: string;
beforeAll(async () => {
  site = await createSite();
  scratch = mkdtempSync(join(tmpdir(), 'tacho-cli-'));
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  site.remove();
});

const fileOf = (name: string, content: string | Uint8Array): string => {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
};

/** Runs a command to its end, with further environment. */
const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const tacho = startTacho(site, args, env);
  const code = await tacho.exited;
  const output = tacho.output();
  // Whatever a person got wrong is told in words.
  expect(output).not.toMatch(/^ {4}at /m);
  return { code, output };
};

describe('what a person can get wrong', () => {
  test('every wrong value of the config is named at once, with what is allowed', async () => {
    const { code, output } = await run(['up'], {
      TACHO_RECEIVER_HTTP_PORT: 'many',
      TACHO_API_PORT: '99999',
      TACHO_RECIEVER_HOST: 'x',
      TACHO_NORMALIZER_CONTENT: 'maybe',
      TACHO_CLICKHOUSE_URL: 'clickhouse',
      TACHO_KAFKA_BROKERS: 'kafka',
      TACHO_RETENTION_SPANS_DAYS: '36500',
    });
    expect(code).toBe(EXIT_CONFIG);
    for (const key of ['receiver.http_port', 'api.port', 'TACHO_RECIEVER_HOST', 'normalizer.content'])
      expect(output).toContain(key);
    for (const key of ['clickhouse.url', 'kafka.brokers', 'retention.spans_days']) expect(output).toContain(key);
    expect(output).toContain('nothing was started');
  });

  test.each<[string, () => string, string]>([
    ['is absent', () => join(scratch, 'absent.yaml'), 'a file that exists'],
    ['is a folder', () => scratch, 'a file that can be read'],
    ['is no YAML', () => fileOf('broken.yaml', 'receiver: [1,2\n  x: {'), 'broken.yaml:1'],
    [
      'is noise',
      () =>
        fileOf(
          'noise.yaml',
          Uint8Array.from({ length: 99 }, (_, i) => i * 167),
        ),
      'noise.yaml',
    ],
    ['has unknown keys', () => fileOf('keys.yaml', 'receiver:\n  htp_port: 1\n'), 'http_port'],
  ])('a config file that %s', async (_, path, told) => {
    const { code, output } = await run(['--config', path(), 'up']);
    expect(output).toContain(told);
    expect(code).toBe(EXIT_CONFIG);
  });

  test.each(['up', 'receiver', 'query', 'audit'])('tacho %s on a data folder that is a file', async (command) => {
    const file = fileOf('file', '');
    const { code, output } = await run([command, ...(command === 'query' ? ['SELECT 1'] : []), '--data', file]);
    expect(output).toContain('data.dir');
    expect(code).toBe(EXIT_CONFIG);
  });

  test.runIf(process.platform === 'linux')('a data folder where nobody can make one', async () => {
    const { code, output } = await run(['up', '--data', '/proc/tachograph']);
    expect(output).toContain('data.dir');
    expect(code).toBe(EXIT_CONFIG);
  });

  test.each([['audit'], ['query', 'SELECT 1']])('a mistyped data folder is not an empty one: %s', async (...args) => {
    const { code, output } = await run([...args, '--data', join(scratch, 'mistyped')]);
    expect(output).toContain('nothing is stored there');
    expect(code).toBe(EXIT_CONFIG);
  });

  test.each<[string, () => string[], string]>([
    ['a path that is not there', () => [join(scratch, 'gone')], 'no such file or folder'],
    ['a folder without payloads', () => [mkdirSync(join(scratch, 'empty/in'), { recursive: true }) ?? ''], '.ndjson'],
    ['a tenant of two words', () => [fileOf('a.json', '{}'), '--tenant', 'a b'], 'letters, digits'],
    ['an address that is none', () => [fileOf('a.json', '{}'), '--to', 'receiver'], 'http://host:port'],
  ])('import of %s is refused before anything is sent', async (_, args, told) => {
    const { code, output } = await run(['import', ...args()]);
    expect(output).toContain(told);
    expect(code).toBe(EXIT_CONFIG);
  });

  test('an import names the files it cannot read', async () => {
    const broken = fileOf('broken.ndjson.gz', 'no gzip');
    const cut = fileOf('cut.ndjson.gz', gzipSync('{"a":1}\n'.repeat(99)).subarray(0, 30));
    const { code, output } = await run(['import', broken, cut]);
    expect(output).toContain(`${broken}: cannot be read, incorrect header check`);
    expect(output).toContain(`${cut}: cannot be read, unexpected end of file`);
    expect(code).toBe(1);
  });

  test('unknown commands and flags point to the help', async () => {
    for (const args of [['nope'], ['up', '--nope'], ['up', 'extra'], ['query'], ['import']]) {
      const { code, output } = await run(args);
      expect(output).toContain('tacho --help');
      expect(code).toBe(1);
    }
  });
});

describe('--help', () => {
  test.each(['up', 'receiver', 'normalizer', 'ledger', 'api', 'import', 'query', 'audit', 'migrate', 'doctor'])(
    'of tacho %s says what it does',
    async (command) => {
      const { code, output } = await run([command, '--help']);
      expect(output).toMatch(/^Usage: tacho /);
      expect(code).toBe(0);
    },
  );
});

describe('a port that is taken', () => {
  let holder: Server;
  let port: string;
  beforeAll(async () => {
    port = String(await freePort());
    holder = createServer();
    await new Promise<void>((done) => {
      holder.listen(Number(port), '127.0.0.1', done);
    });
  });
  afterAll(() => {
    holder.close();
  });

  test.each(['TACHO_RECEIVER_HTTP_PORT', 'TACHO_RECEIVER_GRPC_PORT', 'TACHO_API_PORT', 'TACHO_CLICKHOUSE_PORT'])(
    'is named with the key that changes it, and the process ends at once: %s',
    async (key) => {
      const startedMs = Date.now();
      const { code, output } = await run(['up', '--data', join(scratch, 'taken')], { [key]: port });
      expect(output).toContain(port);
      expect(output).toContain(key);
      expect(code).toBe(EXIT_CONFIG);
      expect(Date.now() - startedMs).toBeLessThan(15_000);
    },
  );
});

describe('a store with nothing in it', () => {
  test('is made by migrate, audits clean, answers reading statements and refuses the others', async () => {
    const data = ['--data', join(scratch, 'fresh')];
    expect((await run(['migrate', ...data])).output).toContain('applied 0001');
    const audited = await run(['audit', ...data]);
    expect([audited.code, audited.output]).toEqual([0, expect.stringContaining('0 batches, 0 records')]);
    expect(await run(['query', 'SELECT count() FROM spans FORMAT CSV', ...data])).toEqual({ code: 0, output: '0\n' });
    for (const [statement, told] of [
      ["INSERT INTO spans (name) VALUES ('x')", 'READONLY'],
      ['DROP TABLE spans', 'READONLY'],
      ['SELECT 1; SELECT 2', 'SYNTAX_ERROR'],
      ['SELECT FROM WHERE', 'SYNTAX_ERROR'],
      ['SELECT * FROM nowhere', 'UNKNOWN_TABLE'],
      ["SELECT * FROM file('/etc/passwd', 'LineAsString')", 'ACCESS_DENIED'],
    ] as const) {
      const { code, output } = await run(['query', statement, ...data]);
      expect([code, output]).toEqual([1, expect.stringContaining(told)]);
    }
  });

  test('migrate --print prints what this config would apply', async () => {
    const { code, output } = await run(['migrate', '--print'], { TACHO_RETENTION_SPANS_DAYS: '77' });
    expect(code).toBe(0);
    expect(output).toContain('toIntervalDay(77)');
  });
});

describe('a running tacho', () => {
  let up: Tacho;
  beforeAll(async () => {
    up = startTacho(site, ['up']);
    await untilReady(site, up);
  });
  afterEach(() => {
    expect(up.child.exitCode).toBeNull();
  });
  afterAll(async () => {
    up.kill('SIGKILL');
    await up.exited;
  });

  test('is left alone by a second one on its data folder, which says so and ends at Ctrl-C', async () => {
    const other = await createSite();
    const second = startTacho(site, ['up'], { ...other.env, TACHO_DATA_DIR: site.dir });
    await until('the second one says so', async () => (second.output().includes('another tacho holds') ? true : null));
    second.kill('SIGINT');
    expect(await second.exited).toBe(130);
    other.remove();
  });

  test('takes no data for a second one on its folder, which ends with what to change', async () => {
    const other = await createSite();
    const second = startTacho(site, ['up'], { ...other.env, TACHO_DATA_DIR: site.dir });
    let isTaken = false;
    const watching = new AbortController();
    const asked = (async () => {
      while (!watching.signal.aborted) {
        isTaken ||= await fetch(`${other.otlp}/healthz`).then(
          () => true,
          () => false,
        );
        await new Promise((next) => setTimeout(next, 20));
      }
    })();
    expect(await second.exited).toBe(EXIT_CONFIG);
    watching.abort();
    await asked;
    expect(isTaken).toBe(false);
    expect(second.output()).toContain('data.dir');
    expect(second.output()).toContain('another tacho runs there');
    other.remove();
  });

  test('is asked by query, audit and doctor of the same folder', async () => {
    expect(await runTacho(site, ['query', 'SELECT 1 FORMAT CSV'])).toEqual({ code: 0, output: '1\n' });
    expect((await runTacho(site, ['audit'])).code).toBe(0);
    expect((await runTacho(site, ['doctor'])).output).toContain('Nothing to fix');
  });
});

describe('Ctrl-C', () => {
  test('ends a start whose engine waits for the lock of its folder', async () => {
    const place = await createSite();
    // The engine's own lock, held by an engine that no file tells of: as left by a parent that was killed early.
    const holder = startTacho(place, ['up']);
    await untilReady(place, holder);
    rmSync(join(place.dir, 'engine.json'));
    const other = await createSite();
    const up = startTacho(place, ['up'], { ...other.env, TACHO_DATA_DIR: place.dir });
    await until('it listens', async () => ((await fetch(`${other.otlp}/healthz`)).ok ? true : null));
    const askedMs = Date.now();
    up.kill('SIGINT');
    expect(await up.exited).toBe(0);
    expect(Date.now() - askedMs).toBeLessThan(15_000);
    holder.kill('SIGKILL');
    await holder.exited;
    place.remove();
    other.remove();
  });

  test.each(['during the start', 'afterwards'])('ends the process at once, with exit code 0: %s', async (when) => {
    const place = await createSite();
    const up = startTacho(place, ['up']);
    if (when === 'afterwards') await untilReady(place, up);
    else await until('the log is made', async () => ((await fetch(`${place.otlp}/healthz`)).ok ? true : null));
    const askedMs = Date.now();
    up.kill('SIGINT');
    expect(await up.exited).toBe(0);
    expect(Date.now() - askedMs).toBeLessThan(15_000);
    place.remove();
  });
});
