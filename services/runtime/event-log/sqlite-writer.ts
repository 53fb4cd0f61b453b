import type { DatabaseSync } from 'node:sqlite';
import { TransportError } from '../errors.ts';
import { RECORD_OVERHEAD_BYTES } from './outgoing.ts';
import { createGroupWriter, type GroupWriter } from './sqlite-groups.ts';
import { unpackRecords } from './sqlite-pack.ts';
import type { Operations } from './sqlite-protocol.ts';
import { numberOf } from './sqlite-reader.ts';
import { createRetention } from './sqlite-retention.ts';

interface Head {
  readonly topicId: number;
  readonly partition: number;
  end: number;
  lastMs: number;
  addedBytes: number;
}

/** More partitions than a topic can have: packs (topic id, partition) into one number. */
const PARTITIONS_MAX = 65_536;

type WriteKind = 'append' | 'ensure' | 'retain' | 'ping';

/** Answers of the writing worker, one function a question, all within the transaction the caller holds. */
export type LogWriter = {
  readonly [Kind in WriteKind]: (ask: Operations[Kind]['ask']) => Operations[Kind]['answer'];
} & GroupWriter & {
    /** Before COMMIT: writes what was only counted so far. */
    readonly flush: () => void;
    /** After ROLLBACK. */
    readonly forget: () => void;
  };

interface Heads {
  readonly of: (topicId: number, partition: number) => Head;
  readonly flush: () => void;
  readonly forget: () => void;
}

/** Ends of the partitions one transaction appends to: read once, written once. */
const createHeads = (db: DatabaseSync): Heads => {
  const select = db.prepare('SELECT end_offset, last_ms FROM partitions WHERE topic_id = ? AND partition = ?');
  const update = db.prepare(
    'UPDATE partitions SET end_offset = ?, last_ms = ?, bytes = bytes + ? WHERE topic_id = ? AND partition = ?',
  );
  const heads = new Map<number, Head>();
  return {
    of: (topicId, partition) => {
      const known = heads.get(topicId * PARTITIONS_MAX + partition);
      if (known !== undefined) return known;
      const row = select.get(topicId, partition);
      if (row === undefined) {
        throw new TransportError('LOG_UNAVAILABLE', 'the topic is gone from the file', { retryable: true });
      }
      const head = { topicId, partition, end: numberOf(row, 'end_offset'), lastMs: numberOf(row, 'last_ms') };
      const fresh = { ...head, addedBytes: 0 };
      heads.set(topicId * PARTITIONS_MAX + partition, fresh);
      return fresh;
    },
    flush: () => {
      for (const head of heads.values()) {
        update.run(head.end, head.lastMs, head.addedBytes, head.topicId, head.partition);
      }
      heads.clear();
    },
    forget: () => heads.clear(),
  };
};

/** Builds the writer over an open database. Throws TransportError before it wrote anything, or sqlite's own errors. */
export const createLogWriter = (db: DatabaseSync, bytesMax: number | null): LogWriter => {
  const heads = createHeads(db);
  const retention = createRetention(db);
  const insert = db.prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)');
  const addTopic = db.prepare('INSERT INTO topics VALUES (NULL, ?, ?, ?, ?, ?) ON CONFLICT (topic) DO NOTHING');
  const keepFor = db.prepare('UPDATE topics SET retention_ms = ? WHERE topic = ? AND retention_ms != ?');
  const addPartition = db.prepare('INSERT INTO partitions VALUES (?, ?, 0, 0, 0, 0)');
  return {
    ...createGroupWriter(db),
    append: ({ nowMs, bytes, isBounded, records }) => {
      if (bytesMax !== null) heads.flush();
      if (bytesMax !== null && !retention.makeRoom(bytes, bytesMax) && isBounded) {
        const detail = `the log holds its ${bytesMax} bytes and the rest is not read yet`;
        throw new TransportError('LOG_FULL', detail, { retryable: true });
      }
      const items = unpackRecords(records);
      const offsets = new Float64Array(items.length);
      // All heads before the first insert: a refusal leaves nothing behind in the shared transaction.
      const targets = items.map((item) => ({ ...item, head: heads.of(item.a, item.b) }));
      for (const [index, { head, key, headers, value }] of targets.entries()) {
        // The wall clock may step back; the log's time does not.
        head.lastMs = Math.max(head.lastMs, nowMs);
        insert.run(head.topicId, head.partition, head.end, head.lastMs, key, headers, value);
        offsets[index] = head.end;
        head.end += 1;
        head.addedBytes += RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (headers?.length ?? 0) + value.length;
      }
      return offsets;
    },
    ensure: ({ specs, logIds }) => {
      for (const [index, spec] of specs.entries()) {
        const { topic, partitions, retentionMs, recordBytesMax } = spec;
        const added = addTopic.run(topic, logIds[index] ?? '', partitions, retentionMs, recordBytesMax);
        if (Number(added.changes) === 0) {
          keepFor.run(retentionMs, topic, retentionMs);
          continue;
        }
        for (let partition = 0; partition < partitions; partition += 1) {
          addPartition.run(added.lastInsertRowid, partition);
        }
      }
      return null;
    },
    retain: ({ nowMs }) => {
      heads.flush();
      return retention.step(nowMs, bytesMax);
    },
    ping: () => null,
    flush: heads.flush,
    forget: heads.forget,
  };
};
