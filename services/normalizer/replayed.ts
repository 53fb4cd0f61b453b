import type { Store } from '../runtime/ports.ts';
import type { LogPlace } from './seen-set.ts';

/** Step ids of one query: parameters travel in the URL. */
const ASKED_MAX = 1_000;

/**
 * Which of these steps are stored before `first`, however long ago. A replayed record goes back to its own partition, so
 * there it meets what was stored of it: replayed twice, or partly good the first time, each step is stored once. Looks
 * through the whole partition, for replays are rare and may come days later. Throws TransportError.
 */
export const loadStoredSteps = async (
  store: Store,
  place: LogPlace,
  first: number,
  stepIds: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> => {
  const stored = new Set<string>();
  for (let at = 0; at < stepIds.length; at += ASKED_MAX) {
    const rows = await store.query<{ readonly step_id: string }>(
      `SELECT DISTINCT step_id FROM spans
       WHERE step_id IN {ids:Array(String)} AND log_topic = {topic:String} AND log_partition = {partition:UInt32}
         AND (log_id != {log_id:String} OR log_offset < {first:UInt64})`,
      {
        ids: stepIds.slice(at, at + ASKED_MAX),
        ...{ log_id: place.logId, topic: place.topic, partition: place.partition, first },
      },
      signal,
    );
    for (const row of rows) stored.add(row.step_id);
  }
  return stored;
};
