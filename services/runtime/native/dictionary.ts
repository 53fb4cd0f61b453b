import type { ByteSink } from './byte-sink.ts';
import { textOf } from './scalars.ts';

/** Version of the dictionary's layout (SharedDictionariesWithAdditionalKeys): stands before everything else of a column. */
export const DICTIONARY_VERSION = 1;
/** The keys follow in the column itself, and make its whole dictionary. */
const DICTIONARY_FLAGS = 0x600;

/**
 * Writes the values of a LowCardinality column: its distinct texts, then for each row which. In a nullable one the first
 * place stands for null, and its key is never read.
 */
export const writeDictionary = (sink: ByteSink, isNullable: boolean, values: readonly unknown[]): void => {
  // A column without values has no dictionary either.
  if (values.length === 0) return;
  const { keys, indexes } = indexTexts(isNullable, values);
  const width = keys.length <= 0x100 ? 0 : keys.length <= 0x1_0000 ? 1 : 2;
  sink.i64(DICTIONARY_FLAGS + width);
  sink.i64(keys.length);
  sink.texts(keys);
  sink.i64(values.length);
  if (width === 0) sink.raw(Uint8Array.from(indexes));
  else if (width === 1) for (const index of indexes) sink.u16(index);
  else for (const index of indexes) sink.u32(index);
};

const indexTexts = (isNullable: boolean, values: readonly unknown[]) => {
  const places = new Map<string, number>();
  const keys: string[] = isNullable ? [''] : [];
  const indexes = new Uint32Array(values.length);
  // Neighbours are mostly equal, often the very same text.
  let last: unknown;
  let place = 0;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (isNullable && (value === null || value === undefined)) continue;
    if (value !== last || row === 0) {
      const text = textOf(value);
      place = places.get(text) ?? keys.push(text) - 1;
      places.set(text, place);
      last = value;
    }
    indexes[row] = place;
  }
  return { keys, indexes };
};
