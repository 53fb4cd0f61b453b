import { ROLLUPS } from '../../schemas/rollup.ts';
import type { Store } from '../runtime/ports.ts';
import { type BuildDeps, buildGroup, PUBLISH_MS, type SliceGroup } from './build.ts';

/** Told of one pass. */
export interface PassResult {
  /** Slices built. */
  readonly built: number;
  /** Closed slices that are still read from raw, because they are too many for one pass or a batch just touched them. */
  readonly waiting: number;
}

/** Slices built in one pass: a restored system catches up within hours and stays responsive. */
const SLICES_MAX = 2_000;
/** Hours of one statement: bounds what one GROUP BY holds. */
const HOURS_MAX = 48;
/** What a manifest row may lag behind its `written_at`: longer than an insert may take (see rollup_sources). */
const MARGIN_MINUTES = 2;
/** Whole parts of raw are dropped when their last row is older than the TTL; from the first row on nothing is rebuilt. */
const TTL_DAYS_SQL = `SELECT name AS raw, toUInt32OrZero(extract(create_table_query, 'toIntervalDay[(]([0-9]+)[)]')) AS days
  FROM system.tables WHERE database = currentDatabase() AND name IN ('ledger_entries', 'spans')`;

/**
 * Says of which slices raw is to be read from now on: those touched by batches written since the last look, or, with
 * `isWhole`, all those the manifest tells differently. A slice without batches any more (they expired) keeps its rows.
 */
const openSql = (
  isWhole: boolean,
): string => `INSERT INTO rollup_slices (kind, hour, logged_day, version, generation, built_at)
SELECT m.kind, m.hour, m.logged_day, {look:UInt64} * 2, '', now('UTC') FROM (
  SELECT kind, hour, logged_day, count() AS batches, groupBitXor(cityHash64(batch_id)) AS fingerprint
  FROM (SELECT DISTINCT kind, hour, logged_day, batch_id FROM rollup_batches
        ${isWhole ? '' : `WHERE written_at > (SELECT max(seen_until) - toIntervalMinute(${MARGIN_MINUTES}) FROM rollup_passes)`})
  GROUP BY kind, hour, logged_day
) AS m LEFT ANY JOIN (
  SELECT kind, hour, logged_day, batches, fingerprint, toString(generation) AS source, 1 AS is_known FROM rollup_slices FINAL
) AS s ON s.kind = m.kind AND s.hour = m.hour AND s.logged_day = m.logged_day
WHERE s.is_known = 0 OR (s.source != '' AND ${isWhole ? 'm.batches >= s.batches AND (m.batches, m.fingerprint) != (s.batches, s.fingerprint)' : 'true'})
SETTINGS max_threads = 1`;

/** Closed slices read from raw that can be built: quiet for a while, and raw is still whole. */
const CANDIDATES_SQL = `SELECT s.kind AS kind, toString(s.logged_day) AS logged_day, toString(toUnixTimestamp(s.hour)) AS hour
FROM (SELECT kind, hour, logged_day FROM rollup_slices FINAL WHERE generation = '') AS s
WHERE s.hour > toDateTime(0, 'UTC') AND s.hour <= fromUnixTimestamp64Milli({look:Int64}, 'UTC') - INTERVAL 1 HOUR
  AND (s.kind, s.hour, s.logged_day) NOT IN (
    SELECT kind, hour, logged_day FROM rollup_batches
    WHERE written_at > fromUnixTimestamp64Milli({look:Int64}, 'UTC') - toIntervalMinute(${MARGIN_MINUTES}))
  AND toDateTime64(s.logged_day, 3, 'UTC') > fromUnixTimestamp64Milli({look:Int64}, 'UTC')
    - toIntervalDay(if(s.kind = 'spend', {spend_days:UInt32}, {steps_days:UInt32}))
ORDER BY s.logged_day DESC, s.hour DESC
LIMIT ${SLICES_MAX + 1}`;

/**
 * One look at the manifest and what follows from it: opens what became dirty, says up to when it looked, builds what is
 * closed. Each statement leaves the views right, so that a pass may end anywhere, and two may run at once.
 * Throws TransportError.
 */
export const rollUp = async (
  deps: BuildDeps,
  owner: string,
  isWhole: boolean,
  signal?: AbortSignal,
): Promise<PassResult> => {
  const { store, clock } = deps;
  const [moment] = await store.query<{ readonly ms: string }>("SELECT toUnixTimestamp64Milli(now64(3, 'UTC')) AS ms");
  const look = Number(moment?.ms);
  await store.command(openSql(isWhole), { look });
  // A view that has read the slices before this must not be told by the pass that they are up to date.
  await clock.sleep(PUBLISH_MS, signal);
  const candidates = await readCandidates(store, look);
  const groups = groupsOf(candidates.slice(0, SLICES_MAX));
  await recordPass(store, owner, look, 0, candidates.length);
  let built = 0;
  for (const group of groups) {
    if (signal?.aborted === true) break;
    built += await buildGroup(deps, group, look);
  }
  if (built > 0) await recordPass(store, owner, look, built, Math.max(0, candidates.length - built));
  return { built, waiting: Math.max(0, candidates.length - built) };
};

interface Candidate {
  readonly kind: string;
  readonly logged_day: string;
  readonly hour: string;
}

const readCandidates = async (store: Store, look: number): Promise<readonly Candidate[]> => {
  const days = new Map(
    (await store.query<{ readonly raw: string; readonly days: number }>(TTL_DAYS_SQL)).map((row) => [
      row.raw,
      Number(row.days),
    ]),
  );
  // Without a TTL raw stays for ever.
  const daysOf = (raw: string): number => days.get(raw) || FOR_EVER_DAYS;
  return store.query<Candidate>(CANDIDATES_SQL, {
    look,
    spend_days: daysOf('ledger_entries'),
    steps_days: daysOf('spans'),
  });
};
const FOR_EVER_DAYS = 36_500;

const groupsOf = (candidates: readonly Candidate[]): readonly SliceGroup[] => {
  const groups: SliceGroup[] = [];
  for (const rollup of ROLLUPS) {
    const own = candidates.filter(({ kind }) => kind === rollup.kind);
    for (const [loggedDay, slices] of Map.groupBy(own, (slice) => slice.logged_day)) {
      for (let at = 0; at < slices.length; at += HOURS_MAX) {
        const hours = slices.slice(at, at + HOURS_MAX).map(({ hour }) => Number(hour));
        groups.push({ rollup, loggedDay, hours });
      }
    }
  }
  return groups;
};

const recordPass = (store: Store, owner: string, look: number, built: number, waiting: number): Promise<void> =>
  store.command(
    `INSERT INTO rollup_passes SELECT {owner:String}, fromUnixTimestamp64Milli({look:Int64}, 'UTC'), {built:UInt64}, {waiting:UInt64}, now64(3, 'UTC')`,
    { owner, look, built, waiting },
  );

/** Rows of generations that do not count go after this: a query that began before they were replaced has long ended. */
const LITTER_HOURS = 1;
/** Slices of litter removed at once. */
const LITTER_MAX = 1_000;

/** Removes rows that no longer count, or never did: a builder was killed. Gives how many slices. Throws TransportError. */
export const removeLitter = async (store: Store): Promise<number> => {
  let removed = 0;
  for (const { table, kind } of ROLLUPS) {
    const litter = await store.query<{ readonly hour: string; readonly day: string; readonly generation: string }>(
      `SELECT DISTINCT toString(toUnixTimestamp(r.hour)) AS hour, toString(r.logged_day) AS day, toString(r.generation) AS generation
       FROM ${table} AS r
       WHERE r.built_at < now('UTC') - toIntervalHour(${LITTER_HOURS})
         AND (r.hour, r.logged_day, toString(r.generation)) NOT IN (
           SELECT hour, logged_day, toString(generation) FROM rollup_slices FINAL WHERE kind = '${kind}')
       LIMIT ${LITTER_MAX}`,
    );
    if (litter.length === 0) continue;
    const slices = litter.map(({ hour, day, generation }) => `(${hour}, '${day}', '${generation}')`);
    await store.command(
      `DELETE FROM ${table} WHERE (toUnixTimestamp(hour), toString(logged_day), toString(generation)) IN (${slices.join(', ')})`,
    );
    removed += litter.length;
  }
  return removed;
};
