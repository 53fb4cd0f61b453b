import type { DatabaseSync } from 'node:sqlite';
import type { GroupState } from './group-state.ts';
import { numberOf, textOf } from './sqlite-reader.ts';

/** Without a member for so long a group is no reader any more: what it left unread goes by age like everything else. */
const GROUP_GONE_MS = 3_600_000;

interface Partition {
  readonly topicId: number;
  readonly topic: string;
  readonly partition: number;
}

/** The first record of a partition that a living group has not read; Infinity when nobody waits for any. */
export type UnreadFrom = (partition: Partition) => number;

/**
 * Tells what is still waited for. A group lives while it has a member, and for an hour after; at a start, which comes
 * before its members do, each group is given that hour. Readers are groups that committed in a partition or hold it.
 */
export const createUnread = (db: DatabaseSync): ((nowMs: number) => UnreadFrom) => {
  const groups = db.prepare('SELECT name, state FROM groups');
  const commits = db.prepare('SELECT group_name, offset FROM commits WHERE topic_id = ? AND partition = ?');
  const seenAtMs = new Map<string, number>();

  const livingAt = (nowMs: number): ReadonlyMap<string, ReadonlySet<string>> => {
    const living = new Map<string, ReadonlySet<string>>();
    for (const row of groups.all()) {
      const name = textOf(row, 'name');
      const { members, partitions }: GroupState = JSON.parse(textOf(row, 'state'));
      const hasMember = members.some(({ leaseUntilMs }) => leaseUntilMs >= nowMs);
      const seenMs = hasMember ? nowMs : (seenAtMs.get(name) ?? nowMs);
      seenAtMs.set(name, seenMs);
      if (nowMs - seenMs < GROUP_GONE_MS) living.set(name, new Set(partitions.map(({ topic }) => topic)));
    }
    return living;
  };

  return (nowMs) => {
    const living = livingAt(nowMs);
    return ({ topicId, topic, partition }) => {
      const rows = commits.all(topicId, partition);
      const read = new Map(rows.map((row) => [textOf(row, 'group_name'), numberOf(row, 'offset')]));
      let from = Number.POSITIVE_INFINITY;
      for (const [name, topics] of living) {
        if (read.has(name) || topics.has(topic)) from = Math.min(from, read.get(name) ?? 0);
      }
      return from;
    };
  };
};
