/** Why a record, or a part of one, was refused. Closed: it is a metric label and a header of `<topic>.dlq`. */
export const DEAD_LETTER_REASONS = [
  'malformed_protobuf', // the bytes end early or break the wire format
  'malformed_json', // not JSON, or JSON that is not OTLP
  'malformed_avro', // unknown schema, or bytes that do not follow it
  'invalid_utf8',
  'too_deep', // nested beyond ANY_VALUE_DEPTH_MAX
  'too_large', // beyond a size limit of design 9
  'missing_ids', // a span without a trace id or span id of the right length
  'invalid_tenant',
  'empty_record',
  'internal_error', // a bug of ours met this record; it is kept for replay after the fix
  'unsupported_signal', // for instance metrics on a trace topic
] as const;
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** Version of the headers below. */
const DEAD_LETTER_VERSION = '1';

/**
 * Headers that say where a dead letter comes from (design 5): laid over the record's own. `firstSeen`: its append time,
 * UTC text. Readers tell repeats by (log_id, topic, partition, offset).
 */
export const deadLetterHeaders = (origin: {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly reason: DeadLetterReason;
  readonly firstSeen: string;
}): Readonly<Record<string, string>> => ({
  log_id: origin.logId,
  topic: origin.topic,
  partition: String(origin.partition),
  offset: String(origin.offset),
  reason: origin.reason,
  first_seen: origin.firstSeen,
  version: DEAD_LETTER_VERSION,
});
