import { IS_ROLLED_UP, type Rollup, SLICE_DAY, SLICE_HOUR } from '../../schemas/rollup.ts';
import type { Clock, Random, Store } from '../runtime/ports.ts';

/** Slices of one roll-up and one day of the log. Hours are unix seconds, the day is `YYYY-MM-DD`. */
export interface SliceGroup {
  readonly rollup: Rollup;
  readonly loggedDay: string;
  readonly hours: readonly number[];
}

export interface BuildDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Between rows and the word that they count: a query that saw the tables before the rows has read by then which rows
 * count, so it never looks for rows that it cannot see.
 */
export const PUBLISH_MS = 500;
/** One thread and no more memory than a serving system can spare; what needs more goes on on disk. */
const GENTLE =
  'max_threads = 1, max_bytes_before_external_group_by = 200000000, max_memory_usage = 1000000000, use_statistics_for_part_pruning = 0';

/** The rows of a group, made from raw under one generation. */
export const buildSql = ({ table, raw, dimensions, sums, patterns }: Rollup): string => {
  const columns = ['hour', 'logged_day', 'generation', ...dimensions, ...sums.map(([column]) => column), 'built_at'];
  const keys = [SLICE_HOUR, SLICE_DAY, ...dimensions.map((dimension) => `e.${dimension}`)];
  return `INSERT INTO ${table} (${columns.join(', ')})
SELECT ${keys.slice(0, 2).join(', ')}, {generation:String}, ${[...keys.slice(2), ...sums.map(([, sql]) => sql)].join(', ')}, now('UTC')
FROM ${raw} AS e
WHERE ${SLICE_HOUR} IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC')) AND ${SLICE_DAY} = {day:Date}
  AND ${IS_ROLLED_UP}
GROUP BY ${[...keys, ...patterns].join(', ')}
SETTINGS ${GENTLE}`;
};

/** Of which batches each slice of a group is made, as the manifest says it now. A batch counts once. */
const PUBLISH_SQL = `INSERT INTO rollup_slices (kind, hour, logged_day, version, generation, batches, fingerprint, built_at)
SELECT {kind:String}, wanted.hour, {day:Date}, {look:UInt64} * 2 + 1, {generation:String}, batches, fingerprint, now('UTC')
FROM (SELECT arrayJoin({slices:Array(Tuple(UInt32, UInt64, UInt64))}) AS slice,
        toDateTime(slice.1, 'UTC') AS hour, slice.2 AS batches, slice.3 AS fingerprint) AS wanted`;

interface Counted {
  readonly hour: string;
  readonly batches: string;
  readonly fingerprint: string;
}

/** The manifest of each slice of a group: how many batches, and a hash over which. Slices without a batch are absent. */
const countBatches = (store: Store, { rollup, loggedDay, hours }: SliceGroup): Promise<readonly Counted[]> =>
  store.query<Counted>(
    // A batch is logged on its last day at the earliest, so that older parts of the manifest are left unread.
    `SELECT toString(toUnixTimestamp(b.hour)) AS hour, count() AS batches, groupBitXor(cityHash64(b.batch_id)) AS fingerprint
     FROM (SELECT DISTINCT hour, batch_id FROM rollup_batches
           WHERE kind = {kind:String} AND logged_day = {day:Date} AND logged_at >= toDateTime64({day:Date}, 3, 'UTC')
             AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))) AS b
     GROUP BY b.hour`,
    { kind: rollup.kind, day: loggedDay, hours },
  );

/**
 * Builds the slices of a group and puts them in force, each for the batches the manifest had before: a batch that comes
 * meanwhile makes its slice dirty again. Killed anywhere, the former state stands: rows count by the word of
 * `rollup_slices` alone, which is said last, and a second builder has a generation of its own. `lookMs`: when the store
 * was looked at (its clock): the newer look wins. Throws TransportError.
 */
export const buildGroup = async (deps: BuildDeps, group: SliceGroup, lookMs: number): Promise<number> => {
  const { store, clock, random } = deps;
  const counted = await countBatches(store, group);
  if (counted.length === 0) return 0;
  const generation = random.uuid();
  const day = group.loggedDay;
  const hours = counted.map(({ hour }) => Number(hour));
  await store.command(buildSql(group.rollup), { generation, day, hours });
  await clock.sleep(PUBLISH_MS);
  const slices = counted.map(({ hour, batches, fingerprint }) => `(${hour},${batches},${fingerprint})`);
  await store.command(PUBLISH_SQL, {
    kind: group.rollup.kind,
    day,
    look: lookMs,
    generation,
    slices: `[${slices.join(',')}]`,
  });
  return counted.length;
};
