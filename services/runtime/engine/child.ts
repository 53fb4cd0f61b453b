import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../clock.ts';
import { type Chdb, type ChdbSession, loadChdb } from './chdb.ts';
import { type ChildMessage, type ChildOrder, READY_PREFIX } from './child-protocol.ts';
import { EngineError } from './engine-error.ts';
import { createEngineServer } from './server.ts';

/**
 * The engine's process. Its standard input is its lifeline: one line of orders, then silence; when it closes (the parent
 * let go, or was killed) the process ends. What it has to say goes to standard output, one line.
 */

const LOCK_POLL_MS = 100;
/** What a graceful end waits for running queries; the parent waits longer. */
const DRAIN_MS = 8_000;
/** Below this /dev/shm is somebody's small container default, not a place for inserts. */
const SHM_FREE_BYTES_MIN = 512 * 1024 * 1024;

/** Server settings in the command line's form. The defaults are those of a server with 64 GB: caches of 5 GiB each. */
const SERVER_SETTINGS: readonly string[] = [
  '--',
  '--mark_cache_size=67108864',
  '--index_mark_cache_size=16777216',
  '--primary_index_cache_size=67108864',
  '--max_server_memory_usage_to_ram_ratio=0.5',
];

const say = (message: ChildMessage): void => {
  process.stdout.write(`${READY_PREFIX}${JSON.stringify(message)}\n`);
};

/**
 * Ends at once. An orderly exit waits for the engine's threads, and one that is in the middle of a query may never return:
 * the directory of a dead engine then stays locked. What was confirmed is on disk.
 */
const end = (): void => {
  process.kill(process.pid, 'SIGKILL');
};

/** The directory is locked by one process; a child of a killed parent may take a moment to die. */
const openEngine = async (chdb: Chdb, order: ChildOrder): Promise<ChdbSession> => {
  const deadlineMs = systemClock.nowMs() + order.startDeadlineMs;
  for (;;) {
    try {
      return new chdb.Session(join(order.dataDir, 'clickhouse'), { connectionArgs: SERVER_SETTINGS });
    } catch (cause) {
      // A lock held by another process and a directory that cannot be used look alike here; the engine tells more on
      // standard error, which the parent keeps.
      if (systemClock.nowMs() > deadlineMs) {
        throw new EngineError(76, 'CANNOT_OPEN_FILE', cause instanceof Error ? cause.message : String(cause), {
          cause,
        });
      }
    }
    await systemClock.sleep(LOCK_POLL_MS);
  }
};

const makeSpoolDir = (dataDir: string): string => {
  const name = `tacho-spool-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`;
  const spoolDir = hasRoomInMemory() ? join('/dev/shm', name) : join(dataDir, 'spool');
  rmSync(spoolDir, { recursive: true, force: true });
  mkdirSync(spoolDir, { recursive: true, mode: 0o700 });
  return spoolDir;
};

const hasRoomInMemory = (): boolean => {
  if (!existsSync('/dev/shm')) return false;
  const { bavail, bsize } = statfsSync('/dev/shm');
  return bavail * bsize >= SHM_FREE_BYTES_MIN;
};

const listen = (server: Server, order: ChildOrder): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(order.port, order.host, () => resolve());
  });

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });

/** The orders, and whether the parent is gone; it may be gone in the moment in which the orders come. */
const readLifeline = (): { readonly orders: Promise<string>; readonly parentGone: Promise<void> } => {
  const parentGone = new Promise<void>((resolve) => {
    for (const event of ['end', 'close', 'error']) process.stdin.once(event, () => resolve());
  });
  const orders = new Promise<string>((resolve, reject) => {
    createInterface({ input: process.stdin }).once('line', resolve);
    void parentGone.then(() => reject(new Error('standard input closed before the orders came')));
  });
  return { orders, parentGone };
};

const portOf = (server: Server): number => {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
};

const serve = async (order: ChildOrder): Promise<{ server: Server; spoolDir: string }> => {
  const chdb = loadChdb();
  const root = await openEngine(chdb, order);
  const facts = await root.queryAsync('SELECT displayName(), version(), timezone()', { format: 'TabSeparatedRaw' });
  const [displayName = '', version = '', timezone = 'UTC'] = Buffer.from(facts.bytes())
    .toString('utf8')
    .trim()
    .split('\t');
  const spoolDir = makeSpoolDir(order.dataDir);
  let spooled = 0;
  const executor = {
    openSession: () => new chdb.Session(join(order.dataDir, 'clickhouse')),
    spoolDir,
    nextSpoolName: () => {
      spooled += 1;
      return `insert-${spooled}`;
    },
  };
  const server = createEngineServer(
    executor,
    { displayName, version, timezone },
    { user: order.user, password: order.password },
  );
  try {
    await listen(server, order);
  } catch (cause) {
    rmSync(spoolDir, { recursive: true, force: true });
    throw cause;
  }
  return { server, spoolDir };
};

const main = async (): Promise<void> => {
  const { orders, parentGone } = readLifeline();
  const order: ChildOrder = JSON.parse(await orders);
  // One that waits for the lock of its directory, or loads it, must not take it from the next parent's engine.
  let isReady = false;
  void parentGone.then(() => {
    if (!isReady) end();
  });
  const { server, spoolDir } = await serve(order);
  isReady = true;
  say({ kind: 'ready', port: portOf(server) });
  await parentGone;
  await Promise.race([closeServer(server), systemClock.sleep(DRAIN_MS)]);
  rmSync(spoolDir, { recursive: true, force: true });
  end();
};

// Nobody reads what it says any more, or something broke: an orderly exit could hang (see `end`).
process.stdout.on('error', end);
process.on('uncaughtException', (cause) => {
  process.stderr.write(`${cause.stack}\n`, end);
});
process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group; the parent decides when the engine ends.
try {
  await main();
} catch (cause) {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  say({ kind: 'failed', code, message: cause instanceof Error ? cause.message : String(cause) });
  end();
}
