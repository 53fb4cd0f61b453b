import { z } from 'zod';
import type { LogRecord, Store } from '../ports.ts';
import { utcMillis } from './time.ts';
import { type LookAhead, type RecordBatch, STATE_TABLE, type TableRows } from './types.ts';

/** What one partition holds at most; beyond it the oldest records are decided early, by what was seen until then. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
const HELD_RECORDS_MAX = 200_000;
/** Bounds of one batch of ripe records: those of a batch as polled. */
const RIPE_RECORDS_MAX = 20_000;
const RIPE_BYTES_MAX = 8 * 1024 * 1024;
/** On a quiet log the clock of this machine stands in for the log's; it may be so much ahead of it. */
const CLOCK_MARGIN_MS = 2_000;

/** Records that may be taken now, and how far the log was read when that was decided. */
export interface Ripe {
  readonly records: readonly LogRecord[];
  /** Records behind them that count for what becomes of them. */
  readonly ahead: readonly LogRecord[];
  /** End of `ahead`. */
  readonly upto: number;
  /** The hold was cut short, for more was held than memory is given. */
  readonly isEarly: boolean;
}

interface Held {
  readonly record: LogRecord;
  readonly seenMs: number;
}

/**
 * Records of one partition that were read and not taken, in order. A record is taken only when the log was read as far as
 * its hold, and how far that is (`upto`) travels in the intent: a replay looks at the same records. Nothing that is held
 * was taken, and the log keeps it: a kill in between loses nothing.
 */
export class HeldRecords {
  readonly #holdMs: number;
  #held: Held[] = [];
  #bytes = 0;
  #logTimeMs = 0;

  constructor({ holdMs }: LookAhead) {
    this.#holdMs = holdMs;
  }

  /** Takes in what was read, in order; `nowMs` by this machine's clock. */
  add(records: readonly LogRecord[], nowMs: number): void {
    for (const record of records) {
      this.#held.push({ record, seenMs: nowMs });
      this.#bytes += record.value.length;
      this.#logTimeMs = Math.max(this.#logTimeMs, record.timestampMs);
    }
  }

  isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /**
   * The oldest records whose hold is over, as one batch; null when there are none. They stay until `drop`. `quietMs`: the
   * log is quiet, and this is the time by this machine's clock.
   */
  ripe(quietMs: number | null): Ripe | null {
    // Over the bound: down to half of it, so that it is not met again with every record.
    const isOver = this.#bytes > HELD_BYTES_MAX || this.#held.length > HELD_RECORDS_MAX;
    const isMuch = (left: number, leftBytes: number): boolean =>
      isOver && (leftBytes > HELD_BYTES_MAX / 2 || left > HELD_RECORDS_MAX / 2);
    let count = 0;
    let bytes = 0;
    for (const held of this.#held) {
      if (!this.#isRipe(held, quietMs) && !isMuch(this.#held.length - count, this.#bytes - bytes)) break;
      if (count > 0 && (count >= RIPE_RECORDS_MAX || bytes + held.record.value.length > RIPE_BYTES_MAX)) break;
      bytes += held.record.value.length;
      count += 1;
    }
    const records = this.#held.slice(0, count).map(({ record }) => record);
    const newest = this.#held[count - 1];
    const upto = (this.#held.at(-1)?.record.offset ?? 0) + 1;
    if (newest === undefined) return null;
    const ahead = this.#held.slice(count).map(({ record }) => record);
    return { records, ahead, upto, isEarly: !this.#isRipe(newest, quietMs) };
  }

  /** Forgets the `count` oldest: they were taken. */
  drop(count: number): void {
    for (const { record } of this.#held.splice(0, count)) this.#bytes -= record.value.length;
  }

  #isRipe({ record, seenMs }: Held, quietMs: number | null): boolean {
    const { timestampMs } = record;
    if (this.#logTimeMs > timestampMs + this.#holdMs) return true;
    // A producer's time may lie in the future: then when it was seen counts.
    return quietMs !== null && quietMs >= Math.min(timestampMs, seenMs) + this.#holdMs + CLOCK_MARGIN_MS;
  }
}

/** Key of the row below; no key of a fold looks like it. */
const WINDOW_KEY = '(look-ahead)';
const WINDOW = z.object({ upto: z.number().int().nonnegative(), variant: z.string() });
/** What beside its boundaries decides the rows of a batch with look-ahead. */
export type BatchWindow = z.output<typeof WINDOW>;

/**
 * A row that says the same as the intent, written before every other row of the batch: an intent that is lost is found
 * again by its rows, and with it this.
 */
export const windowTable = (service: string, batch: RecordBatch, upto: number): TableRows => ({
  table: STATE_TABLE,
  identity: ['service', 'run_key'],
  rows: [
    {
      ...{ service, log_id: batch.logId, topic: batch.topic, partition: batch.partition },
      ...{ run_key: WINDOW_KEY, as_of: batch.end, state: JSON.stringify({ upto, variant: batch.variant }) },
      batch_id: batch.batchId,
      logged_at: utcMillis(batch.records.reduce((latest, record) => Math.max(latest, record.timestampMs), 0)),
    },
  ],
});

/** What the row above says of a batch; null when it has none: then it was built without look-ahead. Throws TransportError. */
export const readWindow = async (
  store: Store,
  service: string,
  batchId: string,
  signal: AbortSignal,
): Promise<BatchWindow | null> => {
  const [row] = await store.query<{ readonly state: string }>(
    'SELECT state FROM run_state WHERE service = {service:String} AND run_key = {key:String} AND batch_id = {batch_id:String} LIMIT 1',
    { service, key: WINDOW_KEY, batch_id: batchId },
    signal,
  );
  return row === undefined ? null : WINDOW.parse(JSON.parse(row.state));
};
