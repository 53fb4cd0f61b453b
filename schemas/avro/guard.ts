/**
 * Walks Avro bytes along their schema before the library decodes them: avsc 5.7 trusts the counts of arrays and maps,
 * so that six hostile bytes keep it busy for minutes. Knows the types our schemas use.
 */

/** A schema as JSON. */
export type AvroSchema =
  | string
  | readonly AvroSchema[]
  | {
      readonly type: AvroSchema;
      readonly name?: string;
      readonly fields?: readonly { readonly name: string; readonly type: AvroSchema }[];
      readonly items?: AvroSchema;
      readonly values?: AvroSchema;
    };

/** Nested values at most this deep; our schemas nest four levels. */
const DEPTH_MAX = 32;

interface Cursor {
  readonly bytes: Uint8Array;
  pos: number;
}

/**
 * True when the bytes are exactly one value of the schema: every length and count is covered by bytes that are there.
 * The work is proportional to the bytes.
 */
export const isAvroSound = (schema: AvroSchema, bytes: Uint8Array): boolean => {
  const cursor: Cursor = { bytes, pos: 0 };
  return walk(schema, cursor, 0) && cursor.pos === bytes.length;
};

const walk = (schema: AvroSchema, cursor: Cursor, depth: number): boolean => {
  if (depth > DEPTH_MAX) return false;
  if (typeof schema === 'string') return walkPrimitive(schema, cursor);
  if (isUnion(schema)) {
    const branch = schema[readLong(cursor) ?? -1];
    return branch !== undefined && walk(branch, cursor, depth + 1);
  }
  switch (schema.type) {
    case 'record':
      return (schema.fields ?? []).every((field) => walk(field.type, cursor, depth + 1));
    case 'array':
      return walkBlocks(cursor, () => walk(schema.items ?? 'null', cursor, depth + 1));
    case 'map':
      return walkBlocks(
        cursor,
        () => walkPrimitive('string', cursor) && walk(schema.values ?? 'null', cursor, depth + 1),
      );
    default:
      return walk(schema.type, cursor, depth + 1);
  }
};

const isUnion = (schema: AvroSchema): schema is readonly AvroSchema[] => Array.isArray(schema);

const walkPrimitive = (type: string, cursor: Cursor): boolean => {
  switch (type) {
    case 'null':
      return true;
    case 'boolean':
      return advance(cursor, 1);
    case 'int':
    case 'long':
      return readLong(cursor) !== null;
    case 'float':
      return advance(cursor, 4);
    case 'double':
      return advance(cursor, 8);
    case 'string':
    case 'bytes':
      return advance(cursor, readLong(cursor) ?? -1);
    default:
      return false;
  }
};

/** Blocks of an array or map: a count and its elements until a count of 0; a negative count tells its size as well. */
const walkBlocks = (cursor: Cursor, element: () => boolean): boolean => {
  for (;;) {
    const count = readLong(cursor);
    if (count === null) return false;
    if (count === 0) return true;
    if (count < 0 && readLong(cursor) === null) return false;
    for (let i = Math.abs(count); i > 0; i--) {
      const before = cursor.pos;
      // An element without bytes would make the count unbounded.
      if (!element() || cursor.pos === before) return false;
    }
  }
};

const advance = (cursor: Cursor, bytes: number): boolean => {
  if (bytes < 0 || cursor.pos + bytes > cursor.bytes.length) return false;
  cursor.pos += bytes;
  return true;
};

/** A zigzag varint, null when it is cut off or beyond what a number holds exactly. */
const readLong = (cursor: Cursor): number | null => {
  let value = 0;
  for (let shift = 0; shift < 63; shift += 7) {
    const byte = cursor.bytes[cursor.pos];
    if (byte === undefined) return null;
    cursor.pos += 1;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) {
      const number = value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      return Number.isSafeInteger(value) ? number : null;
    }
  }
  return null;
};
