import { removeRows } from '../audit/remove-rows.ts';
import type { BatchPlace } from '../audit/repair.ts';
import type { EventLog, LogRecord, Store } from '../runtime/ports.ts';
import { batchIdOf } from '../runtime/stream/intent.ts';
import { type LandDeps, landBatch } from '../runtime/stream/land.ts';
import type { RecordBatch, StreamTask, TableRows } from '../runtime/stream/types.ts';
import { readRange, whyGone } from './read-range.ts';
import type { World } from './world.ts';

type Replayer = Pick<World, 'clock' | 'random' | 'logger' | 'metrics' | 'stop'>;

/**
 * Makes confirmed batches again from the log: the rows that are missing go in, rows of the batch that it never made go
 * out, and the manifest row comes back. Nothing is appended to the log: a batch that was read past had appended it before.
 * Gives null, or why a batch cannot be made again.
 */
export const createReplay =
  (world: Replayer, log: EventLog, store: Store, tasks: readonly StreamTask[]) =>
  async (place: BatchPlace): Promise<string | null> => {
    const task = tasks.find(({ service, topics }) => service === place.service && topics.includes(place.topic));
    if (task === undefined) return `${place.service} does not read ${place.topic} any more`;
    const gone = await whyGone(log, place);
    if (gone !== null) return gone;
    const records: LogRecord[] = [];
    await readRange(world, log, place, (read) => void records.push(...read));
    const signal = AbortSignal.any([world.stop]);
    const { logId, topic, partition, first, end } = place;
    const batchId = batchIdOf(logId, topic, partition, first, end);
    const batch: RecordBatch = { logId, topic, partition, first, end, records, batchId, variant: '' };
    // Whatever the processor does beside its batches ends before it begins.
    const idle = new AbortController();
    const output = await task.createProcessor({ logId, topic, partition, signal: idle.signal }).build(batch, signal);
    idle.abort();
    for (const table of output.tables) await removeStrangers(store, place.service, batchId, table);
    const deps: LandDeps = { ...world, store, log: { ...log, append: async () => [] } };
    // The batch is in the manifest: it is nobody's any more.
    await landBatch(deps, place.service, batch, output, { isReplay: true, intend: async () => {}, signal });
    return null;
  };

/** Rows of a batch that are not of its making. */
const removeStrangers = async (store: Store, service: string, batchId: string, table: TableRows): Promise<void> => {
  const known = new Set(table.rows.map((row) => table.identity.map((column) => String(row[column])).join('\n')));
  const own = table.identity.includes('service') ? 'AND service = {service:String}' : '';
  const stored = await store.query<{ readonly part: string; readonly at: string; readonly id: string }>(
    `SELECT _part AS part, toString(_part_offset) AS at, arrayStringConcat([${table.identity.map((column) => `toString(${column})`).join(', ')}], '\\n') AS id
     FROM ${table.table} WHERE batch_id = {batch_id:String} ${own}`,
    { batch_id: batchId, service },
  );
  await removeRows(
    store,
    table.table,
    stored.filter(({ id }) => !known.has(id)),
  );
};
