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

/** A place in the log, over all its lives. */
export interface RecordOrigin {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * Header of a replayed record: where it stood when it was refused first, `log_id/topic/partition/offset`. A record that is
 * refused again keeps it, so its dead letter still names the first origin.
 */
export const REPLAY_HEADER = 'x-tacho-replay-of';

/** `log_id/topic/partition/offset`. */
export const originText = ({ logId, topic, partition, offset }: RecordOrigin): string =>
  `${logId}/${topic}/${partition}/${offset}`;

const ORIGIN = /^([A-Za-z0-9_-]{1,64})\/([A-Za-z0-9._-]{1,249})\/(\d{1,9})\/(\d{1,15})$/;

/** Reads `log_id/topic/partition/offset`; null when it is none. */
export const parseOrigin = (text: string): RecordOrigin | null => {
  const found = ORIGIN.exec(text);
  if (found === null) return null;
  const [, logId = '', topic = '', partition, offset] = found;
  return { logId, topic, partition: Number(partition), offset: Number(offset) };
};

/** The first origin a replayed record names; null for any other record, also for one that names nonsense. */
export const replayOf = (headers: Readonly<Record<string, string>>): string | null => {
  const said = headers[REPLAY_HEADER];
  return said !== undefined && parseOrigin(said) !== null ? said : null;
};

/** Where a dead letter comes from, as its headers say; null when they do not. */
export const originOfHeaders = (headers: Readonly<Record<string, string>>): RecordOrigin | null => {
  const { log_id, topic, partition, offset } = headers;
  return parseOrigin(`${log_id}/${topic}/${partition}/${offset}`);
};

/**
 * Headers that say where a dead letter comes from (design 5): laid over the record's own. `firstSeen`: its append time,
 * UTC text. Readers tell repeats by (log_id, topic, partition, offset).
 */
export const deadLetterHeaders = (
  origin: RecordOrigin & { readonly reason: DeadLetterReason; readonly firstSeen: string; readonly service: string },
): Readonly<Record<string, string>> => ({
  log_id: origin.logId,
  topic: origin.topic,
  partition: String(origin.partition),
  offset: String(origin.offset),
  reason: origin.reason,
  first_seen: origin.firstSeen,
  version: DEAD_LETTER_VERSION,
  service: origin.service,
});

const LAID_OVER: ReadonlySet<string> = new Set(
  Object.keys(
    deadLetterHeaders({
      ...{ logId: '', topic: '', partition: 0, offset: 0 },
      ...{ reason: 'empty_record', firstSeen: '', service: '' },
    }),
  ),
);

/**
 * Headers of a dead letter as it goes back to its topic: its own, without those laid over them, and the first origin. (A
 * header of the sender with a name laid over is lost; none that we read has one.)
 */
export const replayHeaders = (
  headers: Readonly<Record<string, string>>,
  origin: RecordOrigin,
): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(Object.entries(headers).filter(([name]) => !LAID_OVER.has(name))),
  [REPLAY_HEADER]: replayOf(headers) ?? originText(origin),
});
