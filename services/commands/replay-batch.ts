import { removeRows } from '../audit/remove-rows.ts';
import type { BatchPlace } from '../audit/repair.ts';
import { TransportError } from '../runtime/errors.ts';
import type { EventLog, LogRecord, Store } from '../runtime/ports.ts';
import { batchIdOf } from '../runtime/stream/intent.ts';
import { type LandDeps, landBatch } from '../runtime/stream/land.ts';
import type { RecordBatch, StreamTask, TableRows } from '../runtime/stream/types.ts';
import type { World } from './world.ts';

type Replayer = Pick<World, 'clock' | 'random' | 'logger' | 'metrics' | 'stop'>;

/** Longest wait for the records of one batch: a group of its own has to be joined first. */
const READ_MS = 60_000;
const READ_RECORDS_MAX = 5_000;
const READ_BYTES_MAX = 8 * 1024 * 1024;

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
    const records = await readRecords(world, log, place);
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
    await landBatch(deps, place.service, batch, output, true, signal);
    return null;
  };

const whyGone = async (log: EventLog, { topic, partition, logId, first, end }: BatchPlace): Promise<string | null> => {
  if ((await log.logId(topic)) !== logId) return `the log of ${topic} was made anew since: nothing can be read again`;
  const range = (await log.ranges(topic)).find((candidate) => candidate.partition === partition);
  if (range === undefined || range.end < end) return `the log of ${topic}/${partition} ends before it`;
  if (range.start <= first) return null;
  return `the log of ${topic}/${partition} begins at ${range.start}: its records have expired and cannot be read again`;
};

/** The records of [first, end), read by a group of its own that commits nothing. Throws TransportError LOG_UNAVAILABLE. */
const readRecords = async (world: Replayer, log: EventLog, place: BatchPlace): Promise<readonly LogRecord[]> => {
  const records: LogRecord[] = [];
  const done = new AbortController();
  let crash: unknown = null;
  const consumer = await log.consume({
    group: `tacho-repair-${world.random.uuid()}`,
    topics: [place.topic],
    recordsMax: READ_RECORDS_MAX,
    bytesMax: READ_BYTES_MAX,
    lingerMs: 10,
    idleMs: 1_000,
    assigned: async ({ partition, logEnd }) => ({
      startOffset: partition === place.partition ? place.first : logEnd,
      onBatch: async (polled) => {
        if (partition !== place.partition) return 'stop';
        records.push(...polled.records.filter(({ offset }) => offset < place.end));
        const last = polled.records.at(-1)?.offset ?? 0;
        if (last < place.end - 1) return 'continue';
        done.abort();
        return 'stop';
      },
      onIdle: async () => {},
    }),
    onCrash: (error) => {
      crash = error;
      done.abort();
    },
  });
  const waiting = AbortSignal.any([done.signal, world.stop]);
  await world.clock.sleep(READ_MS, waiting).catch(() => undefined);
  await consumer.close();
  if (crash !== null) throw crash;
  if (done.signal.aborted) return records;
  throw new TransportError('LOG_UNAVAILABLE', `its records did not come within ${READ_MS / 1000} s`, {
    retryable: true,
  });
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
