/**
 * The world as the services see it. Adapters live beside this file (`event-log/`, `store/`, `clock.ts` …);
 * `services/main.ts` chooses them. Nothing else in the house touches clock, randomness, network or disk.
 */

/** Time. Tests and the simulation move it by hand. */
export interface Clock {
  readonly nowMs: () => number;
  /** Resolves after `ms`, or rejects with TransportError ABORTED when the signal fires first. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /**
   * For long computations: null while others have not waited long; else resolves once they had their turn. Absent: they
   * need none (time stands still while a simulation computes).
   */
  readonly breathe?: Breathe;
}

export type Breathe = () => Promise<void> | null;

/** Randomness. Never decides a stored row. */
export interface Random {
  readonly uuid: () => string;
  /** Uniform in [0, 1). */
  readonly float: () => number;
}

/** Structured logging, pino's shape. `fields` first, a constant message second. */
export interface Logger {
  readonly debug: (fields: object, message: string) => void;
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
  readonly child: (fields: object) => Logger;
}

// ---------------------------------------------------------------- event log

/** A topic as we create it. */
export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  readonly retentionMs: number;
  readonly recordBytesMax: number;
}

/** A record on its way into the log. The partition is murmur2(key) unless given; a null key goes round robin. */
export interface OutgoingRecord {
  readonly topic: string;
  readonly key: string | null;
  readonly value: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly partition?: number;
}

/** Where a record came to stand. */
export interface RecordPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** A record as read. `timestampMs` is the log's own append time: the only clock from here to the row. */
export interface LogRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** Consecutive records of one partition, ascending offsets (gaps are possible in Kafka), never empty. */
export interface PolledBatch {
  readonly records: readonly LogRecord[];
  /** The offset the next record to be written will get. Lag = this − last offset − 1. */
  readonly logEnd: number;
}

/** A committed group offset with its metadata ('' when there is none). */
export interface Commit {
  readonly offset: number;
  readonly metadata: string;
}

/** A partition given to this member for one epoch. */
export interface Assignment {
  readonly topic: string;
  readonly partition: number;
  /** Grows with every rebalance this member saw. */
  readonly epoch: number;
  /** Identity of this life of the log (delivery protocol 2.1). */
  readonly logId: string;
  /** Read after the group was joined, never before. null: the group never committed here, or its offsets are lost. */
  readonly committed: Commit | null;
  /** First offset still in the log. */
  readonly logStart: number;
  /** The offset the next record will get. */
  readonly logEnd: number;
  /** Aborts when the epoch is dead (revoked, fenced, closing after the drain deadline). */
  readonly signal: AbortSignal;
  /** Resolves once durable. Throws TransportError FENCED when the epoch is dead: then nothing may be inserted. */
  readonly commit: (offset: number, metadata: string) => Promise<void>;
}

/** What a service does with one assigned partition. One call at a time; the partition does not move under a call. */
export interface PartitionConsumer {
  /** Where to begin reading; must lie within [logStart, logEnd]. */
  readonly startOffset: number;
  /**
   * 'continue': hand over the next batch. 'stop': deliver nothing more of this partition until it is assigned anew.
   * Throws TransportError FENCED when the epoch died (the adapter forgets the assignment) and InvariantError for bugs
   * (the adapter reports it through `onCrash`).
   */
  readonly onBatch: (batch: PolledBatch) => Promise<'continue' | 'stop'>;
  /** Called once when no record came for `idleMs` after the last batch, and at drain. */
  readonly onIdle: () => Promise<void>;
  /** True while it has records it was handed and did not take: then `onIdle` is called again after each quiet `idleMs`. */
  readonly isWaiting?: () => boolean;
}

export interface ConsumeOptions {
  /** Consumer group, `tacho-<service>`. */
  readonly group: string;
  readonly topics: readonly string[];
  /** A batch is handed over when it has this many records or bytes, or `lingerMs` after its first record was seen. */
  readonly recordsMax: number;
  readonly bytesMax: number;
  readonly lingerMs: number;
  readonly idleMs: number;
  /** Called at each assignment of a partition; may take its time (loads state). */
  readonly assigned: (assignment: Assignment) => Promise<PartitionConsumer>;
  /** A bug surfaced in a handler: the process must end. */
  readonly onCrash: (error: unknown) => void;
}

/** A running member of a group. */
export interface Consumer {
  /** Lets batches in flight finish and commit, calls `onIdle`, leaves the group. Idempotent. */
  readonly close: () => Promise<void>;
}

/** Offsets in [start, end) of one partition. */
export interface PartitionRange {
  readonly partition: number;
  readonly start: number;
  readonly end: number;
}

/** The event log: Kafka, a sqlite file, or memory. All three pass `test/contract/event-log.ts`. */
export interface EventLog {
  readonly kind: 'memory' | 'sqlite' | 'kafka';
  /**
   * Creates missing topics (and `<topic>.dlq` only if listed). Existing ones are left as they are, but for the retention
   * of the embedded log, whose file is nobody else's to configure.
   */
  readonly ensureTopics: (specs: readonly TopicSpec[]) => Promise<void>;
  /**
   * Appends all records; resolves when all are durable, positions in the order given.
   * Throws TransportError: LOG_FULL and LOG_UNAVAILABLE are retryable, LOG_RECORD_TOO_LARGE is not. After a throw any
   * subset may be in the log: writers retry, readers recognise the duplicate.
   */
  readonly append: (records: readonly OutgoingRecord[], signal?: AbortSignal) => Promise<readonly RecordPosition[]>;
  readonly consume: (options: ConsumeOptions) => Promise<Consumer>;
  /** Ranges of every partition of a topic; [] when the topic does not exist. */
  readonly ranges: (topic: string) => Promise<readonly PartitionRange[]>;
  /** What a group has committed, by partition; partitions without a commit are absent. */
  readonly committed: (group: string, topic: string) => Promise<ReadonlyMap<number, Commit>>;
  /** Identity of this life of the topic's log. */
  readonly logId: (topic: string) => Promise<string>;
  /** Throws TransportError when the log cannot be used; for health checks. */
  readonly ping: () => Promise<void>;
  readonly close: () => Promise<void>;
}

// -------------------------------------------------------------------- store

/**
 * A row as stored: keys are columns. Times are UTC text or ticks of their column since 1970, decimals are text, integers
 * of 64 bits numbers, bigints or text, maps objects or Maps. Columns that no row of an insert has get their defaults.
 */
export type Row = Readonly<Record<string, unknown>>;

export interface InsertOptions {
  /** insert_deduplication_token: the same token is the same bytes, for ever. */
  readonly token: string;
  /** Stops retrying when it fires (epoch dead, shutdown): throws TransportError ABORTED. */
  readonly signal?: AbortSignal;
  /** true: one attempt; a retryable failure is thrown once nothing of it runs any more. The caller looks what landed. */
  readonly isSingle?: boolean;
}

/** Query parameters: `{name:Type}` in the SQL, never spliced into it. */
export type QueryParams = Readonly<Record<string, unknown>>;

/** Rows of one insert, encoded as they come: a large batch never stands in memory as objects. */
export interface RowBlocks {
  readonly count: () => number;
  /** Throws TransportError when a row does not fit the table. */
  readonly add: (rows: readonly Row[]) => void;
}

/** Inserts that grow block by block; a store without it takes rows only. */
export interface BlockInserts {
  /** Rows have the columns of the first. Throws TransportError. */
  readonly begin: (table: string, signal?: AbortSignal) => Promise<RowBlocks>;
  /** As `Store.insert`, of blocks that `begin` gave for this table. */
  readonly insert: (table: string, blocks: RowBlocks, options: InsertOptions) => Promise<void>;
}

/** A ClickHouse, given or embedded, behind `@clickhouse/client`. */
export interface Store {
  readonly blocks?: BlockInserts;
  /**
   * Inserts all rows and resolves when they are confirmed. Retries the same bytes under the same token on retryable
   * codes, with backoff, until confirmed or aborted. Throws TransportError STORE_REJECTED (not retryable) otherwise.
   * An empty list is a no-op.
   */
  readonly insert: (table: string, rows: readonly Row[], options: InsertOptions) => Promise<void>;
  /** Rows of a SELECT (64-bit integers come as strings). Retries reads a few times, then throws TransportError. */
  readonly query: <T>(sql: string, params?: QueryParams, signal?: AbortSignal) => Promise<readonly T[]>;
  /** DDL and other statements without an answer. */
  readonly command: (sql: string, params?: QueryParams) => Promise<void>;
  readonly ping: () => Promise<void>;
  readonly close: () => Promise<void>;
}

// --------------------------------------------------------------------- disk

/** The disk a folder lies on. */
export interface DiskSpace {
  readonly dir: string;
  /** Bytes an unprivileged program may still write. Throws TransportError LOG_UNAVAILABLE when it cannot be told. */
  readonly freeBytes: () => Promise<number>;
  /** Whether `mark(true)` was the last word, in this process or one before it. */
  readonly isMarked: () => boolean;
  /** Leaves or takes away a small file for processes to come. Does nothing when the disk refuses. */
  readonly mark: (isOn: boolean) => void;
}

// ------------------------------------------------------------------ service

export type HealthState = 'starting' | 'ok' | 'degraded' | 'stopped';

/** What `/readyz` and `/api/v1/pipeline` say of a service. */
export interface Health {
  readonly state: HealthState;
  /** One sentence with the reason when not ok. */
  readonly detail: string;
}

/** Every service has this shape: built from config and ports, started once, drained once. */
export interface Service {
  readonly name: string;
  /** Resolves when ready to work. Throws (ConfigError, TransportError) when it cannot start. */
  readonly start: () => Promise<void>;
  readonly health: () => Health;
  /** Finishes what is in flight, commits, lets go. Idempotent; called in reverse order of start. */
  readonly drain: () => Promise<void>;
}

// --------------------------------------------------------------- rule files

/** A rule file as it was found; `text` null with the reason when it could not be read. */
export interface FoundRuleFile {
  readonly path: string;
  readonly text: string | null;
  readonly problem: string | null;
}

/** All rule files of a folder at one moment. */
export interface RuleFolder {
  readonly files: readonly FoundRuleFile[];
  /** Newest change of a file, ms since 1970; 0 when unknown. */
  readonly changedAtMs: number;
}

/** The folder people keep their rules in. Neither method throws: what is wrong stands in the answer. */
export interface RuleFiles {
  readonly dir: string;
  /** Changes whenever a file was added, removed or written. Cheap: no file is read. */
  readonly stamp: () => Promise<string>;
  readonly read: () => Promise<RuleFolder>;
}
