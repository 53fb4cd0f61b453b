import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { TransportError } from '../errors.ts';
import type { Clock, Logger } from '../ports.ts';
import { isChdbInstalled } from './chdb.ts';
import { type ChildMessage, type ChildOrder, READY_PREFIX } from './child-protocol.ts';
import { type EngineConnection, removeEngineFile, writeEngineFile } from './engine-file.ts';

/** How to start an engine. */
export interface EngineOptions {
  /** Tachograph's data folder; the engine keeps its files in `clickhouse/` below it. */
  readonly dataDir: string;
  readonly host: '127.0.0.1';
  /** 0: any free port. */
  readonly port: number;
  /** Absent: user `tacho` with a new random password. */
  readonly password?: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Longest wait for a running engine, the directory's lock included, ms. */
  readonly startDeadlineMs: number;
}

/** A running engine process. */
export interface Engine extends EngineConnection {
  readonly port: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<EngineEnd>;
  /** Lets running queries finish, then ends the process. Idempotent. */
  readonly close: () => Promise<void>;
}

export interface EngineEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** We asked for it. */
  readonly isExpected: boolean;
}

/** The one user with rights on the embedded engine. */
const OWNER = 'tacho';
/** After this an engine asked to end is killed: its data is safe (inserts are synced before they are confirmed). */
const CLOSE_DEADLINE_MS = 15_000;
/** More than the engine's slots (owner and reader) and zlib need together; libuv's default is 4. */
const THREADS = 14;

/**
 * Starts the embedded engine in a child process and waits until it answers. Throws TransportError STORE_UNAVAILABLE,
 * not retryable, with the fix in the message: port busy, package missing, directory locked, or no answer in time; and
 * ABORTED when `giveUp` fires before.
 */
export const startEmbeddedEngine = async (options: EngineOptions, giveUp?: AbortSignal): Promise<Engine> => {
  if (!isChdbInstalled()) throw missingPackage(undefined);
  const order: ChildOrder = {
    dataDir: resolve(options.dataDir),
    host: options.host,
    port: options.port,
    user: OWNER,
    password: options.password ?? randomBytes(24).toString('base64url'),
    startDeadlineMs: options.startDeadlineMs,
  };
  const { dataDir, user, password } = order;
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'child.ts')],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { TZ: 'UTC', UV_THREADPOOL_SIZE: String(THREADS) },
    },
  );
  let isExpected = false;
  const ended = new Promise<EngineEnd>((done) => {
    child.once('error', () => done({ code: null, signal: null, isExpected }));
    child.once('close', (code, signal) => done({ code, signal, isExpected }));
  });
  const close = async (): Promise<void> => {
    isExpected = true;
    child.stdin.end();
    await endWithin(child, ended, options.clock);
    await removeEngineFile(dataDir, child.pid ?? 0);
  };
  try {
    const port = await becomeReady(child, order, options, ended, giveUp);
    const pid = child.pid ?? 0;
    await writeEngineFile(dataDir, {
      pid,
      port,
      user,
      password,
      started_at: new Date(options.clock.nowMs()).toISOString(),
    });
    return { url: `http://${options.host}:${port}`, port, user, password, pid, ended, close };
  } catch (cause) {
    isExpected = true;
    child.kill('SIGKILL');
    await ended;
    throw cause;
  }
};

const becomeReady = async (
  child: ChildProcess,
  order: ChildOrder,
  { clock, logger }: EngineOptions,
  ended: Promise<EngineEnd>,
  giveUp: AbortSignal | undefined,
): Promise<number> => {
  // An engine that dies at once closes the pipe under our write; `ended` tells of it.
  child.stdin?.on('error', () => undefined);
  child.stdin?.write(`${JSON.stringify(order)}\n`);
  const waiting = new AbortController();
  const untilGivenUp = giveUp === undefined ? waiting.signal : AbortSignal.any([waiting.signal, giveUp]);
  const late = clock.sleep(order.startDeadlineMs + 5_000, untilGivenUp).then(
    (): ChildMessage => ({ kind: 'failed', code: 'DEADLINE', message: 'no answer in time' }),
    (): ChildMessage => ({ kind: 'failed', code: 'DEADLINE', message: 'waiting was given up' }),
  );
  const said: string[] = [];
  const message = await Promise.race([
    firstMessage(child, (line) => {
      said.push(line);
      if (said.length > SAID_LINES_MAX) said.shift();
      logger.warn({ line }, 'embedded engine said');
    }),
    ended.then(
      (end): ChildMessage => ({ kind: 'failed', code: 'ENDED', message: `it ended (${end.signal ?? end.code})` }),
    ),
    late,
  ]);
  waiting.abort();
  if (message.kind === 'ready') return message.port;
  if (giveUp?.aborted === true)
    throw new TransportError('ABORTED', 'asked to stop while the engine started', { retryable: false });
  throw startError(message, order, said.join(' '));
};

/** The first line with our prefix; all other output of the process goes to the log. */
const firstMessage = (child: ChildProcess, onLine: (line: string) => void): Promise<ChildMessage> =>
  new Promise((done) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        if (line.startsWith(READY_PREFIX)) done(JSON.parse(line.slice(READY_PREFIX.length)));
        else if (line.trim() !== '') onLine(line.slice(0, 2_000));
      });
    }
  });

const endWithin = async (child: ChildProcess, ended: Promise<EngineEnd>, clock: Clock): Promise<void> => {
  const waiting = new AbortController();
  const late = clock.sleep(CLOSE_DEADLINE_MS, waiting.signal).then(
    () => 'late' as const,
    () => 'in time' as const,
  );
  if ((await Promise.race([ended, late])) === 'late') child.kill('SIGKILL');
  waiting.abort();
  await ended;
};

/** What the engine printed last, kept for the error when it does not start. */
const SAID_LINES_MAX = 10;

const startError = (
  message: Extract<ChildMessage, { kind: 'failed' }>,
  options: ChildOrder,
  said: string,
): TransportError => {
  const cause = new Error(message.message);
  const say = (text: string): TransportError =>
    new TransportError('STORE_UNAVAILABLE', text, { retryable: false, cause });
  if (message.code === 'EADDRINUSE') {
    return say(
      `the embedded ClickHouse cannot listen on ${options.host}:${options.port}: the port is busy; set TACHO_CLICKHOUSE_PORT to another one`,
    );
  }
  if (message.code === 'EACCES') {
    return say(
      `the embedded ClickHouse may not listen on ${options.host}:${options.port}; set TACHO_CLICKHOUSE_PORT to a port above 1023`,
    );
  }
  if (message.code === '76') {
    return say(
      `the embedded ClickHouse cannot open ${options.dataDir}/clickhouse: another process holds it, or it cannot be written; stop that process, or choose another folder with TACHO_DATA_DIR (${message.message} ${said})`,
    );
  }
  if (/MODULE_NOT_FOUND|ERR_DLOPEN|CHDB_/.test(message.code)) return missingPackage(cause);
  return say(`the embedded ClickHouse did not start: ${message.message} ${said}`);
};

const missingPackage = (cause: unknown): TransportError =>
  new TransportError(
    'STORE_UNAVAILABLE',
    'the embedded ClickHouse (npm package chdb) cannot be loaded: it exists for Linux and macOS on x64 and arm64 and is an ' +
      'optional dependency (npm ci without --omit=optional); anywhere else set TACHO_CLICKHOUSE_URL to a ClickHouse server',
    { retryable: false, cause },
  );
