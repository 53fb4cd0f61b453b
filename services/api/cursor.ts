/** Where a page ended: the key of its last row. Opaque to callers, so that its form may change. */
export interface Cursor {
  /** Microseconds since 1970 of the last row, as a decimal string (beyond 2^53 in far years). */
  readonly ts_micros: string;
  readonly id: string;
}

/** base64url of `ts_micros|id`. */
export const encodeCursor = (cursor: Cursor): string =>
  Buffer.from(`${cursor.ts_micros}|${cursor.id}`, 'utf8').toString('base64url');

/** null when the text is not a cursor of ours. */
export const decodeCursor = (text: string): Cursor | null => {
  const plain = Buffer.from(text, 'base64url').toString('utf8');
  const found = /^(-?\d{1,19})\|([^|]{1,256})$/.exec(plain);
  const ts = found?.[1];
  const id = found?.[2];
  return ts === undefined || id === undefined ? null : { ts_micros: ts, id };
};
