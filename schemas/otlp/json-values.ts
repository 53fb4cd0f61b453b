import { AttributeList } from './attribute-list.ts';
import { fieldOf, type JsonObject, type JsonReader } from './json-reader.ts';
import { ANY_VALUE_DEPTH_MAX } from './limits.ts';
import { NO_ATTRIBUTES } from './read-values.ts';
import type { AnyMap, AnyValue, OtlpResource, OtlpScope } from './types.ts';

/** An AnyValue in JSON: an object with one member, its oneof. */
export const readJsonValue = (reader: JsonReader, value: unknown, depth: number): AnyValue => {
  if (value === undefined || value === null || reader.fault !== null) return undefined;
  if (depth > ANY_VALUE_DEPTH_MAX) {
    reader.fail('too_deep', `a value nested beyond ${ANY_VALUE_DEPTH_MAX} levels`);
    return undefined;
  }
  reader.node();
  const object = reader.object(value, 'an attribute value');
  const nested = readJsonNested(reader, object, depth);
  return nested === undefined ? readJsonScalar(reader, object) : nested;
};

const readJsonScalar = (reader: JsonReader, object: JsonObject): AnyValue => {
  const string = fieldOf(object, 'stringValue', 'string_value');
  if (isTold(string)) return reader.text(string, 'stringValue');
  const int = fieldOf(object, 'intValue', 'int_value');
  if (isTold(int)) return reader.int64(int, 'intValue');
  const double = fieldOf(object, 'doubleValue', 'double_value');
  if (isTold(double)) return reader.double(double, 'doubleValue');
  const bool = fieldOf(object, 'boolValue', 'bool_value');
  if (isTold(bool)) return reader.bool(bool, 'boolValue');
  const blob = fieldOf(object, 'bytesValue', 'bytes_value');
  return isTold(blob) ? reader.base64(blob, 'bytesValue') : undefined;
};

const readJsonNested = (reader: JsonReader, object: JsonObject, depth: number): AnyValue => {
  const array = fieldOf(object, 'arrayValue', 'array_value');
  if (isTold(array)) {
    const values = reader.array(reader.object(array, 'arrayValue')['values'], 'arrayValue.values');
    return values.map((value) => readJsonValue(reader, value, depth + 1));
  }
  const list = fieldOf(object, 'kvlistValue', 'kvlist_value');
  return isTold(list) ? readJsonMap(reader, reader.object(list, 'kvlistValue')['values'], depth + 1) : undefined;
};

const isTold = (value: unknown): boolean => value !== undefined && value !== null;

/** A list of KeyValue objects. `depth` is that of its values: 1 for attributes. */
export const readJsonMap = (reader: JsonReader, value: unknown, depth = 1): AnyMap => {
  const list = reader.array(value, 'attributes');
  if (list.length === 0) return NO_ATTRIBUTES;
  const map = new Map<string, AnyValue>();
  for (const entry of list) {
    if (reader.fault !== null) break;
    reader.node();
    const pair = reader.object(entry, 'an attribute');
    map.set(reader.text(pair['key'], 'an attribute key'), readJsonValue(reader, pair['value'], depth));
  }
  return map;
};

/** A Resource object. */
export const readJsonResource = (reader: JsonReader, value: unknown): OtlpResource => ({
  attributes: AttributeList.from(readJsonMap(reader, reader.object(value, 'resource')['attributes'])),
});

/** An InstrumentationScope object. */
export const readJsonScope = (reader: JsonReader, value: unknown): OtlpScope => {
  const scope = reader.object(value, 'scope');
  return {
    name: reader.text(scope['name'], 'scope.name'),
    version: reader.text(scope['version'], 'scope.version'),
    attributes: AttributeList.from(readJsonMap(reader, scope['attributes'])),
  };
};
