import type { ActionEvent } from '../../schemas/action-event.ts';
import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { replayOf } from '../../schemas/dead-letter.ts';
import type { OtlpRefusal } from '../../schemas/otlp/types.ts';
import { type Outcome, ok, refused } from '../../schemas/outcome.ts';
import { VANTAGES, type Vantage } from '../../schemas/step-kinds.ts';
import {
  DEFAULT_TENANT,
  isTenant,
  isTimeShift,
  TENANT_HEADER,
  TIME_SHIFT_HEADER,
  VANTAGE_HEADER,
} from '../../schemas/tenant.ts';
import { PART_HEADER, TOPICS } from '../../schemas/topics.ts';
import type { LogRecord, OutgoingRecord, Row } from '../runtime/ports.ts';
import { deadLetterTable } from '../runtime/stream/dead-letters.ts';
import type { BatchOutput, RecordBatch } from '../runtime/stream/types.ts';
import { deadLetterOfRecord, deadLetterRows } from './dead-letters.ts';
import type { NormalizedStep } from './normalized-step.ts';
import type { NormalizeOptions } from './otlp-step.ts';
import { type RecordItem, type RecordItems, readActionRecord, readLogRecords, readSpanRecord } from './read-record.ts';
import type { RecordOrigin } from './record-origin.ts';
import type { SeenStep } from './seen-set.ts';
import type { NormalizerSource } from './settings.ts';
import { hourOf } from './time.ts';

/** What a batch makes, and which steps of it are now stored. */
export interface NormalizedBatch {
  readonly output: BatchOutput;
  readonly stored: readonly SeenStep[];
  /** How many items each family took, for the metric. */
  readonly families: ReadonlyMap<string, number>;
}

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
    items: 0,
    duplicates: 0,
    filtered: 0,
    empty: 0,
  };
  for (const record of batch.records) normalizeRecord(record, batch, source, { isSeen, keeps }, options, draft);
  return { output: outputOf(draft), stored: draft.stored, families: draft.families };
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
  draft.hours.add(hourOf(startNano));
  draft.families.set(step.family, (draft.families.get(step.family) ?? 0) + 1);
};

const outputOf = (draft: Draft): BatchOutput => ({
  tables: [
    { table: 'spans', identity: ['log_offset', 'log_index'], rows: draft.spans },
    { table: 'span_content', identity: ['step_id', 'content_index'], rows: draft.content },
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

/** A fixed tenant, else the header's, else the topic's name; refused when it could not be part of a key. */
const tenantOf = (record: LogRecord, source: NormalizerSource): Outcome<string> => {
  const named = source.tenant_from === 'topic' ? source.topic : (record.headers[TENANT_HEADER] ?? DEFAULT_TENANT);
  const tenant = source.tenant === '' ? named : source.tenant;
  return isTenant(tenant) ? ok(tenant) : refused('invalid_tenant', 'letters, digits and .@_- only, 64 at most');
};

const isVantage = (text: string): text is Vantage => (VANTAGES as readonly string[]).includes(text);

const vantageOf = (record: LogRecord, source: NormalizerSource): Vantage => {
  const said = source.vantage_from === 'header' ? record.headers[VANTAGE_HEADER] : undefined;
  return said !== undefined && isVantage(said) ? said : source.vantage;
};

/**
 * An action event names its tenant and vantage itself. They are believed where our API is the only writer, which has
 * bound them to the caller's token; elsewhere the source says who may write there.
 */
const actionOrigin = (
  event: ActionEvent,
  record: LogRecord,
  source: NormalizerSource,
  origin: RecordOrigin,
): RecordOrigin => ({
  ...origin,
  tenant:
    source.tenant === '' && source.tenant_from === 'header' && record.headers[TENANT_HEADER] === undefined
      ? event.tenant_id
      : origin.tenant,
  vantage: source.vantage_from === 'header' ? event.vantage : origin.vantage,
});

const NANOS_PER_MILLI = 1_000_000n;

const shiftOf = (record: LogRecord): bigint => {
  const said = record.headers[TIME_SHIFT_HEADER] ?? '';
  return isTimeShift(said) ? BigInt(said) * NANOS_PER_MILLI : 0n;
};

const partOf = (record: LogRecord): number => {
  const said = record.headers[PART_HEADER] ?? '';
  return /^\d{1,6}$/.test(said) ? Number(said) : 0;
};

const originOf = (record: LogRecord, batch: RecordBatch, source: NormalizerSource, tenant: string): RecordOrigin => ({
  tenant,
  vantage: vantageOf(record, source),
  logId: batch.logId,
  topic: batch.topic,
  partition: batch.partition,
  offset: record.offset,
  loggedAtMs: record.timestampMs,
  batchId: batch.batchId,
  part: partOf(record),
  shiftNano: shiftOf(record),
});
