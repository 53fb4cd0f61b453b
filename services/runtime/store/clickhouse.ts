import { Readable } from 'node:stream';
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client';
import { TransportError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock, InsertOptions, Logger, QueryParams, Random, Row, Store } from '../ports.ts';
import { toTransportError } from './failure.ts';
import { createRowEncoder, type EncodedRows, type RowEncoder } from './table-columns.ts';

/** Which ClickHouse, and as whom. */
export interface StoreSettings {
  /** `http://host:8123` or `https://…`. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** PEM of the authority that signed the server's certificate, when the system does not know it. */
  readonly tlsCa?: string;
  /** Name of the cluster: inserts wait for the quorum and reads see every write (delivery protocol 2.3). */
  readonly cluster?: string;
  /** One attempt of an insert, ms; below the shortest deduplication window. Default 60 s. */
  readonly insertDeadlineMs?: number;
  /** One attempt of a query, ms. Default 60 s. */
  readonly queryDeadlineMs?: number;
}

export interface StoreDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const DEADLINE_MS = 60_000;
/** DDL over a cluster waits for every replica. */
const COMMAND_DEADLINE_MS = 180_000;
/** Below the server's keep-alive (ClickHouse 10 s by default, ours 30 s), so that no request meets a closing socket. */
const IDLE_SOCKET_MS = 2_500;
const SOCKETS_MAX = 32;
const READ_ATTEMPTS_MAX = 4;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 5_000;
const KILL_POLL_MS = 100;
/** A killed query that is still there after this: the retry's same query_id meets code 216 and waits on. */
const KILL_WAIT_MS = 10_000;

interface Wire extends StoreDeps {
  readonly client: ClickHouseClient;
  readonly settings: StoreSettings;
}

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
  return {
    insert: (table, rows, options) => (rows.length === 0 ? Promise.resolve() : insert(inserting, table, rows, options)),
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
    keep_alive: { enabled: true, idle_socket_ttl: IDLE_SOCKET_MS },
    compression: {
      request: isLoopback(settings.url) ? false : { codec: 'zstd', level: 1 },
      response: !isLoopback(settings.url),
    },
    ...(settings.tlsCa === undefined ? {} : { tls: { ca_cert: Buffer.from(settings.tlsCa) } }),
  });

/** Compressing for this very machine costs CPU and saves nothing. */
const isLoopback = (url: string): boolean => /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);

// ------------------------------------------------------------------- insert

const COLUMNS_SQL = `SELECT name, type FROM system.columns
  WHERE database = if({database:String} = '', currentDatabase(), {database:String}) AND table = {table:String} ORDER BY position`;

/** Of `table`, or of `database.table`. */
const readColumns = (wire: Wire, name: string, signal: AbortSignal | undefined) => {
  const [table = '', database = ''] = name.split('.').reverse();
  return once<{ readonly name: string; readonly type: string }>(wire, COLUMNS_SQL, { database, table }, signal);
};

const insert = async (wire: InsertWire, table: string, rows: readonly Row[], options: InsertOptions): Promise<void> => {
  const { clock, metrics } = wire;
  const startedMs = clock.nowMs();
  let encoded: EncodedRows | null = null;
  // One id for all attempts: a server refuses to run the same id twice at once (code 216).
  const queryId = wire.random.uuid();
  for (let tries = 1; ; tries += 1) {
    try {
      encoded ??= await wire.encoder.encode(table, rows, options.signal);
      await sendInsert(wire, table, encoded, queryId, options);
      metrics.count('store_inserts_total', { table, outcome: tries === 1 ? 'ok' : 'retried' });
      metrics.observe('store_insert_seconds', (clock.nowMs() - startedMs) / 1000, { table });
      return;
    } catch (cause) {
      const error = toTransportError(cause);
      if (!error.retryable) {
        if (error.code === 'STORE_REJECTED') metrics.count('store_inserts_total', { table, outcome: 'rejected' });
        throw error;
      }
      if (options.isSingle === true) throw error;
      wire.logger.warn(
        { err: error, table, tries, token: options.token },
        'insert failed; the same bytes are sent again',
      );
      await clock.sleep(backoffMs(wire.random, tries), options.signal);
    }
  }
};

const sendInsert = async (
  wire: Wire,
  table: string,
  { columns, bytes }: EncodedRows,
  queryId: string,
  options: InsertOptions,
): Promise<void> => {
  const deadlineMs = wire.settings.insertDeadlineMs ?? DEADLINE_MS;
  try {
    await attempt(wire, deadlineMs, options.signal, async (abort_signal) => {
      const reply = await wire.client.exec({
        query: `INSERT INTO ${table} (${columns}) FORMAT Native`,
        values: Readable.from([bytes], { objectMode: false }),
        query_id: queryId,
        abort_signal,
        clickhouse_settings: insertSettings(wire.settings, options.token, deadlineMs, queryId),
      });
      await drain(reply.stream);
    });
  } catch (cause) {
    const error = toTransportError(cause);
    // Nobody hears the answer any more: the server must have stopped before anything else happens to this batch.
    if (error.code === 'ABORTED' || error.code === 'STORE_UNAVAILABLE') await cancel(wire, queryId);
    throw error;
  }
};

const insertSettings = (
  settings: StoreSettings,
  token: string,
  deadlineMs: number,
  queryId: string,
): ClickHouseSettings => ({
  insert_deduplication_token: token,
  async_insert: 0,
  insert_deduplicate: 1,
  wait_end_of_query: 1,
  max_execution_time: Math.ceil(deadlineMs / 1000),
  // One block a partition, whatever the size of the batch: the token then covers it whole.
  max_insert_threads: '1',
  log_comment: queryId,
  ...(settings.cluster === undefined ? {} : { insert_quorum: 'auto', insert_quorum_parallel: 0 }),
});

/** Cancels a query by id and sees it ended; gives up after a while (the same query_id protects the retry). */
const cancel = async (wire: Wire, queryId: string): Promise<void> => {
  const { clock, logger } = wire;
  const untilMs = clock.nowMs() + KILL_WAIT_MS;
  const mine = "(query_id = {id:String} OR Settings['log_comment'] = {id:String}) AND query NOT ILIKE 'KILL%'";
  try {
    await once(wire, `KILL QUERY WHERE ${mine} ASYNC`, { id: queryId });
    while (clock.nowMs() < untilMs) {
      const rows = await once(wire, `SELECT query_id FROM system.processes WHERE ${mine} AND query ILIKE 'INSERT%'`, {
        id: queryId,
      });
      if (rows.length === 0) return;
      await clock.sleep(KILL_POLL_MS);
    }
    logger.warn({ queryId }, 'a cancelled insert is still running');
  } catch (cause) {
    // Mostly the server is down, and the insert with it; if not, the same query_id meets code 216.
    logger.debug({ err: cause, queryId }, 'an insert could not be cancelled');
  }
};

const backoffMs = (random: Random, tries: number): number =>
  Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(tries, 10)) * (0.5 + random.float() / 2);

// -------------------------------------------------------------------- query

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

const once = <T>(wire: Wire, sql: string, params?: QueryParams, signal?: AbortSignal): Promise<readonly T[]> => {
  const deadlineMs = wire.settings.queryDeadlineMs ?? DEADLINE_MS;
  return attempt(wire, deadlineMs, signal, async (abort_signal) => {
    const result = await wire.client.query({
      query: sql,
      format: 'JSONEachRow',
      abort_signal,
      ...(params === undefined ? {} : { query_params: { ...params } }),
      clickhouse_settings: {
        output_format_json_quote_64bit_integers: 1,
        output_format_json_quote_decimals: 1,
        max_execution_time: Math.ceil(deadlineMs / 1000),
        ...(wire.settings.cluster === undefined ? {} : { select_sequential_consistency: '1' }),
      },
    });
    return result.json<T>();
  });
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

// ------------------------------------------------------------------ attempts

/**
 * One request under a deadline. Throws TransportError: ABORTED when the caller's signal fired, STORE_UNAVAILABLE at the
 * deadline, and else what `toTransportError` makes of the client's error.
 */
const attempt = async <T>(
  wire: Wire,
  deadlineMs: number,
  signal: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  if (signal?.aborted)
    throw new TransportError('ABORTED', 'the request was aborted before it was sent', { retryable: false });
  const deadline = new AbortController();
  const done = new AbortController();
  wire.clock.sleep(deadlineMs, done.signal).then(
    () => deadline.abort(),
    () => undefined,
  );
  try {
    return await task(signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]));
  } catch (cause) {
    if (signal?.aborted) throw new TransportError('ABORTED', 'the request was aborted', { retryable: false, cause });
    if (deadline.signal.aborted) {
      throw new TransportError('STORE_UNAVAILABLE', `ClickHouse gave no answer within ${deadlineMs} ms`, {
        retryable: true,
        cause,
      });
    }
    throw toTransportError(cause);
  } finally {
    done.abort();
  }
};

const drain = async (stream: Readable): Promise<void> => {
  for await (const _chunk of stream) {
    // An answer left unread would block its socket.
  }
};
