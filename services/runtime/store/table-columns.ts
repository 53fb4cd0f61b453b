import { TransportError } from '../errors.ts';
import { type Column, encodeBlock, writeBlock } from '../native/block.ts';
import { ByteSink } from '../native/byte-sink.ts';
import { parseColumnType } from '../native/column-type.ts';
import { UnfitValueError } from '../native/unfit-value.ts';
import type { Row, RowBlocks } from '../ports.ts';

/** Rows on their way into a table. */
export interface EncodedRows {
  /** Names of the columns the rows have, as an INSERT lists them. */
  readonly columns: string;
  /** Blocks, one after the other. */
  readonly blocks: readonly Buffer[];
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
  /** An insert that grows block by block; its columns are those of the first row. Throws TransportError. */
  readonly begin: (table: string, signal?: AbortSignal) => Promise<GrowingRows>;
}

/** Rows that are encoded as they come. */
export interface GrowingRows extends RowBlocks {
  readonly encoded: () => EncodedRows;
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
    begin: async (table, signal) => {
      const remembered = known.get(table);
      if (remembered === undefined) return grow(await look(table, signal), unfit(table));
      return grow(remembered, (reason) => {
        // A migration may have been: whoever comes again finds the table as it is now.
        known.delete(table);
        return new TransportError('STORE_UNAVAILABLE', `table ${table}: ${reason}; it is looked at again`, {
          retryable: true,
        });
      });
    },
    encode: async (table, rows, signal) => {
      const remembered = known.get(table);
      if (remembered !== undefined) {
        const outcome = tryEncode(remembered, rows);
        if (typeof outcome !== 'string') return outcome;
      }
      const outcome = tryEncode(await look(table, signal), rows);
      if (typeof outcome !== 'string') return outcome;
      throw unfit(table)(outcome);
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
const columnsNamed = (columns: ReadonlyMap<string, Column>, names: Iterable<string>): readonly Column[] | string => {
  const wanted: Column[] = [];
  for (const name of names) {
    const column = columns.get(name);
    if (column === undefined) return `no column ${name} that rows can be written to`;
    wanted.push(column);
  }
  return wanted;
};

const listOf = (columns: readonly Column[]): string => columns.map(({ name }) => `\`${name}\``).join(', ');

const unfit =
  (table: string) =>
  (reason: string): TransportError =>
    new TransportError('STORE_REJECTED', `table ${table}: ${reason}`, { retryable: false });

const grow = (columns: ReadonlyMap<string, Column>, refuse: (reason: string) => TransportError): GrowingRows => {
  const blocks: Buffer[] = [];
  let wanted: readonly Column[] = [];
  let count = 0;
  return {
    count: () => count,
    add: (rows) => {
      const [first] = rows;
      if (first === undefined) return;
      if (count === 0) {
        const named = columnsNamed(columns, Object.keys(first));
        if (typeof named === 'string') throw refuse(named);
        wanted = named;
      }
      scratch.reset();
      try {
        writeBlock(scratch, wanted, rows);
      } catch (cause) {
        throw cause instanceof UnfitValueError ? refuse(cause.message) : cause;
      }
      blocks.push(scratch.take());
      count += rows.length;
    },
    encoded: () => ({ columns: listOf(wanted), blocks }),
  };
};

/** Blocks are written one at a time, and copied out. */
const scratch = new ByteSink();

/** What is wrong, as a text. */
const tryEncode = (columns: ReadonlyMap<string, Column>, rows: readonly Row[]): EncodedRows | string => {
  const used = new Set<string>();
  for (const row of rows) {
    for (const name in row) if (row[name] !== undefined) used.add(name);
  }
  const wanted = columnsNamed(columns, used);
  if (typeof wanted === 'string') return wanted;
  try {
    return { columns: listOf(wanted), blocks: [encodeBlock(wanted, rows)] };
  } catch (cause) {
    if (cause instanceof UnfitValueError) return cause.message;
    throw cause;
  }
};
