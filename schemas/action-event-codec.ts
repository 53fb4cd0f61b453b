import { readFileSync } from 'node:fs';
import avro from 'avsc';
import { type ActionEvent, checkActionEvent } from './action-event.ts';
import { type AvroSchema, isAvroSound } from './avro/guard.ts';
import { type Outcome, refused } from './outcome.ts';

/** Schema id in the Confluent framing of what we write. Registries give ids of their own: readers take any. */
export const ACTION_EVENT_SCHEMA_ID = 1;
/** Kafka header that carries the schema id instead of a frame (Confluent, 2025). */
export const SCHEMA_ID_HEADER = '__value_schema_id';

const MAGIC_ID = 0x00;
const MAGIC_GUID = 0x01;
const ID_FRAME_BYTES = 5;
const GUID_FRAME_BYTES = 17;

interface Schema {
  readonly json: AvroSchema;
  readonly type: avro.Type;
}

let cached: Schema | undefined;
/** Parsed at first use: importing a module does no work. */
const schema = (): Schema => {
  if (cached === undefined) {
    const json = JSON.parse(readFileSync(new URL('./avro/action-event.avsc', import.meta.url), 'utf8'));
    cached = { json, type: avro.Type.forSchema(json, { omitRecordMethods: true }) };
  }
  return cached;
};

/** The event as a record of `action_events`: 0x00, schema id (big-endian), Avro. */
export const encodeActionEvent = (event: ActionEvent): Uint8Array => {
  const body = schema().type.toBuffer(event);
  const framed = new Uint8Array(ID_FRAME_BYTES + body.length);
  new DataView(framed.buffer).setUint32(1, ACTION_EVENT_SCHEMA_ID);
  framed.set(body, ID_FRAME_BYTES);
  return framed;
};

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
  const body = bytes.subarray(frameBytes);
  if (!isAvroSound(schema().json, body)) return refused('malformed_avro', 'the bytes do not follow action-event.avsc');
  try {
    return checkActionEvent(schema().type.fromBuffer(Buffer.from(body.buffer, body.byteOffset, body.byteLength)));
  } catch (error) {
    return refused('malformed_avro', error instanceof Error ? error.message.slice(0, 200) : 'bytes beyond the schema');
  }
};

const frameOf = (bytes: Uint8Array, headers: Readonly<Record<string, string>>): number | null => {
  if (headers[SCHEMA_ID_HEADER] !== undefined) return 0;
  if (bytes[0] === MAGIC_ID) return ID_FRAME_BYTES;
  return bytes[0] === MAGIC_GUID ? GUID_FRAME_BYTES : null;
};
