import { type DeadLetterReason, deadLetterHeaders, replayOf } from '../../../schemas/dead-letter.ts';
import { DEFAULT_TENANT, isTenant, TENANT_HEADER } from '../../../schemas/tenant.ts';
import { dlqOf } from '../../../schemas/topics.ts';
import type { LogRecord, OutgoingRecord, Row } from '../ports.ts';
import { utcMillis } from './time.ts';
import type { TableRows } from './types.ts';

/** Dead letters of all services; its rows say whose they are. */
export const DEAD_LETTER_TABLE = 'dead_letters';

/** A batch, as far as its dead letters name it. */
interface Place {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly batchId: string;
}

/** What was refused of a record. `index`: which item of it, 0 when it is the record itself. */
export interface Refusal {
  readonly index: number;
  readonly reason: DeadLetterReason;
  /** One sentence for a person, without payload bytes. */
  readonly detail: string;
}

/**
 * The original bytes unchanged, the origin in headers (design 5), to the same key. Read at least once: readers tell
 * repeats by (log_id, topic, partition, offset).
 */
export const deadLetterOf = (
  batch: Omit<Place, 'batchId'>,
  record: LogRecord,
  reason: DeadLetterReason,
  service: string,
): OutgoingRecord => ({
  topic: dlqOf(batch.topic),
  key: record.key === null ? null : Buffer.from(record.key).toString('utf8'),
  value: record.value,
  headers: {
    ...record.headers,
    ...deadLetterHeaders({
      ...{ logId: batch.logId, topic: batch.topic, partition: batch.partition, offset: record.offset },
      ...{ reason, firstSeen: utcMillis(record.timestampMs), service },
    }),
  },
});

/** A row of `dead_letters`: one refused item. `topic` is where the bytes are kept. */
export const deadLetterRow = (
  batch: Place,
  record: LogRecord,
  refusal: Refusal,
  service: string,
  tenant: string = tenantOf(record),
): Row => ({
  tenant_id: tenant,
  topic: dlqOf(batch.topic),
  service,
  log_id: batch.logId,
  log_topic: batch.topic,
  log_partition: batch.partition,
  log_offset: record.offset,
  log_index: refusal.index,
  reason: refusal.reason,
  detail: refusal.detail,
  bytes: record.value.length,
  replay_of: replayOf(record.headers),
  batch_id: batch.batchId,
  logged_at: utcMillis(record.timestampMs),
});

/** Rows of `dead_letters` as a batch writes them. Without the service, one reader of a topic would take another's for its own. */
export const deadLetterTable = (rows: readonly Row[]): TableRows => ({
  table: DEAD_LETTER_TABLE,
  identity: ['service', 'log_offset', 'log_index'],
  rows,
});

/** Who a record says it is of: its header, else its key `tenant|…`; the default tenant when neither is one. */
const tenantOf = (record: LogRecord): string => {
  const said = record.headers[TENANT_HEADER];
  if (said !== undefined && isTenant(said)) return said;
  const key = record.key === null ? '' : Buffer.from(record.key).toString('utf8');
  const bar = key.indexOf('|');
  const named = bar < 0 ? '' : key.slice(0, bar);
  return isTenant(named) ? named : DEFAULT_TENANT;
};
