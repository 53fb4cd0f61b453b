import { TransportError } from '../errors.ts';
import { type Column, encodeBlock } from '../native/block.ts';
import { parseColumnType } from '../native/column-type.ts';
import { UnfitValueError } from '../native/unfit-value.ts';
import type { Row } from '../ports.ts';

/** Rows on their way into a table. */
export interface EncodedRows {
  /** Names of the columns the rows have, as an INSERT lists them. */
  readonly columns: string;
  readonly bytes: Buffer;
}

/** How the server words the columns of a table. */
export type ReadColumns = (
  table: string,
  signal: AbortSignal | undefined,
) => Promise<readonly { readonly name: string; readonly type: string }[]>;

/** Turns rows into blocks of Native, after the tables as they are on the server. */
export interface RowEncoder {
  /**
   * Columns no row has are left to their defaults. Throws TransportError STORE_REJECTED when a row has a column the table
   * lacks, or a value its column cannot hold: that repeats for ever.
   */
  readonly encode: (table: string, rows: readonly Row[], signal?: AbortSignal) => Promise<EncodedRows>;
}

/** An encoder that remembers tables, and looks at one again when rows do not fit: a migration may have been. */
export const createRowEncoder = (readColumns: ReadColumns): RowEncoder => {
  const known = new Map<string, ReadonlyMap<string, Column>>();
  const look = async (table: string, signal: AbortSignal | undefined): Promise<ReadonlyMap<string, Column>> => {
    const columns = parseColumns(table, await readColumns(table, signal));
    known.set(table, columns);
    return columns;
  };
  return {
    encode: async (table, rows, signal) => {
      const remembered = known.get(table);
      if (remembered !== undefined) {
        const outcome = tryEncode(remembered, rows);
        if (typeof outcome !== 'string') return outcome;
      }
      const outcome = tryEncode(await look(table, signal), rows);
      if (typeof outcome !== 'string') return outcome;
      throw new TransportError('STORE_REJECTED', `table ${table}: ${outcome}`, { retryable: false });
    },
  };
};

const parseColumns = (
  table: string,
  described: readonly { readonly name: string; readonly type: string }[],
): ReadonlyMap<string, Column> => {
  const columns = new Map<string, Column>();
  for (const { name, type: typeText } of described) {
    const type = parseColumnType(typeText);
    // A column of somebody else's making: rows of ours do not have it, and if they do, it is said below.
    if (type !== null) columns.set(name, { name, typeText, type });
  }
  if (columns.size > 0) return columns;
  throw new TransportError('STORE_REJECTED', `there is no table ${table}`, { retryable: false });
};

/** What is wrong, as a text. */
const tryEncode = (columns: ReadonlyMap<string, Column>, rows: readonly Row[]): EncodedRows | string => {
  const used = new Set<string>();
  for (const row of rows) {
    for (const name in row) if (row[name] !== undefined) used.add(name);
  }
  const wanted: Column[] = [];
  for (const name of used) {
    const column = columns.get(name);
    if (column === undefined) return `no column ${name} that rows can be written to`;
    wanted.push(column);
  }
  try {
    return { columns: wanted.map(({ name }) => `\`${name}\``).join(', '), bytes: encodeBlock(wanted, rows) };
  } catch (cause) {
    if (cause instanceof UnfitValueError) return cause.message;
    throw cause;
  }
};
