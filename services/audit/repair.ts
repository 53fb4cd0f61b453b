import { ROLLUPS, type RollupKind } from '../../schemas/rollup.ts';
import { TransportError } from '../runtime/errors.ts';
import type { Store } from '../runtime/ports.ts';
import { findBatchEnd } from '../runtime/stream/intent.ts';
import { BATCH_TABLES } from './checks.ts';
import { OWNED_BY_ROW, removeCopies } from './remove-rows.ts';
import { wrongSlices } from './rollup-checks.ts';

/** A batch of the manifest, or one that ought to be in it. */
export interface BatchPlace {
  readonly service: string;
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly end: number;
  readonly batchId: string;
}

/** Slices of a roll-up that are wrong. Hours are unix seconds. */
export interface SlicesPlace {
  readonly kind: RollupKind;
  readonly loggedDay: string;
  readonly hours: readonly number[];
}

/** What a repair does, each said before it is done. */
export interface RepairPlan {
  /** Batches one of whose tables holds other than the manifest counts, with those tables. */
  readonly batches: readonly (BatchPlace & { readonly tables: readonly string[] })[];
  /** Batches that are read past and not in the manifest. */
  readonly lost: readonly BatchPlace[];
  /** Batch ids that stand several times in the manifest. */
  readonly doubled: readonly { readonly service: string; readonly batchId: string }[];
  readonly slices: readonly SlicesPlace[];
}

/** How the world outside of the audit does what only it can do. */
export interface RepairHands {
  /**
   * Makes a batch again from the log, as its service would after a crash, and inserts the rows that are missing and its
   * manifest row. Resolves to null, or to why it cannot be.
   */
  readonly replay: (place: BatchPlace) => Promise<string | null>;
  readonly rebuild: (slices: SlicesPlace) => Promise<void>;
}

/** Batches mended by one run: a person should look before more is done. */
const BATCHES_MAX = 500;

interface PlaceRow {
  readonly service: string;
  readonly log_id: string;
  readonly topic: string;
  readonly partition: number;
  readonly first: string;
  readonly end: string;
  readonly batch_id: string;
}

const placeOf = (row: PlaceRow): BatchPlace => ({
  service: row.service,
  logId: row.log_id,
  topic: row.topic,
  partition: Number(row.partition),
  first: Number(row.first),
  end: Number(row.end),
  batchId: row.batch_id,
});

/** Says where a batch stands, as findings do. */
export const nameOf = ({ service, topic, partition, first, end }: BatchPlace): string =>
  `${service} ${topic}/${partition} batch [${first}, ${end})`;

/** Batches whose rows in a table are other in number than the manifest says; confirmed before `until` (UTC text). */
const wrongBatches = (table: string, service: string | null): string => {
  const owner = service === null ? 'toString(service)' : `'${service}'`;
  const told = service === null ? `mapContains(rows, '${table}')` : `service = '${service}'`;
  return `SELECT b.service AS service, b.log_id AS log_id, b.topic AS topic, b.partition AS partition, b.first AS first, b.end AS end, b.batch_id AS batch_id
    FROM batches AS b WHERE b.written_at <= {until:DateTime64(3)} AND b.logged_at >= {since:DateTime64(3)}
      AND (b.service, b.batch_id) IN (
        SELECT owner, batch_id FROM (
          SELECT batch_id, ${owner} AS owner, rows['${table}'] AS expected, 0 AS found FROM batches WHERE ${told} LIMIT 1 BY batch_id, owner
          UNION ALL
          SELECT batch_id, ${owner} AS owner, 0 AS expected, 1 AS found FROM ${table}
        ) GROUP BY owner, batch_id HAVING sum(expected) != sum(found))
    ORDER BY service, log_id, topic, partition, first LIMIT 1 BY service, batch_id LIMIT ${BATCHES_MAX}`;
};

interface Gap {
  readonly service: string;
  readonly log_id: string;
  readonly topic: string;
  readonly partition: number;
  readonly from: string;
  readonly to: string;
}

/** Stretches of a log that a service has read past and of which the manifest says nothing. */
const GAPS = `SELECT service, log_id, topic, partition, previous_end AS from, first AS to FROM (
    SELECT service, log_id, topic, partition, first, written_at,
      lagInFrame(end, 1, 0) OVER (PARTITION BY service, log_id, topic, partition ORDER BY first, end
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS previous_end
    FROM (SELECT * FROM batches LIMIT 1 BY service, batch_id)
  ) WHERE first > previous_end AND written_at <= {until:DateTime64(3)}
    AND (SELECT min(logged_at) FROM batches) >= {since:DateTime64(3)}
  ORDER BY service, log_id, topic, partition, from LIMIT ${BATCHES_MAX}`;

/** What there is to mend. `until`: batches confirmed later are their service's business. `sinceOf`: the TTL of a table. */
export const planRepair = async (
  store: Store,
  until: string,
  sinceOf: (table: string) => string,
): Promise<RepairPlan> => {
  const batches = new Map<string, BatchPlace & { tables: readonly string[] }>();
  for (const [table, service] of BATCH_TABLES) {
    const rows = await store.query<PlaceRow>(wrongBatches(table, service), { until, since: sinceOf(table) });
    for (const place of rows.map(placeOf)) {
      const key = `${place.service} ${place.batchId}`;
      batches.set(key, { ...place, tables: [...(batches.get(key)?.tables ?? []), table] });
    }
  }
  const doubled = await store.query<{ readonly service: string; readonly batch_id: string }>(
    `SELECT service, batch_id FROM batches WHERE written_at <= {until:DateTime64(3)}
     GROUP BY service, batch_id HAVING count() > 1 ORDER BY service, batch_id LIMIT ${BATCHES_MAX}`,
    { until },
  );
  return {
    batches: [...batches.values()],
    lost: await findLost(store, until, sinceOf('batches')),
    doubled: doubled.map((row) => ({ service: row.service, batchId: row.batch_id })),
    slices: await findWrongSlices(store, sinceOf),
  };
};

const findLost = async (store: Store, until: string, since: string): Promise<readonly BatchPlace[]> => {
  const gaps = await store.query<Gap>(GAPS, { until, since });
  const lost: BatchPlace[] = [];
  for (const [service, own] of Map.groupBy(gaps, (gap) => gap.service)) {
    const loose = await looseBatchIds(store, service, since);
    for (const gap of own) lost.push(...batchesOfGap(gap, loose));
  }
  return lost.slice(0, BATCHES_MAX);
};

/** Ids on rows that no manifest row of the service speaks of. */
const looseBatchIds = async (store: Store, service: string, since: string): Promise<ReadonlySet<string>> => {
  const ids = new Set<string>();
  for (const [table, owner] of BATCH_TABLES) {
    if (owner !== null && owner !== service) continue;
    const rows = await store.query<{ readonly batch_id: string }>(
      `SELECT DISTINCT batch_id FROM ${table} WHERE logged_at >= {since:DateTime64(3)} ${owner === null ? 'AND service = {service:String}' : ''}
         AND batch_id NOT IN (SELECT batch_id FROM batches WHERE service = {service:String}) LIMIT 100000`,
      { service, since },
    );
    for (const row of rows) ids.add(row.batch_id);
  }
  return ids;
};

/** The batches a gap was cut into, found again by the ids on their rows; what left no row is one batch. */
const batchesOfGap = (gap: Gap, loose: ReadonlySet<string>): readonly BatchPlace[] => {
  const place = { service: gap.service, logId: gap.log_id, topic: gap.topic, partition: Number(gap.partition) };
  const to = Number(gap.to);
  const found: BatchPlace[] = [];
  for (let first = Number(gap.from); first < to; ) {
    const batch = findBatchEnd({ ...place, first }, loose, to);
    found.push({ ...place, first, end: batch?.end ?? to, batchId: batch?.batchId ?? '' });
    first = batch?.end ?? to;
  }
  return found;
};

const findWrongSlices = async (store: Store, sinceOf: (table: string) => string): Promise<readonly SlicesPlace[]> => {
  const found: SlicesPlace[] = [];
  for (const rollup of ROLLUPS) {
    const rows = await store.query<{ readonly hour_seconds: number; readonly logged_day: string }>(
      `${wrongSlices(rollup)} LIMIT 2000 SETTINGS use_statistics_for_part_pruning = 0`,
      { since: sinceOf(rollup.raw) },
    );
    for (const [loggedDay, own] of Map.groupBy(rows, (row) => row.logged_day))
      found.push({ kind: rollup.kind, loggedDay, hours: own.map((row) => Number(row.hour_seconds)) });
  }
  return found;
};

/** One sentence each of what a plan will do, in the order it is done. */
export const sayPlan = (plan: RepairPlan): readonly string[] => [
  ...plan.doubled.map(({ service, batchId }) => `${service} batch ${batchId}: keep one of its rows in the manifest`),
  ...plan.lost.map((place) => `${nameOf(place)}: read again from the log, for its manifest row`),
  ...plan.batches.map(
    (place) =>
      `${nameOf(place)}: remove doubled rows, make missing ones again from the log (${place.tables.join(', ')})`,
  ),
  ...plan.slices.map(
    ({ kind, loggedDay, hours }) => `roll-up of ${kind}, logged ${loggedDay}: rebuild ${hours.length} hours from raw`,
  ),
];

/** Told of one thing that was done, or could not be. */
export interface Mended {
  readonly place: string;
  readonly did: string;
  readonly isMended: boolean;
}

/** Carries a plan out, oldest batches first: what a batch made of the ones before it needs their states. */
export const carryOut = async (
  store: Store,
  plan: RepairPlan,
  hands: RepairHands,
  onMended: (mended: Mended) => void,
): Promise<void> => {
  for (const { service, batchId } of plan.doubled) {
    const removed = await removeCopies(store, 'batches', service, batchId);
    onMended({
      place: `${service} batch ${batchId}`,
      did: `removed ${removed} copies of its manifest row`,
      isMended: removed > 0,
    });
  }
  for (const place of plan.lost) onMended(await replayed(place, hands, 'its manifest row was made again'));
  for (const place of plan.batches.toSorted((a, b) => a.first - b.first)) {
    let removed = 0;
    for (const table of place.tables) removed += await removeCopies(store, table, place.service, place.batchId);
    if (removed > 0) onMended({ place: nameOf(place), did: `removed ${removed} doubled rows`, isMended: true });
    if (!(await isWhole(store, place)))
      onMended(await replayed(place, hands, 'compared with the log; what was missing was made again'));
  }
  for (const slices of plan.slices) {
    await hands.rebuild(slices);
    const place = `roll-up of ${slices.kind}, logged ${slices.loggedDay}`;
    onMended({ place, did: `rebuilt ${slices.hours.length} hours from raw`, isMended: true });
  }
};

/** Do the tables hold as many rows of the batch as its manifest row says? */
const isWhole = async (store: Store, { service, batchId, tables }: RepairPlan['batches'][number]): Promise<boolean> => {
  for (const table of tables) {
    const own = OWNED_BY_ROW.has(table) ? 'AND service = {service:String}' : '';
    const [row] = await store.query<{ readonly found: string; readonly told: string }>(
      `SELECT (SELECT count() FROM ${table} WHERE batch_id = {batch_id:String} ${own}) AS found,
         (SELECT any(rows['${table}']) FROM batches WHERE batch_id = {batch_id:String} AND service = {service:String}) AS told`,
      { batch_id: batchId, service },
    );
    if (row?.found !== row?.told) return false;
  }
  return true;
};

const replayed = async (place: BatchPlace, hands: RepairHands, done: string): Promise<Mended> => {
  const reason = await hands.replay(place).catch((error: unknown) => {
    if (error instanceof TransportError) return error.message;
    throw error;
  });
  return { place: nameOf(place), did: reason ?? done, isMended: reason === null };
};
