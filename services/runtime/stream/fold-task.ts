import type { Outcome } from '../../../schemas/outcome.ts';
import { ONLY_FOR_HEADER } from '../../../schemas/topics.ts';
import type { Breathe, LogRecord, OutgoingRecord, Row, Store } from '../ports.ts';
import { DEAD_LETTER_TABLE, deadLetterOf, deadLetterRow, deadLetterTable } from './dead-letters.ts';
import { readStates } from './run-states.ts';
import { createStateCaches, type Held, type StateCache } from './state-cache.ts';
import { utcMillis } from './time.ts';
import {
  type BatchOutput,
  type BatchProcessor,
  type RecordBatch,
  STATE_TABLE,
  type StreamTask,
  type TableRows,
} from './types.ts';

/** What a fold is told of the batch it steps through; the same at every replay. */
export interface FoldContext {
  readonly batchId: string;
  readonly loggedAtMs: number;
  /** Grows along the log: for tables where the newest version of a row wins. */
  readonly version: bigint;
  /** As RecordBatch has it. */
  readonly variant: string;
}

/** What stepping one key gives. `produce`: records for other topics, written after the tables, at least once. */
export interface Stepped<State> {
  readonly state: State;
  readonly tables: readonly TableRows[];
  readonly hours: readonly number[];
  readonly produce?: readonly OutgoingRecord[];
}

/**
 * A pure fold over the records of one key. The state is a table, memory a cache of it: the same function serves the
 * stream, rebuilds and tests (delivery protocol 2.3).
 */
export interface Fold<Input, State> {
  readonly service: string;
  /** Every table `step` may write. */
  readonly tables: readonly string[];
  readonly decode: (record: LogRecord) => Outcome<Input>;
  readonly keyOf: (input: Input) => string;
  readonly empty: (key: string) => State;
  readonly parse: (text: string) => State;
  /** Stable: equal states give equal text. */
  readonly serialise: (state: State) => string;
  readonly step: (state: State, inputs: readonly Input[], context: FoldContext) => Stepped<State>;
  /** By table: makes one row of those of different keys that count the same thing, once all keys of a batch were stepped. */
  readonly condense?: Readonly<Record<string, (rows: readonly Row[]) => readonly Row[]>>;
  /** For folds whose output depends on more than the log: which version is in force, and how to have one at hand again. */
  readonly variant?: {
    readonly current: () => string;
    /** Resolves when `step` can work with this variant. Throws TransportError when it cannot be had yet. */
    readonly ready: (variant: string, signal: AbortSignal) => Promise<void>;
    /** Of a batch whose intent is lost: what it began with, by the rows of it that landed; '' when none did. */
    readonly find: (batchId: string, signal: AbortSignal) => Promise<string>;
  };
}

/** A state of a long run has megabytes; an insert of more than this is cut into several. */
const INSERT_BYTES_MAX = 16 * 1024 * 1024;

/** Wraps a fold as a stream task: loads state as of `first`, steps, and hands state as of `end` to the loop. */
export const createFoldTask = <Input, State>(
  fold: Fold<Input, State>,
  topics: readonly string[],
  deps: { readonly store: Store },
): StreamTask => {
  const caches = createStateCaches<State>();
  return {
    service: fold.service,
    topics,
    tables: [...fold.tables, DEAD_LETTER_TABLE, STATE_TABLE],
    createProcessor: (partition) => createFoldProcessor(fold, partition, deps.store, caches.open(partition.signal)),
  };
};

interface Place {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly breathe?: Breathe | undefined;
}

/** `cache` holds states as of the end of the last landed batch only. */
const createFoldProcessor = <Input, State>(
  fold: Fold<Input, State>,
  place: Place,
  store: Store,
  cache: StateCache<State>,
): BatchProcessor => {
  const pending = new WeakMap<BatchOutput, ReadonlyMap<string, Held<State>>>();

  return {
    ...(fold.variant === undefined ? {} : { variant: fold.variant.current }),
    build: async (batch, signal) => {
      const variant = await readyVariant(fold, batch, signal);
      const { inputs, refused } = await decodeAll(fold, batch, place.breathe);
      const states = await loadStates(fold, store, place, batch, [...inputs.keys()], cache.get, signal);
      const { output, next } = await stepAll(fold, { ...batch, variant }, { inputs, states, refused }, place.breathe);
      pending.set(output, next);
      return output;
    },
    landed: (_batch, output) => cache.keep(pending.get(output) ?? new Map()),
  };
};

const readyVariant = async <Input, State>(
  fold: Fold<Input, State>,
  batch: RecordBatch,
  signal: AbortSignal,
): Promise<string> => {
  if (fold.variant === undefined) return batch.variant;
  const variant = batch.variant === '' ? await fold.variant.find(batch.batchId, signal) : batch.variant;
  await fold.variant.ready(variant, signal);
  return variant;
};

/** Records no fold can read: their bytes, and a row each. */
interface Refused {
  readonly letters: OutgoingRecord[];
  readonly rows: Row[];
}

const decodeAll = async <Input, State>(fold: Fold<Input, State>, batch: RecordBatch, breathe?: Breathe) => {
  const inputs = new Map<string, Input[]>();
  const refused: Refused = { letters: [], rows: [] };
  for (const record of batch.records) {
    const turn = breathe?.() ?? null;
    if (turn !== null) await turn;
    if ((record.headers[ONLY_FOR_HEADER] ?? fold.service) !== fold.service) continue;
    const decoded = fold.decode(record);
    if (decoded.kind === 'refused') {
      refused.letters.push(deadLetterOf(batch, record, decoded.reason, fold.service));
      refused.rows.push(deadLetterRow(batch, record, { index: 0, ...decoded }, fold.service));
      continue;
    }
    const key = fold.keyOf(decoded.value);
    const list = inputs.get(key);
    if (list === undefined) inputs.set(key, [decoded.value]);
    else list.push(decoded.value);
  }
  return { inputs, refused };
};

const loadStates = async <Input, State>(
  fold: Fold<Input, State>,
  store: Store,
  place: Place,
  batch: RecordBatch,
  keys: readonly string[],
  cached: (key: string) => State | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, State>> => {
  const states = new Map<string, State>();
  const missing: string[] = [];
  for (const key of keys) {
    const known = cached(key);
    if (known === undefined) missing.push(key);
    else states.set(key, known);
  }
  const stored = readStates(store, { service: fold.service, ...place, first: batch.first }, missing, signal);
  for await (const [key, text] of stored) states.set(key, fold.parse(text));
  return states;
};

/** What a batch comes with: its inputs by key, what was known of the keys, and what could not be read. */
interface Gathered<Input, State> {
  readonly inputs: ReadonlyMap<string, readonly Input[]>;
  readonly states: ReadonlyMap<string, State>;
  readonly refused: Refused;
}

const stepAll = async <Input, State>(
  fold: Fold<Input, State>,
  batch: RecordBatch,
  { inputs, states, refused }: Gathered<Input, State>,
  breathe?: Breathe,
): Promise<{ readonly output: BatchOutput; readonly next: ReadonlyMap<string, Held<State>> }> => {
  const loggedAtMs = batch.records.reduce((latest, record) => Math.max(latest, record.timestampMs), 0);
  const version = versionOf(loggedAtMs, batch.end);
  const context: FoldContext = { batchId: batch.batchId, loggedAtMs, version, variant: batch.variant };
  const next = new Map<string, Held<State>>();
  const merged = new Map<string, { readonly identity: readonly string[]; readonly rows: Row[] }>();
  const stateRows: Row[] = [];
  const produce: OutgoingRecord[] = [];
  const hours = new Set<number>();
  for (const [key, list] of inputs) {
    const turn = breathe?.() ?? null;
    if (turn !== null) await turn;
    const stepped = fold.step(states.get(key) ?? fold.empty(key), list, context);
    const text = fold.serialise(stepped.state);
    next.set(key, { state: stepped.state, chars: text.length });
    for (const table of stepped.tables) {
      const into = merged.get(table.table) ?? { identity: table.identity, rows: [] };
      into.rows.push(...table.rows);
      merged.set(table.table, into);
    }
    produce.push(...(stepped.produce ?? []));
    for (const hour of stepped.hours) hours.add(hour);
    stateRows.push({
      service: fold.service,
      log_id: batch.logId,
      topic: batch.topic,
      partition: batch.partition,
      run_key: key,
      as_of: batch.end,
      state: text,
      batch_id: batch.batchId,
      logged_at: utcMillis(loggedAtMs),
    });
  }
  const tables: TableRows[] = [...merged].map(([table, { identity, rows }]) => ({
    table,
    identity,
    rows: fold.condense?.[table]?.(rows) ?? rows,
  }));
  if (refused.rows.length > 0) tables.push(deadLetterTable(refused.rows));
  // State after the outputs it accounts for: a state row without its outputs would swallow them at replay.
  tables.push({
    table: STATE_TABLE,
    // Batches of two folds over one topic have the same id: without the service, one would take the other's rows for its own.
    identity: ['service', 'run_key'],
    rows: stateRows,
    pieces: { bytesMax: INSERT_BYTES_MAX, bytesOf: (row) => String(row['state']).length },
  });
  const counts = { duplicates: 0, filtered: 0, empty: 0, hours: [...hours].sort((a, b) => a - b) };
  return { output: { tables, produce, deadLetters: refused.letters, counts }, next };
};

/**
 * Seconds of the log, refined by the offset: grows from batch to batch of a partition, and over lives of its log. The
 * offset gets so many bits that it does not start over within one second; both together fit a UInt64 until 2106.
 */
const VERSION_STEPS = 2n ** 32n;
const versionOf = (loggedAtMs: number, end: number): bigint =>
  BigInt(Math.floor(loggedAtMs / 1000)) * VERSION_STEPS + (BigInt(end) % VERSION_STEPS);
