import type { Store } from '../runtime/ports.ts';
import { IdQueue } from './id-queue.ts';

/**
 * How far back a redelivered item is recognised, in log positions of the partition. A sender repeats a request within
 * minutes; at 50 requests a second on one partition this is about seven minutes.
 */
export const SEEN_POSITIONS = 20_000;
/**
 * Steps kept at most: at most 40 MB a partition. When records hold so many items that more would fall
 * into the horizon, the horizon is shortened to whole positions; it depends on what is stored, never on memory.
 */
export const SEEN_STEPS_MAX = 500_000;

/** Where a partition's steps stand in the table. */
export interface LogPlace {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
}

/** A stored step and the offset of its record. */
export interface SeenStep {
  readonly stepId: string;
  readonly offset: number;
}

/**
 * Steps stored at positions [horizon, next) of one log partition. A cache of the table `spans`: the same rows give the
 * same answer, whether they were taken in one by one or loaded after a restart.
 */
export interface SeenSet {
  /** Position the set is complete up to; null before the first load. */
  readonly next: () => number | null;
  /** True when this step is stored within the horizon of a batch that begins at `first` (= `next`). */
  readonly has: (stepId: string) => boolean;
  /** Replaces everything: rows in any order, of positions in [first − SEEN_POSITIONS, first). */
  readonly load: (rows: readonly SeenStep[], first: number) => void;
  /** Takes in what landed of [.., end) and forgets what falls behind the horizon of a batch that begins at `end`. */
  readonly take: (steps: readonly SeenStep[], end: number) => void;
}

/** An empty set. `limits` only differ in tests. */
export const createSeenSet = (
  limits: { readonly positions: number; readonly steps: number } = { positions: SEEN_POSITIONS, steps: SEEN_STEPS_MAX },
): SeenSet => {
  // In ascending order of offsets.
  let latest = new IdQueue();
  let next: number | null = null;

  /** Drops positions before the horizon, then whole positions until few enough steps are left. */
  const evict = (first: number): void => {
    let cut = first - limits.positions;
    for (let offset = latest.oldest(); offset !== null; offset = latest.oldest()) {
      if (offset >= cut && latest.size <= limits.steps) break;
      if (offset >= cut) cut = offset + 1;
      latest.drop();
    }
  };

  return {
    next: () => next,
    has: (stepId) => latest.has(stepId),
    load: (loaded, first) => {
      latest = new IdQueue();
      for (const { stepId, offset } of [...loaded].sort((a, b) => a.offset - b.offset)) latest.add(stepId, offset);
      evict(first);
      next = first;
    },
    take: (steps, end) => {
      // One that came again stands where it came last.
      for (const { stepId, offset } of steps) latest.add(stepId, offset);
      evict(end);
      next = end;
    },
  };
};

/**
 * Steps stored at positions [first − SEEN_POSITIONS, first), newest first. One more than SEEN_STEPS_MAX is asked for,
 * so that the set sees that its oldest position is incomplete and drops it. Throws TransportError.
 */
export const loadSeenSteps = async (
  store: Store,
  place: LogPlace,
  first: number,
  signal: AbortSignal,
): Promise<readonly SeenStep[]> => {
  const rows = await store.query<{ readonly step_id: string; readonly log_offset: string | number }>(
    `SELECT step_id, max(spans.log_offset) AS log_offset FROM spans
     WHERE log_id = {log_id:String} AND log_topic = {topic:String} AND log_partition = {partition:UInt32}
       AND spans.log_offset >= {from:UInt64} AND spans.log_offset < {first:UInt64}
     GROUP BY step_id ORDER BY log_offset DESC LIMIT {limit:UInt64}`,
    {
      log_id: place.logId,
      topic: place.topic,
      partition: place.partition,
      from: Math.max(0, first - SEEN_POSITIONS),
      first,
      limit: SEEN_STEPS_MAX + 1,
    },
    signal,
  );
  return rows.map((row) => ({ stepId: row.step_id, offset: Number(row.log_offset) }));
};
