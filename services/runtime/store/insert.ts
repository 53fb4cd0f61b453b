import { Readable } from 'node:stream';
import type { ClickHouseSettings } from '@clickhouse/client';
import type { InsertOptions } from '../ports.ts';
import { toTransportError } from './failure.ts';
import type { EncodedRows } from './table-columns.ts';
import { attempt, backoffMs, DEADLINE_MS, once, type StoreSettings, type Wire } from './wire.ts';

const KILL_POLL_MS = 100;
/** A killed query that is still there after this: the retry's same query_id meets code 216 and waits on. */
const KILL_WAIT_MS = 10_000;

/**
 * One INSERT of encoded rows: the same bytes under the same token until they are confirmed, or once. Throws TransportError;
 * after any throw nothing of it runs any more.
 */
export const insert = async (
  wire: Wire,
  table: string,
  encode: () => Promise<EncodedRows>,
  options: InsertOptions,
): Promise<void> => {
  const { clock, metrics } = wire;
  const startedMs = clock.nowMs();
  let encoded: EncodedRows | null = null;
  // One id for all attempts: a server refuses to run the same id twice at once (code 216).
  const queryId = wire.random.uuid();
  for (let tries = 1; ; tries += 1) {
    try {
      encoded ??= await encode();
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
  { columns, blocks }: EncodedRows,
  queryId: string,
  options: InsertOptions,
): Promise<void> => {
  const deadlineMs = wire.settings.insertDeadlineMs ?? DEADLINE_MS;
  try {
    await attempt(wire, deadlineMs, options.signal, async (abort_signal) => {
      const reply = await wire.client.exec({
        query: `INSERT INTO ${table} (${columns}) FORMAT Native`,
        values: Readable.from(blocks, { objectMode: false }),
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

const drain = async (stream: Readable): Promise<void> => {
  for await (const _chunk of stream) {
    // An answer left unread would block its socket.
  }
};
