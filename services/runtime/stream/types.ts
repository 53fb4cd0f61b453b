import type { Breathe, LogRecord, OutgoingRecord, Row, RowBlocks } from '../ports.ts';

/** One (topic, partition, [first, end)) on its way through a service. Everything in it is the same at every replay. */
export interface RecordBatch {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly end: number;
  readonly records: readonly LogRecord[];
  /** Hex hash of (log_id, topic, partition, first, end); on every row the batch makes. */
  readonly batchId: string;
  /**
   * What beside the log decides the rows of this batch, as `BatchProcessor.variant` named it when the batch began: the
   * hash of a rule set, say. It travels in the intent, so that a replay builds the same rows. '' when nothing does, or
   * when the intent that named it is lost.
   */
  readonly variant: string;
  /** With look-ahead: the records behind the batch that count for what becomes of it, the same at every replay. */
  readonly ahead?: readonly LogRecord[];
}

/** Rows of one table. `identity` = columns that tell the rows of one batch apart when an open intent is verified. */
export interface TableRows {
  readonly table: string;
  readonly identity: readonly string[];
  /** Every row carries `batch_id` and `logged_at`. May be made anew at each look where `blocks` are given. */
  readonly rows: readonly Row[];
  /** The same rows encoded for the store, in the same order. */
  readonly blocks?: RowBlocks;
  /** Given where rows can be so large that one insert of all would be refused: it is cut at `bytesMax`. */
  readonly pieces?: { readonly bytesMax: number; readonly bytesOf: (row: Row) => number };
}

/** What the manifest counts. `records` = every record of the batch; the rest says what became of their content. */
export interface BatchCounts {
  /**
   * What the records held, counted before anything was decided: rows, duplicates, filtered and refused ones make it up.
   * Absent: the service does not take its records apart.
   */
  readonly items?: number;
  readonly duplicates: number;
  readonly filtered: number;
  readonly empty: number;
  /** Start of each hour (unix seconds) whose roll-up the batch touches. */
  readonly hours: readonly number[];
}

/** Everything a batch makes, in the order it takes effect: tables, then `produce`, then `deadLetters`, then the manifest. */
export interface BatchOutput {
  readonly tables: readonly TableRows[];
  readonly produce: readonly OutgoingRecord[];
  readonly deadLetters: readonly OutgoingRecord[];
  readonly counts: BatchCounts;
}

/**
 * Look-ahead: what becomes of a record may hang on records behind it, up to a stated time of the log (decision 10).
 */
export interface LookAhead {
  /** A record waits until the log's own time is so much past its own. */
  readonly holdMs: number;
}

/** A service's part of the stream loop, for one assigned partition. */
export interface BatchProcessor {
  /** Names what beside the log decides the rows of a batch that begins now (64 characters at most). Absent: nothing. */
  readonly variant?: () => string;
  /** What becomes of a record hangs on records behind it. Absent: on nothing behind it. */
  readonly lookAhead?: LookAhead;
  /**
   * Deterministic: the same batch over the same stored history gives the same output, whatever is cached in memory.
   * Throws TransportError when state cannot be loaded.
   */
  readonly build: (batch: RecordBatch, signal: AbortSignal) => Promise<BatchOutput>;
  /** The batch is confirmed: caches may now take it in. Not called for batches that were dropped. */
  readonly landed: (batch: RecordBatch, output: BatchOutput) => void;
}

/** A partition in the hands of this process, until `signal` fires: work beside the batches ends with it. */
export interface AssignedPartition {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly signal: AbortSignal;
  /** As Clock has it. */
  readonly breathe?: Breathe | undefined;
}

/** States of all folds; its rows say whose they are. */
export const STATE_TABLE = 'run_state';

/** What a service gives the stream host. */
export interface StreamTask {
  /** Service name: consumer group `tacho-<service>`, `batches.service`. */
  readonly service: string;
  readonly topics: readonly string[];
  /** Every table its batches may write, `batches` aside: there an open batch is looked for whose intent is lost. */
  readonly tables: readonly string[];
  readonly createProcessor: (partition: AssignedPartition) => BatchProcessor;
}
