import type { Row, Store } from '../runtime/ports.ts';
import type { AssignedPartition } from '../runtime/stream/types.ts';
import { ALERTER } from './fold.ts';

/** Incidents read at once: some megabytes at most. */
export const PENDING_READ_MAX = 1_000;

/**
 * Rows of `incidents` with something to tell, of the incidents that are folded in this partition: the oldest first, so
 * that one which waits is not kept waiting by the new; `skip` of them left out. Throws TransportError.
 */
export const readPending = (store: Store, place: AssignedPartition, skip: number): Promise<readonly Row[]> =>
  store.query<Row>(
    `SELECT incident_id, toString(version) AS version, notices FROM incidents FINAL
     WHERE pending > 0 AND incident_id IN (
       SELECT run_key FROM run_state WHERE service = {service:String} AND log_id = {log_id:String}
         AND topic = {topic:String} AND partition = {partition:UInt32})
     ORDER BY logged_at, incident_id LIMIT ${PENDING_READ_MAX} OFFSET {skip:UInt32}`,
    { ...placeOf(place), skip },
    place.signal,
  );

/** Up to which offset this partition has been folded, by the manifest; 0 before the first batch. Throws TransportError. */
export const readFolded = async (store: Store, place: AssignedPartition): Promise<number> => {
  const [row] = await store.query<{ readonly end: string }>(
    `SELECT max(end) AS end FROM batches WHERE service = {service:String} AND log_id = {log_id:String}
       AND topic = {topic:String} AND partition = {partition:UInt32}`,
    placeOf(place),
    place.signal,
  );
  return Number(row?.end ?? 0);
};

const placeOf = (place: AssignedPartition) => ({
  service: ALERTER,
  log_id: place.logId,
  topic: place.topic,
  partition: place.partition,
});
