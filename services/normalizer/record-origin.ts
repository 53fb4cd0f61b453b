import type { ActionEvent } from '../../schemas/action-event.ts';
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
import { PART_HEADER } from '../../schemas/topics.ts';
import type { LogRecord } from '../runtime/ports.ts';
import type { RecordBatch } from '../runtime/stream/types.ts';
import type { NormalizerSource } from './settings.ts';

/** Where the record stands that a row comes from, and who sent it. */
export interface RecordOrigin {
  readonly tenant: string;
  readonly vantage: Vantage;
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly loggedAtMs: number;
  readonly batchId: string;
  /** Which part of a split request the record is, from 0: tells equal log records of two parts apart. */
  readonly part: number;
  /** Added to every time (demo imports); never part of an identity. */
  readonly shiftNano: bigint;
}

/** A fixed tenant, else the header's, else the topic's name; refused when it could not be part of a key. */
export const tenantOf = (record: LogRecord, source: NormalizerSource): Outcome<string> => {
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
export const actionOrigin = (
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

/** Where a record stands and who sent it, once its tenant is known. */
export const originOf = (
  record: LogRecord,
  batch: RecordBatch,
  source: NormalizerSource,
  tenant: string,
): RecordOrigin => ({
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
