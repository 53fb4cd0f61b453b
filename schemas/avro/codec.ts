import { readFileSync } from 'node:fs';
import avro from 'avsc';
import { type Outcome, ok, refused } from '../outcome.ts';
import { type AvroSchema, isAvroSound } from './guard.ts';

/** First byte of a Confluent frame with a 4-byte schema id (big-endian), and its length. */
export const MAGIC_ID = 0x00;
export const ID_FRAME_BYTES = 5;

/** Values are written here, one at a time, and copied out. */
let slab = Buffer.allocUnsafe(64 * 1024);

/** Encodes and decodes the records of one topic. Values come out unchecked: the caller knows what they may say. */
export interface AvroCodec {
  /** 0x00, schema id, Avro. */
  readonly encode: (value: object) => Uint8Array;
  /** A record framed with our own schema id and no other; refused as empty_record or malformed_avro. */
  readonly decode: (record: Uint8Array) => Outcome<unknown>;
  /** Avro without its frame; refused as malformed_avro when the bytes do not follow the schema. */
  readonly decodeBody: (body: Uint8Array) => Outcome<unknown>;
  /** The schema as JSON text, for a registry. */
  readonly schemaText: () => string;
}

/** A codec over `<name>.avsc` beside this file. The schema is parsed at first use: importing a module does no work. */
export const createAvroCodec = (name: string, schemaId: number): AvroCodec => {
  let cached: { readonly json: AvroSchema; readonly type: avro.Type } | undefined;
  const schema = () => {
    if (cached === undefined) {
      const json = JSON.parse(readFileSync(new URL(`./${name}.avsc`, import.meta.url), 'utf8'));
      cached = { json, type: avro.Type.forSchema(json, { omitRecordMethods: true }) };
    }
    return cached;
  };
  const decodeBody: AvroCodec['decodeBody'] = (body) => {
    const { json, type } = schema();
    // Before the library: it trusts the counts of arrays and maps, and six hostile bytes keep it busy for minutes.
    if (!isAvroSound(json, body)) return refused('malformed_avro', `the bytes do not follow ${name}.avsc`);
    try {
      return ok(type.fromBuffer(Buffer.from(body.buffer, body.byteOffset, body.byteLength)));
    } catch (error) {
      return refused(
        'malformed_avro',
        error instanceof Error ? error.message.slice(0, 200) : 'bytes beyond the schema',
      );
    }
  };
  return {
    encode: (value) => {
      const { type } = schema();
      let end = type.encode(value, slab, ID_FRAME_BYTES);
      if (end < 0) {
        // Negative: so many bytes were missing.
        slab = Buffer.allocUnsafe(2 * (slab.length - end));
        end = type.encode(value, slab, ID_FRAME_BYTES);
      }
      slab.writeUInt8(MAGIC_ID, 0);
      slab.writeUInt32BE(schemaId, 1);
      const framed = Buffer.allocUnsafe(end);
      slab.copy(framed, 0, 0, end);
      return framed;
    },
    decode: (record) => {
      if (record.length === 0) return refused('empty_record', 'a record without bytes');
      const buffer = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
      if (buffer.length <= ID_FRAME_BYTES || buffer.readUInt8(0) !== MAGIC_ID) {
        return refused('malformed_avro', 'no Confluent framing (0x00 and a schema id)');
      }
      const id = buffer.readUInt32BE(1);
      return id === schemaId
        ? decodeBody(buffer.subarray(ID_FRAME_BYTES))
        : refused('malformed_avro', `unknown schema id ${id}`);
    },
    decodeBody,
    schemaText: () => JSON.stringify(schema().json),
  };
};
