import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { TransportError } from '../errors.ts';
import { RECORD_OVERHEAD_BYTES } from './outgoing.ts';
import { type PackItem, packRecords } from './sqlite-pack.ts';
import type { Operations, StoredTopic, WorkerMessage } from './sqlite-protocol.ts';

type Columns = Readonly<Record<string, SQLOutputValue>>;

/** A column that holds a number by schema. */
export const numberOf = (columns: Columns | undefined, name: string): number => Number(columns?.[name] ?? 0);
/** A column that holds text by schema. */
export const textOf = (columns: Columns | undefined, name: string): string => String(columns?.[name] ?? '');

const blobOf = (value: SQLOutputValue | undefined): Uint8Array | null => (value instanceof Uint8Array ? value : null);

const readStoredTopics = (db: DatabaseSync): readonly StoredTopic[] =>
  db
    .prepare('SELECT * FROM topics ORDER BY topic_id')
    .all()
    .map((columns) => ({
      ...{ topicId: numberOf(columns, 'topic_id'), topic: textOf(columns, 'topic') },
      ...{ logId: textOf(columns, 'log_id'), partitions: numberOf(columns, 'partitions') },
      retentionMs: numberOf(columns, 'retention_ms'),
      recordBytesMax: numberOf(columns, 'record_bytes_max'),
    }));

type ReadAnswer = Operations['read']['answer'];

/** One read transaction a slice, so that start, end and records are of one moment. */
const createRecordReader = (db: DatabaseSync): ((ask: Operations['read']['ask']) => ReadAnswer) => {
  const bounds = db.prepare('SELECT start_offset, end_offset FROM partitions WHERE topic_id = ? AND partition = ?');
  const rows = db.prepare(
    'SELECT offset, ms, key, headers, value FROM records WHERE topic_id = ? AND partition = ? AND offset >= ? ORDER BY offset',
  );
  const collect = (ask: Operations['read']['ask']): Pick<ReadAnswer, 'records' | 'bytes' | 'isCut'> => {
    const items: PackItem[] = [];
    let [bytes, isCut] = [0, false];
    for (const row of rows.iterate(ask.topicId, ask.partition, ask.offset)) {
      const [key, headers, value] = [blobOf(row['key']), blobOf(row['headers']), blobOf(row['value'])];
      const item = {
        ...{ a: numberOf(row, 'offset'), b: numberOf(row, 'ms') },
        ...{ key, headers, value: value ?? new Uint8Array(0) },
      };
      const size = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (headers?.length ?? 0) + item.value.length;
      const isForced = ask.isFirst && items.length === 0;
      isCut = items.length >= ask.recordsMax || (bytes + size > ask.bytesMax && !isForced);
      if (isCut) break;
      items.push(item);
      bytes += size;
    }
    return { records: packRecords(items), bytes, isCut };
  };
  return (ask) => {
    db.exec('BEGIN');
    try {
      const found = bounds.get(ask.topicId, ask.partition);
      return { ...collect(ask), logStart: numberOf(found, 'start_offset'), logEnd: numberOf(found, 'end_offset') };
    } finally {
      db.exec('ROLLBACK');
    }
  };
};

type ReadKind = 'topics' | 'read' | 'facts' | 'ranges' | 'committed' | 'ping';

/** Answers of the reading worker, one function a question. */
export type LogReader = {
  readonly [Kind in ReadKind]: (ask: Operations[Kind]['ask']) => Operations[Kind]['answer'];
} & {
  /** What changed in the file since the last call by anyone's hand; null when nothing did. */
  readonly news: () => Extract<WorkerMessage, { kind: 'news' }> | null;
};

const createNews = (db: DatabaseSync): LogReader['news'] => {
  const version = db.prepare('PRAGMA data_version');
  const ends = db.prepare('SELECT topic, partition, end_offset FROM partitions JOIN topics USING (topic_id)');
  const groups = db.prepare('SELECT name, version FROM groups');
  const seen = new Map<string, number>();
  let seenVersion = -1;
  const isNew = (key: string, value: number): boolean => {
    const isChanged = seen.get(key) !== value;
    seen.set(key, value);
    return isChanged;
  };
  return () => {
    // First the version, then the content: a change in between is seen again by the next call.
    const current = numberOf(version.get(), 'data_version');
    if (current === seenVersion) return null;
    seenVersion = current;
    const news = {
      kind: 'news' as const,
      ends: ends
        .all()
        .map((row) => ({
          ...{ topic: textOf(row, 'topic'), partition: numberOf(row, 'partition') },
          end: numberOf(row, 'end_offset'),
        }))
        .filter((row) => isNew(`e${row.partition}/${row.topic}`, row.end)),
      groups: groups
        .all()
        .map((row) => ({ group: textOf(row, 'name'), version: numberOf(row, 'version') }))
        .filter((row) => isNew(`g${row.group}`, row.version)),
    };
    return news.ends.length + news.groups.length > 0 ? news : null;
  };
};

/** Builds the reader over an open database. Throws TransportError or sqlite's own errors. */
export const createLogReader = (db: DatabaseSync): LogReader => {
  const facts = db.prepare(
    `SELECT log_id, start_offset, end_offset, offset, metadata FROM topics
     JOIN partitions USING (topic_id)
     LEFT JOIN commits ON commits.topic_id = topics.topic_id AND commits.partition = partitions.partition AND group_name = ?
     WHERE topic = ? AND partitions.partition = ?`,
  );
  const ranges = db.prepare(
    'SELECT partition, start_offset, end_offset FROM partitions JOIN topics USING (topic_id) WHERE topic = ?',
  );
  const committed = db.prepare(
    'SELECT partition, offset, metadata FROM commits JOIN topics USING (topic_id) WHERE group_name = ? AND topic = ?',
  );
  return {
    topics: () => readStoredTopics(db),
    read: createRecordReader(db),
    facts: ({ group, topic, partition }) => {
      const row = facts.get(group, topic, partition);
      if (row === undefined) {
        throw new TransportError('LOG_UNAVAILABLE', `topic ${topic} does not exist`, { retryable: true });
      }
      const commit = { offset: numberOf(row, 'offset'), metadata: textOf(row, 'metadata') };
      return {
        ...{ logId: textOf(row, 'log_id'), committed: row['offset'] === null ? null : commit },
        ...{ logStart: numberOf(row, 'start_offset'), logEnd: numberOf(row, 'end_offset') },
      };
    },
    ranges: ({ topic }) =>
      ranges.all(topic).map((row) => ({
        partition: numberOf(row, 'partition'),
        ...{ start: numberOf(row, 'start_offset'), end: numberOf(row, 'end_offset') },
      })),
    committed: ({ group, topic }) =>
      committed.all(group, topic).map((row) => ({
        partition: numberOf(row, 'partition'),
        ...{ offset: numberOf(row, 'offset'), metadata: textOf(row, 'metadata') },
      })),
    ping: () => {
      db.prepare('SELECT count(*) FROM topics').get();
      return null;
    },
    news: createNews(db),
  };
};
