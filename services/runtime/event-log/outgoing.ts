import { assert, TransportError } from '../errors.ts';
import type { OutgoingRecord } from '../ports.ts';
import { partitionOf } from './murmur2.ts';

/** What placing a record needs to know of its topic. */
export interface TopicLimits {
  readonly topic: string;
  readonly partitions: number;
  readonly recordBytesMax: number;
}

/** A record placed and encoded; `headers` null when there are none. */
export interface PlacedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Uint8Array | null;
  readonly headers: Uint8Array | null;
  readonly value: Uint8Array;
}

/** What a record is charged beside its content, as Kafka's record framing roughly is. */
export const RECORD_OVERHEAD_BYTES = 40;
const encoder = new TextEncoder();

/** Bytes a record is charged in limits: content plus framing. */
export const recordBytes = (record: PlacedRecord): number =>
  RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.headers?.length ?? 0) + record.value.length;

const headerBytes = (headers: OutgoingRecord['headers']): Uint8Array | null =>
  headers === undefined || Object.keys(headers).length === 0 ? null : encoder.encode(JSON.stringify(headers));

/**
 * Chooses partitions (given, else by key, else round robin over `turns`) and encodes keys and headers.
 * Throws TransportError: LOG_UNAVAILABLE for a topic that does not exist (yet), LOG_RECORD_TOO_LARGE.
 */
export const placeRecords = (
  records: readonly OutgoingRecord[],
  limitsOf: (topic: string) => TopicLimits | undefined,
  turns: Map<string, number>,
): readonly PlacedRecord[] =>
  records.map((record) => {
    const limits = limitsOf(record.topic);
    if (limits === undefined) {
      throw new TransportError('LOG_UNAVAILABLE', `topic ${record.topic} does not exist`, { retryable: true });
    }
    let { partition } = record;
    if (partition === undefined && record.key !== null) partition = partitionOf(record.key, limits.partitions);
    if (partition === undefined) {
      const turn = turns.get(record.topic) ?? 0;
      turns.set(record.topic, turn + 1);
      partition = turn % limits.partitions;
    }
    const isInside = Number.isInteger(partition) && partition >= 0 && partition < limits.partitions;
    assert(isInside, `topic ${record.topic} has no partition ${partition}`);
    const key = record.key === null ? null : encoder.encode(record.key);
    const placed = {
      ...{ topic: record.topic, partition, key },
      ...{ headers: headerBytes(record.headers), value: record.value },
    };
    if (recordBytes(placed) <= limits.recordBytesMax) return placed;
    const detail = `record of ${recordBytes(placed)} bytes, topic ${record.topic} takes ${limits.recordBytesMax}`;
    throw new TransportError('LOG_RECORD_TOO_LARGE', detail, { retryable: false });
  });
