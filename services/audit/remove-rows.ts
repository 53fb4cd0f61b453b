import type { Store } from '../runtime/ports.ts';
import { BATCH_TABLES } from './checks.ts';

/** Removes rows named by part and place therein. After a merge a name means nothing, and nothing is removed. */
export const removeRows = async (
  store: Store,
  table: string,
  rows: readonly { readonly part: string; readonly at: string }[],
): Promise<void> => {
  for (const [part, own] of Map.groupBy(rows, (row) => row.part)) {
    const places = own.map(({ at }) => at).join(', ');
    await store.command(
      `ALTER TABLE ${table} DELETE WHERE _part = '${part}' AND _part_offset IN (${places}) SETTINGS mutations_sync = 2`,
    );
  }
};

/** When a row was stored, which its copies need not share. */
const MOMENTS: Readonly<Record<string, string>> = { spans: 'ingested_at', batches: 'written_at' };
/** A merge moves rows while they are looked for: then they are looked for again. */
const LOOKS_MAX = 5;

/**
 * Removes exact copies of rows of one batch from a table, keeping one of each; gives how many. A copy is named by its
 * part and its place therein, so that nothing else can go; after a merge that name means nothing and nothing is removed.
 */
export const removeCopies = async (store: Store, table: string, service: string, batchId: string): Promise<number> => {
  let removed = 0;
  const own = table === 'batches' || OWNED_BY_ROW.has(table) ? 'AND service = {service:String}' : '';
  const moment = MOMENTS[table];
  const columns = moment === undefined ? '*' : `* EXCEPT (${moment})`;
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const copies = await store.query<{ readonly part: string; readonly at: string }>(
      `SELECT part, toString(at) AS at FROM (
         SELECT _part AS part, _part_offset AS at, row_number() OVER (PARTITION BY same ORDER BY part, at) AS nth
         FROM (SELECT _part, _part_offset, cityHash64(toString(tuple(${columns}))) AS same FROM ${table}
               WHERE batch_id = {batch_id:String} ${own})
       ) WHERE nth > 1`,
      { batch_id: batchId, service },
    );
    if (copies.length === 0) return removed;
    await removeRows(store, table, copies);
    removed += copies.length;
  }
  return removed;
};
/** Tables that several services write: each row says whose it is. */
export const OWNED_BY_ROW: ReadonlySet<string> = new Set(
  BATCH_TABLES.filter(([, service]) => service === null).map(([table]) => table),
);
