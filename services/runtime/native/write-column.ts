import type { ByteSink } from './byte-sink.ts';
import type { ColumnType, ScalarType } from './column-type.ts';
import { DICTIONARY_VERSION, writeDictionary } from './dictionary.ts';
import { BLANKS, writeScalars } from './scalars.ts';
import { UnfitValueError } from './unfit-value.ts';

/**
 * Writes the values of one column as ClickHouse's Native format has them: first what its dictionaries need said, then the
 * values, outer parts (null maps, offsets) before inner ones. Throws UnfitValueError for a value the type cannot hold;
 * nothing is cut, wrapped or defaulted silently.
 */
export const writeColumn = (sink: ByteSink, type: ColumnType, values: readonly unknown[]): void => {
  writePrefix(sink, type);
  writeValues(sink, type, values);
};

const writePrefix = (sink: ByteSink, type: ColumnType): void => {
  if (type.kind === 'low_cardinality') sink.i64(DICTIONARY_VERSION);
  else if (type.kind === 'array' || type.kind === 'nullable') writePrefix(sink, type.inner);
  else if (type.kind === 'tuple') for (const inner of type.inner) writePrefix(sink, inner);
  else if (type.kind === 'map') {
    writePrefix(sink, type.key);
    writePrefix(sink, type.value);
  }
};

const writeValues = (sink: ByteSink, type: ColumnType, values: readonly unknown[]): void => {
  if (type.kind === 'nullable') writeNullable(sink, type.inner, values);
  else if (type.kind === 'low_cardinality') writeDictionary(sink, type.isNullable, values);
  else if (type.kind === 'array') writeValues(sink, type.inner, writeOffsets(sink, values.map(listOf)));
  else if (type.kind === 'tuple') writeTuple(sink, type, values.map(recordOf));
  else if (type.kind === 'map') writeMap(sink, type, values);
  else writeScalars(sink, type, values);
};

const writeNullable = (sink: ByteSink, inner: ScalarType, values: readonly unknown[]): void => {
  const nulls = new Uint8Array(values.length);
  const filled = new Array<unknown>(values.length);
  const blank = BLANKS[inner.kind];
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? null;
    if (value === null) nulls[at] = 1;
    filled[at] = value ?? blank;
  }
  sink.raw(nulls);
  writeScalars(sink, inner, filled);
};

const listOf = (value: unknown): readonly unknown[] => {
  if (!Array.isArray(value)) throw new UnfitValueError('Array', value);
  return value;
};

/** Writes where each list ends; gives all their items. */
const writeOffsets = (sink: ByteSink, lists: readonly (readonly unknown[])[]): readonly unknown[] => {
  const items: unknown[] = [];
  for (const list of lists) {
    for (const item of list) items.push(item);
    sink.i64(items.length);
  }
  return items;
};

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UnfitValueError('Tuple or Map', value);
  return value as Readonly<Record<string, unknown>>;
};

const writeTuple = (
  sink: ByteSink,
  type: Extract<ColumnType, { kind: 'tuple' }>,
  records: readonly Readonly<Record<string, unknown>>[],
): void => {
  for (const [at, inner] of type.inner.entries()) {
    const name = type.names[at] ?? '';
    writeValues(
      sink,
      inner,
      records.map((record) => record[name]),
    );
  }
};

const writeMap = (sink: ByteSink, type: Extract<ColumnType, { kind: 'map' }>, values: readonly unknown[]): void => {
  let count = 0;
  for (const value of values) {
    count += value instanceof Map ? value.size : Object.keys(recordOf(value)).length;
    sink.i64(count);
  }
  // Of the size they need: arrays that grow leave twice that behind.
  const keys = new Array<string>(count);
  const items = new Array<unknown>(count);
  let at = 0;
  const add = (item: unknown, key: string): void => {
    keys[at] = key;
    items[at] = item;
    at += 1;
  };
  for (const value of values) {
    if (value instanceof Map) value.forEach(add);
    else for (const [key, item] of Object.entries(recordOf(value))) add(item, key);
  }
  writeValues(sink, type.key, keys);
  writeValues(sink, type.value, items);
};
