import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { replayOf } from '../../schemas/dead-letter.ts';
import type { OtlpRefusal } from '../../schemas/otlp/types.ts';
import { type Outcome, ok, refused } from '../../schemas/outcome.ts';
import { DEFAULT_TENANT } from '../../schemas/tenant.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { LogRecord, OutgoingRecord, Row, RowBlocks } from '../runtime/ports.ts';
import { deadLetterTable } from '../runtime/stream/dead-letters.ts';
import type { BatchOutput, RecordBatch, TableRows } from '../runtime/stream/types.ts';
import { deadLetterOfRecord, deadLetterRows } from './dead-letters.ts';
import type { NormalizedStep } from './normalized-step.ts';
import type { NormalizeOptions } from './otlp-step.ts';
import { type RecordItem, type RecordItems, readActionRecord, readLogRecords, readSpanRecord } from './read-record.ts';
import { actionOrigin, originOf, type RecordOrigin, tenantOf } from './record-origin.ts';
import type { SeenStep } from './seen-set.ts';
import type { NormalizerSource } from './settings.ts';
import { hourOf } from './time.ts';

/** What a batch makes, and which steps of it are now stored. */
export interface NormalizedBatch {
  readonly output: BatchOutput;
  readonly stored: readonly SeenStep[];
  /** How many items each family took, for the metric. */
  readonly families: ReadonlyMap<string, number>;
  /** Traces with a stored step that is not `other`. */
  readonly agentTraces: ReadonlySet<string>;
}

/** Where rows go as they are made, when the store takes them encoded. */
export interface BlockTables {
  readonly spans: RowBlocks;
  readonly content: RowBlocks;
}

/**
 * Rows that are encoded together. Rows of one batch stood in memory as objects would cost more in garbage collection
 * than everything else together; of so few nearly all die young.
 */
const BLOCK_ROWS = 512;

interface Draft {
  readonly spans: Row[];
  readonly content: Row[];
  readonly deadRows: Row[];
  readonly produce: OutgoingRecord[];
  readonly deadLetters: OutgoingRecord[];
  readonly stored: SeenStep[];
  readonly inBatch: Set<string>;
  readonly hours: Set<number>;
  readonly families: Map<string, number>;
  readonly agentTraces: Set<string>;
  items: number;
  duplicates: number;
  filtered: number;
  empty: number;
}

/** Whether an item of a record is stored; what is not is counted. */
export type Keeps = (record: LogRecord, index: number) => boolean;
const keepsAll: Keeps = () => true;

/**
 * One batch → everything it makes, in the order it takes effect. Pure: the same batch, the same `isSeen` (what is
 * stored before the batch), the same settings give the same bytes.
 */
export const normalizeBatch = (
  batch: RecordBatch,
  source: NormalizerSource,
  isSeen: (stepId: string) => boolean,
  options: NormalizeOptions,
  keeps: Keeps = keepsAll,
  into: BlockTables | null = null,
): NormalizedBatch => {
  const draft: Draft = {
    spans: [],
    content: [],
    deadRows: [],
    produce: [],
    deadLetters: [],
    stored: [],
    inBatch: new Set(),
    hours: new Set(),
    families: new Map(),
    agentTraces: new Set(),
    items: 0,
    duplicates: 0,
    filtered: 0,
    empty: 0,
  };
  for (const record of batch.records) {
    normalizeRecord(record, batch, source, { isSeen, keeps }, options, draft);
    if (into !== null) encodeRows(draft, into, BLOCK_ROWS);
  }
  if (into !== null) encodeRows(draft, into, 1);
  const { stored, families, agentTraces } = draft;
  const again = () => normalizeBatch(batch, source, isSeen, options, keeps).output.tables;
  return { output: outputOf(draft, into, again), stored, families, agentTraces };
};

const normalizeRecord = (
  record: LogRecord,
  batch: RecordBatch,
  source: NormalizerSource,
  { isSeen, keeps }: { readonly isSeen: (stepId: string) => boolean; readonly keeps: Keeps },
  options: NormalizeOptions,
  draft: Draft,
): void => {
  const { origin, read } = takeApart(record, batch, source, options);
  if (read.kind === 'refused') {
    draft.items++;
    refuse(record, [{ index: 0, reason: read.reason, detail: read.detail }], origin, draft);
    return;
  }
  const { items, refusals } = read.value;
  draft.items += items.length + refusals.length;
  if (refusals.length > 0) refuse(record, refusals, origin, draft);
  else if (items.length === 0) draft.empty++;
  for (const item of items) {
    if (draft.inBatch.has(item.stepId) || isSeen(item.stepId)) {
      draft.duplicates++;
      continue;
    }
    if (!keeps(record, item.logIndex)) {
      draft.filtered++;
      continue;
    }
    const normalized = normalizeItem(item);
    if (normalized.kind === 'refused') {
      const { reason, detail } = normalized;
      refuse(record, [{ index: item.logIndex, reason, detail }], origin, draft);
      continue;
    }
    draft.inBatch.add(item.stepId);
    draft.stored.push({ stepId: item.stepId, offset: record.offset });
    take(normalized.value, draft);
  }
};

const takeApart = (
  record: LogRecord,
  batch: RecordBatch,
  source: NormalizerSource,
  options: NormalizeOptions,
): { readonly origin: RecordOrigin; readonly read: Outcome<RecordItems> } => {
  const tenant = tenantOf(record, source);
  const origin = originOf(record, batch, source, tenant.kind === 'ok' ? tenant.value : DEFAULT_TENANT);
  return { origin, read: tenant.kind === 'ok' ? readItems(record, source, origin, options) : tenant };
};

/** Ids of the steps in the records that were replayed from the dead letters. */
export const replayedSteps = (
  batch: RecordBatch,
  source: NormalizerSource,
  options: NormalizeOptions,
): readonly string[] =>
  batch.records.flatMap((record) => {
    if (replayOf(record.headers) === null) return [];
    const { read } = takeApart(record, batch, source, options);
    return read.kind === 'ok' ? read.value.items.map((item) => item.stepId) : [];
  });

/** A step with its record for the folds. */
interface EncodedStep extends NormalizedStep {
  readonly encoded: Uint8Array;
}

/**
 * Conventions and the codec are total; should one meet data that it throws on all the same, the record becomes a dead
 * letter with its origin. A crash would meet the same record again at every restart, and nothing behind it would be read.
 */
const normalizeItem = (item: RecordItem): Outcome<EncodedStep> => {
  try {
    const normalized = item.normalize();
    return ok({ ...normalized, encoded: encodeAgentStep(normalized.step) });
  } catch (cause) {
    return refused('internal_error', `a bug of ours: ${String(cause).slice(0, 200)}`);
  }
};

const readItems = (
  record: LogRecord,
  source: NormalizerSource,
  origin: RecordOrigin,
  options: NormalizeOptions,
): Outcome<RecordItems> => {
  if (record.value.length === 0) return refused('empty_record', 'a record without bytes');
  switch (source.signal) {
    case 'spans':
      return readSpanRecord(record.value, origin, options);
    case 'logs':
      return readLogRecords(record.value, origin, options);
    case 'actions':
      return readActionRecord(
        record.value,
        record.headers,
        (event) => actionOrigin(event, record, source, origin),
        options,
      );
  }
};

const refuse = (record: LogRecord, refusals: readonly OtlpRefusal[], origin: RecordOrigin, draft: Draft): void => {
  draft.deadLetters.push(deadLetterOfRecord(record, refusals, origin));
  draft.deadRows.push(...deadLetterRows(record, refusals, origin));
};

const take = (normalized: EncodedStep, draft: Draft): void => {
  const { row, content, step, startNano, encoded } = normalized;
  draft.spans.push(row);
  for (const part of content) draft.content.push(part);
  draft.produce.push({ topic: TOPICS.steps, key: `${step.tenant_id}|${step.run_id}`, value: encoded });
  if (step.step_kind !== 'other') draft.agentTraces.add(step.trace_id);
  draft.hours.add(hourOf(startNano));
  draft.families.set(step.family, (draft.families.get(step.family) ?? 0) + 1);
};

const encodeRows = (draft: Draft, into: BlockTables, rowsMin: number): void => {
  if (draft.spans.length >= rowsMin) into.spans.add(draft.spans.splice(0));
  if (draft.content.length >= rowsMin) into.content.add(draft.content.splice(0));
};

/** Rows that stand in `blocks` are made again by whoever must look at them: an open intent is verified row by row. */
const tableOf = (
  name: { readonly table: string; readonly identity: readonly string[] },
  rows: readonly Row[],
  blocks: RowBlocks | undefined,
  again: () => readonly TableRows[],
): TableRows =>
  blocks === undefined
    ? { ...name, rows }
    : {
        ...name,
        blocks,
        get rows() {
          return again().find(({ table }) => table === name.table)?.rows ?? [];
        },
      };

const SPANS = { table: 'spans', identity: ['log_offset', 'log_index'] };
const CONTENT = { table: 'span_content', identity: ['step_id', 'content_index'] };

const outputOf = (draft: Draft, into: BlockTables | null, again: () => readonly TableRows[]): BatchOutput => ({
  tables: [
    tableOf(SPANS, draft.spans, into?.spans, again),
    tableOf(CONTENT, draft.content, into?.content, again),
    deadLetterTable(draft.deadRows),
  ],
  produce: draft.produce,
  deadLetters: draft.deadLetters,
  counts: {
    items: draft.items,
    duplicates: draft.duplicates,
    filtered: draft.filtered,
    empty: draft.empty,
    hours: [...draft.hours].sort((a, b) => a - b),
  },
});
