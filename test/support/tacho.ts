import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = resolve(import.meta.dirname, '..', '..');

/** A port nobody listens on right now. */
export const freePort = async (): Promise<number> =>
  new Promise((resolvePort, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolvePort(address.port) : reject(new Error('no port')),
      );
    });
  });

/** One place for a system under test: its own data folder and ports. */
export interface Site {
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly otlp: string;
  /** OTLP over gRPC. */
  readonly grpc: string;
  readonly api: string;
  readonly clickhouse: string;
  readonly remove: () => void;
}

/** Makes a site; `extra` environment is for instance TACHO_KAFKA_BROKERS. */
export const createSite = async (extra: Readonly<Record<string, string>> = {}): Promise<Site> => {
  const dir = mkdtempSync(join(tmpdir(), 'tacho-site-'));
  const [http, grpc, api, clickhouse] = [await freePort(), await freePort(), await freePort(), await freePort()];
  return {
    dir,
    env: {
      TACHO_DATA_DIR: dir,
      TACHO_RECEIVER_HTTP_PORT: String(http),
      TACHO_RECEIVER_GRPC_PORT: String(grpc),
      TACHO_API_PORT: String(api),
      TACHO_CLICKHOUSE_PORT: String(clickhouse),
      TACHO_LOG_LEVEL: 'warn',
      ...extra,
    },
    otlp: `http://127.0.0.1:${http}`,
    grpc: `http://127.0.0.1:${grpc}`,
    api: `http://127.0.0.1:${api}`,
    clickhouse: `http://127.0.0.1:${clickhouse}`,
    remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
};

/** A running `tacho …`. */
export interface Tacho {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Resolves to the exit code (null after a signal). */
  readonly exited: Promise<number | null>;
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** Starts the CLI as a real process at a site; `home`: another folder with the program than this checkout. */
export const startTacho = (
  site: Site,
  args: readonly string[],
  extra: Readonly<Record<string, string>> = {},
  home: string = root,
): Tacho => {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TACHO_')));
  const child = spawn(process.execPath, [join(home, 'services', 'main.ts'), ...args], {
    cwd: home,
    env: { ...inherited, ...site.env, ...extra },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-100_000);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const exited = new Promise<number | null>((done) => {
    child.once('exit', (code) => done(code));
  });
  return { child, output: () => output, exited, kill: (signal) => child.kill(signal) };
};

/** Runs a command to its end. */
export const runTacho = async (
  site: Site,
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly output: string }> => {
  const tacho = startTacho(site, args);
  const code = await tacho.exited;
  return { code, output: tacho.output() };
};

/** Polls until `probe` gives something other than null; throws with the last error when the deadline passes. */
export const until = async <T>(what: string, probe: () => Promise<T | null>, deadlineMs = 60_000): Promise<T> => {
  const endMs = Date.now() + deadlineMs;
  let last: unknown = null;
  while (Date.now() < endMs) {
    try {
      const found = await probe();
      if (found !== null) return found;
    } catch (error) {
      last = error;
    }
    await delay(50);
  }
  throw new Error(`${what}: not within ${deadlineMs} ms`, { cause: last });
};

/** Waits until every service of a running `tacho up` is ready. */
export const untilReady = async (site: Site, tacho: Tacho): Promise<void> => {
  await until(`tacho is ready\n${tacho.output()}`, async () => {
    if (tacho.child.exitCode !== null) throw new Error(`tacho exited ${tacho.child.exitCode}:\n${tacho.output()}`);
    return (await fetch(`${site.api}/readyz`)).ok ? true : null;
  });
};

/** Rows of a read-only query through the API's SQL route. */
export const sql = async <T>(site: Site, query: string): Promise<readonly T[]> => {
  const response = await fetch(
    `${site.clickhouse}/?database=tacho&default_format=JSONEachRow&output_format_json_quote_64bit_integers=1&output_format_json_quote_decimals=1`,
    {
      method: 'POST',
      body: query,
    },
  );
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
};
