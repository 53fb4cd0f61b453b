import { ByteSink } from './byte-sink.ts';
import type { ColumnType } from './column-type.ts';
import { UnfitValueError } from './unfit-value.ts';
import { writeColumn } from './write-column.ts';

/** A column of a table. `typeText` is how the server words the type. */
export interface Column {
  readonly name: string;
  readonly typeText: string;
  readonly type: ColumnType;
}

/**
 * One block of ClickHouse's Native format (revision 0: no block info): columns, rows, then each column by name, type and
 * values. The same rows always give the same bytes.
 * Source: https://clickhouse.com/docs/interfaces/formats/Native, and reading our writes back from the engine.
 * Throws UnfitValueError, with the column's name, when a value does not fit.
 */
export const encodeBlock = (columns: readonly Column[], rows: readonly Readonly<Record<string, unknown>>[]): Buffer => {
  const sink = new ByteSink();
  writeBlock(sink, columns, rows);
  return sink.view();
};

/** As `encodeBlock`, into a sink. */
export const writeBlock = (
  sink: ByteSink,
  columns: readonly Column[],
  rows: readonly Readonly<Record<string, unknown>>[],
): void => {
  sink.varint(columns.length);
  sink.varint(rows.length);
  // One list for all columns: nobody keeps it.
  const values = new Array<unknown>(rows.length);
  for (const { name, typeText, type } of columns) {
    sink.text(name);
    sink.text(typeText);
    for (let at = 0; at < rows.length; at += 1) values[at] = rows[at]?.[name];
    try {
      writeColumn(sink, type, values);
    } catch (cause) {
      if (!(cause instanceof UnfitValueError)) throw cause;
      cause.message = `column ${name}: ${cause.message}`;
      throw cause;
    }
  }
};
