import type { Store } from '../ports.ts';

/** Whose states, and as of which offset of the log. */
export interface StatePlace {
  readonly service: string;
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
}

/** Keys of one query: of one parameter a server takes 128 KiB (`http_max_field_value_size`). */
const KEYS_MAX = 500;
const KEYS_BYTES_MAX = 64 * 1024;
/** States of one answer: a state can have megabytes, and an answer becomes one text. */
const STATES_MAX = 50;

const OF_PLACE = `service = {service:String} AND log_id = {log_id:String} AND topic = {topic:String}
  AND partition = {partition:UInt32}`;

/**
 * The stored states of these keys, each the newest at or before `first`; keys without one are left out. The newest
 * version is found first by its number alone: a long run has a thousand versions, of which one is read.
 * Throws TransportError.
 */
export async function* readStates(
  store: Store,
  place: StatePlace,
  keys: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<readonly [key: string, state: string]> {
  const params = { service: place.service, log_id: place.logId, topic: place.topic, partition: place.partition };
  for (const asked of piecesOf(keys)) {
    const newest = await store.query<{ readonly run_key: string; readonly as_of: string }>(
      `SELECT run_key, max(as_of) AS as_of FROM (
         SELECT run_key, as_of FROM run_state
         WHERE ${OF_PLACE} AND as_of <= {first:UInt64} AND run_key IN {keys:Array(String)}
       ) GROUP BY run_key`,
      { ...params, first: place.first, keys: asked },
      signal,
    );
    for (let at = 0; at < newest.length; at += STATES_MAX) {
      const found = newest.slice(at, at + STATES_MAX);
      const rows = await store.query<{ readonly run_key: string; readonly state: string }>(
        `SELECT run_key, state FROM run_state
         WHERE ${OF_PLACE} AND run_key IN {keys:Array(String)}
           AND (run_key, as_of) IN arrayZip({keys:Array(String)}, {ends:Array(UInt64)})
         LIMIT 1 BY run_key`,
        { ...params, keys: found.map((row) => row.run_key), ends: found.map((row) => Number(row.as_of)) },
        signal,
      );
      for (const row of rows) yield [row.run_key, row.state];
    }
  }
}

/** Cuts by count and by what the keys take at most, each byte escaped. */
const piecesOf = (keys: readonly string[]): readonly (readonly string[])[] => {
  const pieces: string[][] = [];
  let bytes = KEYS_BYTES_MAX;
  for (const key of keys) {
    const size = encodeURIComponent(key.toWellFormed()).length + 10;
    const last = pieces.at(-1);
    if (last === undefined || last.length >= KEYS_MAX || bytes + size > KEYS_BYTES_MAX) {
      pieces.push([key]);
      bytes = size;
    } else {
      last.push(key);
      bytes += size;
    }
  }
  return pieces;
};
