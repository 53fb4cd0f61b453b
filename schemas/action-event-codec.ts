import { type ActionEvent, checkActionEvent } from './action-event.ts';
import { createAvroCodec, ID_FRAME_BYTES, MAGIC_ID } from './avro/codec.ts';
import { type Outcome, refused } from './outcome.ts';

/** Schema id in the Confluent framing of what we write. Registries give ids of their own: readers take any. */
export const ACTION_EVENT_SCHEMA_ID = 1;
/** Kafka header that carries the schema id instead of a frame (Confluent, 2025). */
export const SCHEMA_ID_HEADER = '__value_schema_id';

const MAGIC_GUID = 0x01;
const GUID_FRAME_BYTES = 17;

const codec = createAvroCodec('action-event', ACTION_EVENT_SCHEMA_ID);

/** The schema of the value, as a registry takes it. */
export const actionEventSchema = (): string => codec.schemaText();

/** The event as a record of `action_events`: 0x00, schema id (big-endian), Avro. */
export const encodeActionEvent = (event: ActionEvent): Uint8Array => codec.encode(event);

/**
 * A record of `action_events`. The frame is 0x00 and an id, 0x01 and a GUID, or none when the header names the
 * schema. Refused as malformed_avro when the bytes do not follow our schema, whatever id they carry.
 */
export const decodeActionEvent = (
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Outcome<ActionEvent> => {
  if (bytes.length === 0) return refused('empty_record', 'a record without bytes');
  const frameBytes = frameOf(bytes, headers);
  if (frameBytes === null) return refused('malformed_avro', 'no Confluent framing (0x00 and an id, 0x01 and a GUID)');
  const decoded = codec.decodeBody(bytes.subarray(frameBytes));
  return decoded.kind === 'refused' ? decoded : checkActionEvent(decoded.value);
};

const frameOf = (bytes: Uint8Array, headers: Readonly<Record<string, string>>): number | null => {
  if (headers[SCHEMA_ID_HEADER] !== undefined) return 0;
  if (bytes[0] === MAGIC_ID) return ID_FRAME_BYTES;
  return bytes[0] === MAGIC_GUID ? GUID_FRAME_BYTES : null;
};
