import { TransportError } from '../errors.ts';
import type { Clock, LogRecord, OutgoingRecord, PartitionRange, Random, RecordPosition, TopicSpec } from '../ports.ts';
import type { PartitionSlice, ReadLimits } from './backend.ts';
import { type PlacedRecord, placeRecords, RECORD_OVERHEAD_BYTES } from './outgoing.ts';
import { createListeners, type Listeners } from './waker.ts';

interface MemoryPartition {
  start: number;
  records: LogRecord[];
  lastMs: number;
}

interface MemoryTopic {
  spec: TopicSpec;
  logId: string;
  partitions: MemoryPartition[];
}

/** Topics and their records, in memory. */
export interface MemoryTopics {
  readonly create: (spec: TopicSpec) => void;
  readonly append: (records: readonly OutgoingRecord[]) => readonly RecordPosition[];
  readonly read: (topic: string, partition: number, offset: number, limits: ReadLimits) => PartitionSlice;
  /** 0 while the topic does not exist. */
  readonly partitionsOf: (topic: string) => number;
  readonly bounds: (topic: string, partition: number) => { readonly logStart: number; readonly logEnd: number };
  readonly ranges: (topic: string) => readonly PartitionRange[];
  /** Throws LOG_UNAVAILABLE for a topic that does not exist. */
  readonly logId: (topic: string) => string;
  readonly remake: (topic: string) => void;
  readonly grow: (topic: string, count: number) => void;
  readonly trim: (topic: string, partition: number, offset: number) => void;
  readonly growth: Listeners;
}

const emptyPartitions = (spec: TopicSpec): MemoryPartition[] =>
  Array.from({ length: spec.partitions }, () => ({ start: 0, records: [], lastMs: 0 }));

const parseHeaders = (headers: Uint8Array | null): Readonly<Record<string, string>> =>
  headers === null ? {} : JSON.parse(Buffer.from(headers).toString('utf8'));

const boundsOf = (held: MemoryPartition | undefined): { logStart: number; logEnd: number } => {
  const logStart = held?.start ?? 0;
  return { logStart, logEnd: logStart + (held?.records.length ?? 0) };
};

const trimTo = (held: MemoryPartition, offset: number): void => {
  const count = Math.min(Math.max(offset - held.start, 0), held.records.length);
  held.records.splice(0, count);
  held.start += count;
};

const readFrom = (held: MemoryPartition | undefined, offset: number, limits: ReadLimits): PartitionSlice => {
  const bounds = boundsOf(held);
  const records: LogRecord[] = [];
  let bytes = 0;
  let isCut = false;
  for (let at = offset - bounds.logStart; at >= 0 && !isCut; at += 1) {
    const record = held?.records[at];
    if (record === undefined) break;
    const size = RECORD_OVERHEAD_BYTES + record.value.length + (record.key?.length ?? 0);
    const isForced = limits.isFirst && records.length === 0;
    isCut = records.length >= limits.recordsMax || (bytes + size > limits.bytesMax && !isForced);
    if (isCut) break;
    records.push(record);
    bytes += size;
  }
  return { records, bytes, isCut, ...bounds };
};

/** Builds the topics of one log. Timestamps are the clock's, never going backwards within a partition. */
export const createMemoryTopics = (clock: Clock, random: Random): MemoryTopics => {
  const topics = new Map<string, MemoryTopic>();
  const growth = createListeners();
  const turns = new Map<string, number>();
  const partitionAt = (topic: string, partition: number): MemoryPartition | undefined =>
    topics.get(topic)?.partitions[partition];
  const put = (record: PlacedRecord): RecordPosition => {
    const { topic, partition } = record;
    const held = partitionAt(topic, partition);
    const spec = topics.get(topic)?.spec;
    if (held === undefined || spec === undefined) {
      throw new TransportError('LOG_UNAVAILABLE', `topic ${topic} is gone`, { retryable: true });
    }
    const timestampMs = Math.max(clock.nowMs(), held.lastMs);
    held.lastMs = timestampMs;
    const expired = held.records.findIndex((old) => old.timestampMs >= timestampMs - spec.retentionMs);
    trimTo(held, expired === -1 ? boundsOf(held).logEnd : held.start + expired);
    const offset = boundsOf(held).logEnd;
    // Copies: the caller may use its buffers again.
    const [key, value] = [record.key && Uint8Array.from(record.key), Uint8Array.from(record.value)];
    held.records.push({ offset, timestampMs, key, value, headers: parseHeaders(record.headers) });
    growth.call(`${partition}/${topic}`);
    return { topic, partition, offset };
  };
  return {
    create: (spec) => {
      if (topics.has(spec.topic)) return;
      topics.set(spec.topic, { spec, logId: random.uuid(), partitions: emptyPartitions(spec) });
    },
    append: (records) =>
      placeRecords(
        records,
        (topic) => {
          const spec = topics.get(topic)?.spec;
          return spec;
        },
        turns,
      ).map(put),
    read: (topic, partition, offset, limits) => readFrom(partitionAt(topic, partition), offset, limits),
    partitionsOf: (topic) => topics.get(topic)?.spec.partitions ?? 0,
    bounds: (topic, partition) => boundsOf(partitionAt(topic, partition)),
    ranges: (topic) =>
      (topics.get(topic)?.partitions ?? []).map((held, partition) => {
        const { logStart, logEnd } = boundsOf(held);
        return { partition, start: logStart, end: logEnd };
      }),
    logId: (topic) => {
      const found = topics.get(topic);
      if (found !== undefined) return found.logId;
      throw new TransportError('LOG_UNAVAILABLE', `topic ${topic} does not exist`, { retryable: true });
    },
    remake: (topic) => {
      const found = topics.get(topic);
      if (found === undefined) return;
      found.logId = random.uuid();
      found.partitions = emptyPartitions(found.spec);
      turns.delete(topic);
    },
    grow: (topic, count) => {
      const found = topics.get(topic);
      if (found === undefined) return;
      found.spec = { ...found.spec, partitions: found.spec.partitions + count };
      found.partitions.push(...emptyPartitions({ ...found.spec, partitions: count }));
    },
    trim: (topic, partition, offset) => {
      const held = partitionAt(topic, partition);
      if (held !== undefined) trimTo(held, offset);
    },
    growth,
  };
};
