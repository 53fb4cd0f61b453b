import { AttributeList } from './attribute-list.ts';
import type { Ranges } from './frames.ts';
import type { KeyShape } from './key-shape.ts';
import { ANY_VALUE_DEPTH_MAX } from './limits.ts';
import type { AnyMap, AnyValue, OtlpResource, OtlpScope } from './types.ts';
import type { WireReader } from './wire-reader.ts';

/** The attribute list of whatever has none: shared, so that empty events cost nothing. */
export const NO_ATTRIBUTES: AnyMap = new Map();

const bytesTag = (field: number): number => (field << 3) | 2;

// opentelemetry.proto.common.v1.AnyValue
const STRING = bytesTag(1);
const BOOL = 2 << 3;
const INT = 3 << 3;
const DOUBLE = (4 << 3) | 1;
const ARRAY = bytesTag(5);
const KVLIST = bytesTag(6);
const BLOB = bytesTag(7);
const VALUE_TAGS: ReadonlySet<number> = new Set([BOOL, INT, DOUBLE, ARRAY, KVLIST, BLOB]);
/** KeyValue.key, ArrayValue.values, KeyValueList.values. */
const FIRST = bytesTag(1);
/** KeyValue.value. */
const SECOND = bytesTag(2);

/** Content of an AnyValue message; the last member of the oneof wins. `depth` 1 = an attribute's own value. */
export const readAnyValue = (reader: WireReader, depth: number): AnyValue => {
  if (depth > ANY_VALUE_DEPTH_MAX) reader.fail('too_deep', `a value nested beyond ${ANY_VALUE_DEPTH_MAX} levels`);
  reader.node();
  let value: AnyValue;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === STRING) value = reader.string();
    else if (VALUE_TAGS.has(tag)) value = readOther(reader, tag, depth);
    else reader.skip(tag);
  }
  return value;
};

const readOther = (reader: WireReader, tag: number, depth: number): AnyValue => {
  switch (tag) {
    case INT:
      return reader.int64();
    case BOOL:
      return reader.bool();
    case DOUBLE:
      return reader.double();
    case BLOB:
      return reader.blob();
    default:
      return readNested(reader, tag, depth);
  }
};

const readNested = (reader: WireReader, tag: number, depth: number): AnyValue => {
  const outer = reader.enter();
  const value = tag === ARRAY ? readArray(reader, depth + 1) : readKeyValueList(reader, depth + 1);
  reader.leave(outer);
  return value;
};

const readArray = (reader: WireReader, depth: number): AnyValue[] => {
  const values: AnyValue[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    if (tag !== FIRST) {
      reader.skip(tag);
      continue;
    }
    const outer = reader.enter();
    values.push(readAnyValue(reader, depth));
    reader.leave(outer);
  }
  return values;
};

const readKeyValueList = (reader: WireReader, depth: number): AnyMap => {
  const map = new Map<string, AnyValue>();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === FIRST) readKeyValue(reader, map, depth);
    else reader.skip(tag);
  }
  return map;
};

/** A KeyValue field (standing before its length) into the map. */
export const readKeyValue = (reader: WireReader, into: Map<string, AnyValue>, depth = 1): void => {
  const outer = reader.enter();
  reader.node();
  let key = '';
  let value: AnyValue;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === FIRST) key = reader.string();
    else if (tag === SECOND) {
      const inner = reader.enter();
      value = readAnyValue(reader, depth);
      reader.leave(inner);
    } else reader.skip(tag);
  }
  reader.leave(outer);
  into.set(key, value);
};

/** A KeyValue field (standing before its length) of an item's attributes: the same keys make no new texts. */
export const readAttribute = (reader: WireReader, into: AttributeList): void => {
  const outer = reader.enter();
  reader.node();
  const { shape } = into;
  let known: KeyShape | null = null;
  let key = '';
  let value: AnyValue;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === FIRST) {
      known = shape === null ? null : reader.nearKey(shape);
      if (known === null) key = reader.freshString();
    } else if (tag === SECOND) {
      const inner = reader.enter();
      value = readAnyValue(reader, 1);
      reader.leave(inner);
    } else reader.skip(tag);
  }
  reader.leave(outer);
  if (known === null) into.set(key, value);
  else into.push(known, value);
};

/** Resource.attributes, from the ranges of all its occurrences. */
export const readResource = (reader: WireReader, ranges: Ranges): OtlpResource => {
  const attributes = new AttributeList();
  eachField(reader, ranges, (tag) => {
    if (tag === bytesTag(1)) readAttribute(reader, attributes);
    else reader.skip(tag);
  });
  return { attributes };
};

/** InstrumentationScope: name 1, version 2, attributes 3. */
export const readScope = (reader: WireReader, ranges: Ranges): OtlpScope => {
  let name = '';
  let version = '';
  const attributes = new AttributeList();
  eachField(reader, ranges, (tag) => {
    if (tag === bytesTag(1)) name = reader.string();
    else if (tag === bytesTag(2)) version = reader.string();
    else if (tag === bytesTag(3)) readAttribute(reader, attributes);
    else reader.skip(tag);
  });
  return { name, version, attributes };
};

/** Every field of a message that may be spread over several ranges; stops at the first fault and leaves it set. */
const eachField = (reader: WireReader, ranges: Ranges, read: (tag: number) => void): void => {
  for (let i = 0; i + 1 < ranges.length && reader.fault === null; i += 2) {
    reader.reset(ranges[i] ?? 0, ranges[i + 1] ?? 0);
    while (reader.more()) read(reader.tag());
  }
};
