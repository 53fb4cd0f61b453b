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

/**
 * Makes a batch true, in the order of effects: tables → produced records (acks −1) → dead letters → manifest row.
 * Guarantee at each line: whatever stands to its left is durable before it starts, so a step is never ahead of its
 * row and a manifest row is never ahead of anything. With `isReplay` each table is verified first: rows of this
 * batch that are there stay, missing ones are inserted, so an insert that landed without being confirmed is counted
 * once (delivery protocol 2.2).
 */
export const landBatch = async (
  deps: LandDeps,
  service: string,
  batch: RecordBatch,
  output: BatchOutput,
  isReplay: boolean,
  signal: AbortSignal,
): Promise<void> => {
  for (const table of output.tables) await landTable(deps, service, batch, table, isReplay, signal);
  const produced = await appendAll(deps, output.produce, signal);
  await appendAll(deps, output.deadLetters, signal);
  const manifest = manifestOf(service, batch, output, produced);
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
  if (table.rows.length === 0) return;
  const token = insertToken(batch, service, table.table);
  if (!isReplay) {
    await deps.store.insert(table.table, table.rows, { token, signal });
  } else {
    const missing = await missingRows(deps.store, batch, table, signal);
    const found: Found = missing.length === 0 ? 'all' : missing.length === table.rows.length ? 'none' : 'some';
    deps.metrics.count('stream_intents_verified_total', { service, found });
    deps.logger.info(
      { service, table: table.table, found, rows: table.rows.length, missing: missing.length },
      'open intent verified',
    );
    if (found === 'none') await deps.store.insert(table.table, table.rows, { token, signal });
    if (found === 'some') await deps.store.insert(table.table, missing, { token: `${token}/repair`, signal });
  }
  deps.metrics.count('stream_rows_total', { service, table: table.table }, table.rows.length);
};

/** Rows of `table` that the store does not hold yet for this batch, told apart by the identity columns. */
const missingRows = async (
  store: Store,
  batch: RecordBatch,
  table: TableRows,
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
  return table.rows.filter((row) => !ids.has(table.identity.map((column) => String(row[column])).join('\n')));
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
      rows: Object.fromEntries(output.tables.map((table) => [table.table, table.rows.length])),
      steps: output.produce.length,
      dead_letters: output.deadLetters.length,
      duplicates: output.counts.duplicates,
      filtered: output.counts.filtered,
      empty: output.counts.empty,
      produced: Object.fromEntries(produced),
      hours: output.counts.hours,
      batch_id: batch.batchId,
      logged_at: utcMillis(batch.records.reduce((latest, record) => Math.max(latest, record.timestampMs), 0)),
    },
  ],
});
