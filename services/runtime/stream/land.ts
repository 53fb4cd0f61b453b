import { TransportError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock, EventLog, Logger, OutgoingRecord, Row, Store } from '../ports.ts';
import { insertToken } from './intent.ts';
import { utcMillis } from './time.ts';
import type { BatchOutput, RecordBatch, TableRows } from './types.ts';

export interface LandDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What the store already holds of an open intent. */
export type Found = 'all' | 'none' | 'some';

/** How a batch is landed. */
export interface Landing {
  /** Something of it may be there already. */
  readonly isReplay: boolean;
  /** Commits its intent. Throws TransportError FENCED when the partition is somebody else's by now. */
  readonly intend: () => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Makes a batch true, in the order of effects: tables → produced records (acks −1) → dead letters → manifest row.
 * Guarantee at each line: whatever stands to its left is durable before it starts, so a step is never ahead of its
 * row and a manifest row is never ahead of anything. With `isReplay` each table is verified first: rows of this
 * batch that are there stay, missing ones are inserted, so an insert that landed without being confirmed is counted
 * once (delivery protocol 2.2). A retryable failure is thrown at once: come again with `isReplay`. The manifest row is
 * written by an owner only, which the intent, committed once more, proves: to an owner that slept past its lease the store
 * may have confirmed rows by the token of the next one, whose insert then died with the server.
 */
export const landBatch = async (
  deps: LandDeps,
  service: string,
  batch: RecordBatch,
  output: BatchOutput,
  { isReplay, intend, signal }: Landing,
): Promise<void> => {
  for (const table of output.tables) await landTable(deps, service, batch, table, isReplay, signal);
  const produced = await appendAll(deps, output.produce, signal);
  await appendAll(deps, output.deadLetters, signal);
  const manifest = manifestOf(service, batch, output, produced);
  await intend();
  await landTable(deps, service, batch, manifest, isReplay, signal);
};

const landTable = async (
  deps: LandDeps,
  service: string,
  batch: RecordBatch,
  table: TableRows,
  isReplay: boolean,
  signal: AbortSignal,
): Promise<void> => {
  const count = countOf(table);
  if (count === 0) return;
  const token = insertToken(batch, service, table.table);
  if (isReplay) await repairTable(deps, service, batch, table, signal);
  else if (table.blocks !== undefined && deps.store.blocks !== undefined)
    await deps.store.blocks.insert(table.table, table.blocks, { token, signal, isSingle: true });
  else await insertPieces(deps, table, table.rows, token, signal);
  deps.metrics.count('stream_rows_total', { service, table: table.table }, count);
};

/** Rows of a table, without making them. */
const countOf = (table: TableRows): number => table.blocks?.count() ?? table.rows.length;

/** One attempt each: after a failure the caller comes again and looks what landed, for a token alone may lie. */
const insertPieces = async (
  deps: LandDeps,
  table: TableRows,
  rows: readonly Row[],
  token: string,
  signal: AbortSignal,
): Promise<void> => {
  const pieces = cut(rows, table.pieces);
  for (const [index, piece] of pieces.entries()) {
    const isWhole = pieces.length === 1;
    await deps.store.insert(table.table, piece, {
      token: isWhole ? token : `${token}/${index}`,
      signal,
      isSingle: true,
    });
  }
};

const cut = (rows: readonly Row[], limit: TableRows['pieces']): readonly (readonly Row[])[] => {
  if (limit === undefined) return [rows];
  const pieces: Row[][] = [[]];
  let bytes = 0;
  for (const row of rows) {
    const size = limit.bytesOf(row);
    if (bytes > 0 && bytes + size > limit.bytesMax) {
      pieces.push([]);
      bytes = 0;
    }
    pieces.at(-1)?.push(row);
    bytes += size;
  }
  return pieces;
};

/** A part is seen within this time of its confirmation; an insert of a former owner has come to its end by then. */
const LOOK_AGAIN_MS = 1_000;
/** Confirmed so often under new tokens, and gone again: they are older than the table's TTL. */
const REPAIRS_MAX = 4;

/**
 * Looks which rows landed and inserts the others until all are there. First under the batch's own token, also when some
 * are there: a table remembers a token partition by partition, so the missing ones land, and an insert of a former owner
 * that comes late meets the token in every partition, whatever of it landed by whose hand. But a server that died in mid-insert may remember a token whose rows are gone, and
 * then swallows it: what is still missing at the next look goes in under a token of its own.
 */
const repairTable = async (
  deps: LandDeps,
  service: string,
  batch: RecordBatch,
  table: TableRows,
  signal: AbortSignal,
): Promise<void> => {
  const token = insertToken(batch, service, table.table);
  const { rows } = table;
  let missing = await missingRows(deps.store, batch, table, rows, signal);
  const found: Found = missing.length === 0 ? 'all' : missing.length === rows.length ? 'none' : 'some';
  deps.metrics.count('stream_intents_verified_total', { service, found });
  deps.logger.info(
    { service, table: table.table, found, rows: rows.length, missing: missing.length },
    'open intent verified',
  );
  for (let round = 0; missing.length > 0; round += 1) {
    if (round >= REPAIRS_MAX) {
      deps.logger.error({ service, table: table.table, token, missing: missing.length }, 'confirmed rows do not stay');
      return;
    }
    if (round > 0) {
      // Two looks must agree before a second token is used: an insert still at work would be doubled by it.
      await deps.clock.sleep(LOOK_AGAIN_MS, signal);
      const again = await missingRows(deps.store, batch, table, rows, signal);
      const isSame = again.length === missing.length;
      missing = again;
      if (!isSame) continue;
    }
    await insertPieces(deps, table, missing, round === 0 ? token : `${token}/repair${round}/${missing.length}`, signal);
    missing = await missingRows(deps.store, batch, table, rows, signal);
  }
};

/** Rows of `table` that the store does not hold yet for this batch, told apart by the identity columns. */
const missingRows = async (
  store: Store,
  batch: RecordBatch,
  table: TableRows,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<readonly Row[]> => {
  const columns = table.identity.map((column) => `toString(${column})`).join(", '\\n', ");
  const present = await store.query<{ readonly id: string }>(
    `SELECT ${table.identity.length === 1 ? columns : `concat(${columns})`} AS id FROM ${table.table}
     WHERE batch_id = {batch_id:String} AND logged_at >= {from:DateTime64(3)} AND logged_at <= {to:DateTime64(3)}`,
    { batch_id: batch.batchId, ...loggedRange(batch) },
    signal,
  );
  const ids = new Set(present.map((row) => row.id));
  return rows.filter((row) => !ids.has(table.identity.map((column) => String(row[column])).join('\n')));
};

/** All rows of a batch carry a logged_at within the append times of its records. */
const loggedRange = (batch: RecordBatch): { readonly from: string; readonly to: string } => {
  const times = batch.records.map((record) => record.timestampMs);
  return {
    from: utcMillis(times.reduce((a, b) => Math.min(a, b))),
    to: utcMillis(times.reduce((a, b) => Math.max(a, b))),
  };
};

const APPEND_BACKOFF_MS = 200;
const APPEND_BACKOFF_MAX_MS = 5_000;
/** Records handed to the log at once: bounds memory of a request, large enough to fill a Kafka batch. */
const APPEND_RECORDS_MAX = 5_000;

/** Appends with retry until durable; returns the end offset per `topic/partition`. Readers recognise duplicates. */
const appendAll = async (
  deps: LandDeps,
  records: readonly OutgoingRecord[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> => {
  const ends = new Map<string, number>();
  for (let at = 0; at < records.length; at += APPEND_RECORDS_MAX) {
    const slice = records.slice(at, at + APPEND_RECORDS_MAX);
    for (const position of await appendSlice(deps, slice, signal)) {
      const key = `${position.topic}/${position.partition}`;
      ends.set(key, Math.max(ends.get(key) ?? 0, position.offset + 1));
    }
  }
  return ends;
};

const appendSlice = async (deps: LandDeps, slice: readonly OutgoingRecord[], signal: AbortSignal) => {
  for (let backoffMs = APPEND_BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, APPEND_BACKOFF_MAX_MS)) {
    try {
      return await deps.log.append(slice, signal);
    } catch (error) {
      if (!(error instanceof TransportError) || !error.retryable) throw error;
      deps.logger.warn({ err: error, backoff_ms: backoffMs }, 'append failed, retrying');
      await deps.clock.sleep(backoffMs, signal);
    }
  }
};

/** The last whole hour a DateTime can hold, in February 2106: steps that claim to be later are counted there. */
const LAST_HOUR = 4_294_965_600;

const manifestOf = (
  service: string,
  batch: RecordBatch,
  output: BatchOutput,
  produced: ReadonlyMap<string, number>,
): TableRows => ({
  table: 'batches',
  identity: ['service'],
  rows: [
    {
      service,
      log_id: batch.logId,
      topic: batch.topic,
      partition: batch.partition,
      first: batch.first,
      end: batch.end,
      records: batch.records.length,
      items: output.counts.items ?? null,
      rows: Object.fromEntries(output.tables.map((table) => [table.table, countOf(table)])),
      steps: output.produce.length,
      dead_letters: output.deadLetters.length,
      duplicates: output.counts.duplicates,
      filtered: output.counts.filtered,
      empty: output.counts.empty,
      produced: Object.fromEntries(produced),
      hours: [...new Set(output.counts.hours.map((hour) => Math.max(0, Math.min(hour, LAST_HOUR))))],
      ...loggedDays(batch),
      batch_id: batch.batchId,
      logged_at: utcMillis(batch.records.reduce((latest, record) => Math.max(latest, record.timestampMs), 0)),
    },
  ],
});

const DAY_MS = 86_400_000;
/** Starts of the days on which its records were logged (unix seconds), when there are several; of one, `logged_at` tells it. */
const loggedDays = ({ records }: RecordBatch): { readonly logged_days?: readonly number[] } => {
  const days = new Set(records.map((record) => Math.floor(record.timestampMs / DAY_MS) * 86_400));
  if (days.size < 2) return {};
  return { logged_days: [...days].map((day) => Math.max(0, Math.min(day, LAST_HOUR))).sort((a, b) => a - b) };
};
