import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { assert } from '../errors.ts';
import type { QueryParams, RowBlocks, Store } from '../ports.ts';
import { toTransportError } from './failure.ts';
import { insert } from './insert.ts';
import { createRowEncoder, type GrowingRows, type RowEncoder } from './table-columns.ts';
import { attempt, backoffMs, DEADLINE_MS, once, type StoreDeps, type StoreSettings, type Wire } from './wire.ts';

/** DDL over a cluster waits for every replica. */
const COMMAND_DEADLINE_MS = 180_000;
/** Below the server's keep-alive (ClickHouse 10 s by default, ours 30 s), so that no request meets a closing socket. */
const IDLE_SOCKET_MS = 2_500;
const SOCKETS_MAX = 32;
const READ_ATTEMPTS_MAX = 4;

interface InsertWire extends Wire {
  readonly encoder: RowEncoder;
}

/** A store over one ClickHouse. Opens no connection before the first call; close it at the end. */
export const createClickHouseStore = (settings: StoreSettings, deps: StoreDeps): Store => {
  const wire: Wire = { ...deps, settings, client: connect(settings) };
  const inserting: InsertWire = {
    ...wire,
    encoder: createRowEncoder((table, signal) => readColumns(wire, table, signal)),
  };
  const grown = new WeakMap<RowBlocks, GrowingRows>();
  return {
    insert: async (table, rows, options) => {
      if (rows.length === 0) return;
      await insert(inserting, table, () => inserting.encoder.encode(table, rows, options.signal), options);
    },
    blocks: {
      begin: async (table, signal) => {
        const growing = await inserting.encoder.begin(table, signal);
        grown.set(growing, growing);
        return growing;
      },
      insert: async (table, blocks, options) => {
        const growing = grown.get(blocks);
        assert(growing !== undefined, 'blocks of another store');
        if (blocks.count() > 0) await insert(inserting, table, async () => growing.encoded(), options);
      },
    },
    query: (sql, params, signal) => query(wire, sql, params, signal),
    command: (sql, params) => command(wire, sql, params),
    ping: async () => {
      await attempt(wire, DEADLINE_MS, undefined, async (abort_signal) => {
        const result = await wire.client.ping({ select: true, abort_signal });
        if (!result.success) throw result.error;
      });
    },
    close: () => wire.client.close(),
  };
};

const connect = (settings: StoreSettings): ClickHouseClient =>
  createClient({
    url: settings.url,
    username: settings.user,
    password: settings.password,
    database: settings.database,
    application: 'tachograph',
    // Every failure comes to us as an error; we log it with what we were doing.
    log: { level: ClickHouseLogLevel.OFF },
    // Our own deadlines are shorter and tell a time-out from other failures; this only catches a leak.
    request_timeout: 2 * COMMAND_DEADLINE_MS,
    max_open_connections: SOCKETS_MAX,
    // In a URL proxies take 8 or 16 KiB, of which a fold's keys are more.
    use_multipart_params_auto: true,
    keep_alive: { enabled: true, idle_socket_ttl: IDLE_SOCKET_MS },
    compression: {
      request: isLoopback(settings.url) ? false : { codec: 'zstd', level: 1 },
      response: !isLoopback(settings.url),
    },
    ...(settings.tlsCa === undefined ? {} : { tls: { ca_cert: Buffer.from(settings.tlsCa) } }),
  });

/** Compressing for this very machine costs CPU and saves nothing. */
const isLoopback = (url: string): boolean => /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);

const COLUMNS_SQL = `SELECT name, type FROM system.columns
  WHERE database = if({database:String} = '', currentDatabase(), {database:String}) AND table = {table:String} ORDER BY position`;

/** Of `table`, or of `database.table`. */
const readColumns = (wire: Wire, name: string, signal: AbortSignal | undefined) => {
  const [table = '', database = ''] = name.split('.').reverse();
  return once<{ readonly name: string; readonly type: string }>(wire, COLUMNS_SQL, { database, table }, signal);
};

const query = async <T>(wire: Wire, sql: string, params?: QueryParams, signal?: AbortSignal): Promise<readonly T[]> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once<T>(wire, sql, params, signal);
    } catch (cause) {
      const error = toTransportError(cause);
      if (!error.retryable || tries >= READ_ATTEMPTS_MAX) throw error;
      await wire.clock.sleep(backoffMs(wire.random, tries), signal);
    }
  }
};

const command = (wire: Wire, sql: string, params?: QueryParams): Promise<void> =>
  attempt(wire, COMMAND_DEADLINE_MS, undefined, async (abort_signal) => {
    await wire.client.command({
      query: sql,
      abort_signal,
      ...(params === undefined ? {} : { query_params: { ...params } }),
      clickhouse_settings: { wait_end_of_query: 1 },
    });
  });
