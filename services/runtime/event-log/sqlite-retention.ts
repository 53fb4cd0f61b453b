import type { DatabaseSync } from 'node:sqlite';
import { RECORD_OVERHEAD_BYTES } from './outgoing.ts';
import { numberOf, textOf } from './sqlite-reader.ts';
import { createUnread } from './sqlite-unread.ts';

/** A step stays short, so that appends wait a few milliseconds at most. */
const STEP_RECORDS_MAX = 500;
const STEP_BYTES_MAX = 8 * 1024 * 1024;
/** Space is made before the last byte is used, so that appends seldom have to wait for it. */
const FILL_SHARE_MAX = 0.9;

interface Place {
  readonly topicId: number;
  readonly partition: number;
}

/** Removal of old records, in steps, within the transaction the caller holds. */
export interface Retention {
  /**
   * One step by age, and by size when the file may hold `bytesMax`; true when there is more to remove. Age spares what a
   * living group has not read: an outage longer than the retention, or a clock that jumps ahead, must not take records
   * that senders were told are kept. The size then says stop, to senders who still have theirs.
   */
  readonly step: (nowMs: number, bytesMax: number | null) => boolean;
  /** Frees consumed records, oldest first, until `bytes` more fit; false when unread records stand in the way. */
  readonly makeRoom: (bytes: number, bytesMax: number) => boolean;
}

/** Builds the retention over an open database. */
export const createRetention = (db: DatabaseSync): Retention => {
  const places = db.prepare(
    'SELECT topic_id, topic, partition, retention_ms, start_offset FROM partitions JOIN topics USING (topic_id)',
  );
  const total = db.prepare('SELECT sum(bytes) AS bytes FROM partitions');
  const oldest = db.prepare(
    `SELECT offset, ms, ${RECORD_OVERHEAD_BYTES} + ifnull(length(key), 0) + ifnull(length(headers), 0) + length(value) AS bytes
     FROM records WHERE topic_id = ? AND partition = ? ORDER BY offset LIMIT ${STEP_RECORDS_MAX}`,
  );
  const remove = db.prepare('DELETE FROM records WHERE topic_id = ? AND partition = ? AND offset < ?');
  const advance = db.prepare(
    'UPDATE partitions SET start_offset = ?, bytes = bytes - ? WHERE topic_id = ? AND partition = ?',
  );
  // What every group that ever committed or subscribed has behind it; a partition without a group counts as unread.
  const consumed = db.prepare(
    `WITH readers AS (
       SELECT group_name FROM commits WHERE topic_id = ?1
       UNION
       SELECT name FROM groups, json_each(state, '$.partitions') AS held
       WHERE held.value ->> 'topic' = (SELECT topic FROM topics WHERE topic_id = ?1)
     )
     SELECT min(ifnull((SELECT offset FROM commits WHERE commits.group_name = readers.group_name
                        AND topic_id = ?1 AND partition = ?2), 0)) AS floor
     FROM readers`,
  );
  const unread = createUnread(db);
  const totalBytes = (): number => numberOf(total.get(), 'bytes');
  const floorOf = (place: Place): number => numberOf(consumed.get(place.topicId, place.partition), 'floor');

  /** Removes the oldest records while `mayGo` says so; how many bytes went. */
  const removeOldest = (place: Place, mayGo: (offset: number, ms: number, bytes: number) => boolean): number => {
    let [end, bytes] = [-1, 0];
    for (const row of oldest.iterate(place.topicId, place.partition)) {
      const [offset, size] = [numberOf(row, 'offset'), numberOf(row, 'bytes')];
      if (bytes >= STEP_BYTES_MAX || !mayGo(offset, numberOf(row, 'ms'), bytes)) break;
      end = offset + 1;
      bytes += size;
    }
    if (end < 0) return 0;
    remove.run(place.topicId, place.partition, end);
    advance.run(end, bytes, place.topicId, place.partition);
    return bytes;
  };
  const allPlaces = (): readonly (Place & { readonly topic: string; readonly retentionMs: number })[] =>
    places.all().map((row) => ({
      topic: textOf(row, 'topic'),
      ...{ topicId: numberOf(row, 'topic_id'), partition: numberOf(row, 'partition') },
      retentionMs: numberOf(row, 'retention_ms'),
    }));
  const oldestMs = (place: Place): number => numberOf(oldest.get(place.topicId, place.partition), 'ms');

  /** Frees about `bytes` of consumed records, a step's worth at most. */
  const freeConsumed = (bytes: number): number => {
    const byAge = allPlaces()
      .map((place) => ({ ...place, ms: oldestMs(place) }))
      .sort((a, b) => a.ms - b.ms);
    let freed = 0;
    for (const place of byAge) {
      if (freed >= Math.min(bytes, STEP_BYTES_MAX)) break;
      const floor = floorOf(place);
      freed += removeOldest(place, (offset, _ms, gone) => offset < floor && freed + gone < bytes);
    }
    return freed;
  };

  return {
    step: (nowMs, bytesMax) => {
      let freed = 0;
      const unreadFrom = unread(nowMs);
      for (const place of allPlaces()) {
        const end = unreadFrom(place);
        freed += removeOldest(place, (offset, ms) => ms < nowMs - place.retentionMs && offset < end);
        if (freed >= STEP_BYTES_MAX) return true;
      }
      const surplus = bytesMax === null ? 0 : totalBytes() - bytesMax * FILL_SHARE_MAX;
      if (surplus > 0) freed += freeConsumed(surplus);
      return freed > 0;
    },
    makeRoom: (bytes, bytesMax) => {
      for (let surplus = totalBytes() + bytes - bytesMax; surplus > 0; surplus = totalBytes() + bytes - bytesMax) {
        if (freeConsumed(surplus) === 0) return false;
      }
      return true;
    },
  };
};
