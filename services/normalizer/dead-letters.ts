import { deadLetterHeaders } from '../../schemas/dead-letter.ts';
import type { OtlpRefusal } from '../../schemas/otlp/types.ts';
import { dlqOf } from '../../schemas/topics.ts';
import type { LogRecord, OutgoingRecord, Row } from '../runtime/ports.ts';
import type { RecordOrigin } from './record-origin.ts';
import { millisText } from './time.ts';

/**
 * The original bytes, once per record, with where they came from in the headers. Read at least once: readers tell
 * repeats by (log_id, topic, partition, offset).
 */
export const deadLetterOf = (
  record: LogRecord,
  refusals: readonly OtlpRefusal[],
  origin: RecordOrigin,
): OutgoingRecord => ({
  topic: dlqOf(origin.topic),
  key: record.key === null ? null : Buffer.from(record.key).toString('utf8'),
  value: record.value,
  headers: {
    ...record.headers,
    ...deadLetterHeaders({
      ...origin,
      reason: refusals[0]?.reason ?? 'empty_record',
      firstSeen: millisText(origin.loggedAtMs),
    }),
  },
});

/** Rows of `dead_letters`: one for each refused item. `topic` is where the bytes are kept. */
export const deadLetterRows = (
  record: LogRecord,
  refusals: readonly OtlpRefusal[],
  origin: RecordOrigin,
): readonly Row[] =>
  refusals.map((refusal) => ({
    tenant_id: origin.tenant,
    topic: dlqOf(origin.topic),
    log_id: origin.logId,
    log_topic: origin.topic,
    log_partition: origin.partition,
    log_offset: origin.offset,
    log_index: refusal.index,
    reason: refusal.reason,
    detail: refusal.detail,
    bytes: record.value.length,
    batch_id: origin.batchId,
    logged_at: millisText(origin.loggedAtMs),
  }));
