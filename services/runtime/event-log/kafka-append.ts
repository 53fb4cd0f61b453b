import type { Kafka } from 'kafkajs';
import { assert, TransportError } from '../errors.ts';
import type { Clock, OutgoingRecord, RecordPosition } from '../ports.ts';
import type { KafkaAdmin } from './kafka-admin.ts';
import { untilAborted } from './kafka-deadline.ts';
import { type AppendTicket, createRoundSender, type Placed } from './kafka-producer.ts';
import { METADATA_AGE_MS } from './kafka-settings.ts';
import { partitionOf } from './murmur2.ts';

/** Appends of the same moment share a request: a few milliseconds are little beside the round trip to the replicas. */
const LINGER_MS = 2;
/**
 * One batch of one partition: below max.message.bytes of a topic that nobody configured (1 MiB), so that grouping
 * never makes a batch too large whose records alone are not. A larger record travels alone.
 */
const LANE_BYTES_MAX = 900 * 1024;
/** kafkajs copies its list for each record it groups: beyond this the copying costs more than a further request. */
const LANE_RECORDS_MAX = 250;
/** A whole request, well below the broker's socket.request.max.bytes (100 MiB). */
const ROUND_BYTES_MAX = 32 * 1024 * 1024;
/** Waiting bytes beyond this are refused, so that a slow cluster fills the senders' queues and not our memory. */
const QUEUE_BYTES_MAX = 128 * 1024 * 1024;
/** A record as Kafka counts it, besides key, value and headers; generous. */
const RECORD_OVERHEAD_BYTES = 64;

interface Waiting extends Placed {
  readonly bytes: number;
}

/** Writes records; see EventLog.append. */
export interface Appender {
  readonly append: (records: readonly OutgoingRecord[], signal?: AbortSignal) => Promise<readonly RecordPosition[]>;
  /** Waits for what was accepted, then lets go. */
  readonly close: () => Promise<void>;
}

const bytesOf = ({ key, value, headers }: OutgoingRecord): number => {
  let bytes = RECORD_OVERHEAD_BYTES + value.length + (key === null ? 0 : Buffer.byteLength(key));
  if (headers === undefined) return bytes;
  for (const [name, text] of Object.entries(headers)) bytes += Buffer.byteLength(name) + Buffer.byteLength(text);
  return bytes;
};

/** Takes from the front of every lane what fits into one request; order within a lane is kept. */
const takeRound = (lanes: Map<string, Waiting[]>): readonly Waiting[] => {
  const round: Waiting[] = [];
  let roundBytes = 0;
  for (const [key, lane] of lanes) {
    let laneBytes = 0;
    let count = 0;
    for (const { bytes } of lane) {
      const isFull = count >= LANE_RECORDS_MAX || laneBytes + bytes > LANE_BYTES_MAX || roundBytes > ROUND_BYTES_MAX;
      if (isFull && (count > 0 || roundBytes > ROUND_BYTES_MAX)) break;
      laneBytes += bytes;
      roundBytes += bytes;
      count += 1;
    }
    round.push(...lane.splice(0, count));
    if (lane.length === 0) lanes.delete(key);
  }
  return round;
};

/** How many partitions a topic has, asked again after METADATA_AGE_MS. */
const createPartitionCounts = (admin: KafkaAdmin, clock: Clock) => {
  const known = new Map<string, { readonly count: number; readonly askedAtMs: number }>();
  return async (topic: string): Promise<number> => {
    const cached = known.get(topic);
    if (cached && Math.abs(clock.nowMs() - cached.askedAtMs) < METADATA_AGE_MS) return cached.count;
    const count = await admin.partitions(topic);
    if (count === 0) {
      throw new TransportError('LOG_UNAVAILABLE', `topic ${topic} does not exist`, { retryable: true });
    }
    known.set(topic, { count, askedAtMs: clock.nowMs() });
    return count;
  };
};

/** Chooses partitions: the given one, else by key as Java does, else round robin. */
const createPlacement = (admin: KafkaAdmin, clock: Clock) => {
  const counts = createPartitionCounts(admin, clock);
  const turns = new Map<string, number>();
  return async (records: readonly OutgoingRecord[]): Promise<readonly number[]> => {
    const topics = new Map<string, number>();
    for (const { topic } of records) if (!topics.has(topic)) topics.set(topic, await counts(topic));
    // Steps of one run stand together.
    let last: { readonly topic: string; readonly key: string; readonly partition: number } | null = null;
    return records.map(({ topic, key, partition }) => {
      const count = topics.get(topic) ?? 1;
      if (partition !== undefined) {
        const isInside = Number.isInteger(partition) && partition >= 0 && partition < count;
        assert(isInside, `topic ${topic} has no partition ${partition}`);
        return partition;
      }
      if (key !== null) {
        if (last === null || last.key !== key || last.topic !== topic)
          last = { topic, key, partition: partitionOf(key, count) };
        return last.partition;
      }
      const turn = turns.get(topic) ?? 0;
      turns.set(topic, turn + 1);
      return turn % count;
    });
  };
};

/**
 * Groups concurrent appends into few requests. `limitOf`: the largest record of a topic in bytes as far as we know it;
 * Kafka itself limits compressed batches, so without it a reader could meet more than the topic promises.
 */
export const createAppender = (
  client: Kafka,
  admin: KafkaAdmin,
  clock: Clock,
  limitOf: (topic: string) => number,
): Appender => {
  const sender = createRoundSender(client, clock);
  const place = createPlacement(admin, clock);
  const lanes = new Map<string, Waiting[]>();
  let waitingBytes = 0;
  let pump: Promise<void> | undefined;
  let isClosed = false;

  const run = async (): Promise<void> => {
    await clock.sleep(LINGER_MS);
    while (lanes.size > 0) {
      const round = takeRound(lanes);
      await sender.send(round);
      waitingBytes -= round.reduce((sum, { bytes }) => sum + bytes, 0);
    }
    pump = undefined;
  };
  const enqueue = (records: readonly OutgoingRecord[], partitions: readonly number[], bytes: number[]) =>
    new Promise<readonly RecordPosition[]>((resolve, reject) => {
      const positions: RecordPosition[] = [];
      let missing = records.length;
      let isGone = false;
      const ticket: AppendTicket = {
        landed: (index, position) => {
          positions[index] = position;
          missing -= 1;
          if (missing === 0) resolve(positions);
        },
        failed: (error) => {
          isGone = true;
          reject(error);
        },
        isGone: () => isGone,
      };
      records.forEach((record, index) => {
        const partition = partitions[index] ?? 0;
        const key = `${partition} ${record.topic}`;
        const lane = lanes.get(key) ?? [];
        lanes.set(key, lane);
        lane.push({ record, partition, index, ticket, bytes: bytes[index] ?? 0 });
      });
      pump ??= run();
    });
  return {
    append: async (records, signal) => {
      if (records.length === 0) return [];
      if (isClosed) throw new TransportError('LOG_UNAVAILABLE', 'the event log is closed', { retryable: false });
      if (signal?.aborted) throw new TransportError('ABORTED', 'append was aborted', { retryable: false });
      const bytes = records.map(bytesOf);
      const sum = bytes.reduce((a, b) => a + b, 0);
      refuseOversized(records, bytes, limitOf);
      // A single append larger than the queue is let through when nothing waits: else it could never be written.
      if (waitingBytes > 0 && waitingBytes + sum > QUEUE_BYTES_MAX) {
        throw new TransportError('LOG_FULL', 'too many bytes wait to be written', { retryable: true });
      }
      waitingBytes += sum;
      let partitions: readonly number[];
      try {
        partitions = await place(records);
      } catch (error) {
        waitingBytes -= sum;
        throw error;
      }
      // When the signal fires the caller stops waiting; the records may land all the same.
      const landed = enqueue(records, partitions, bytes);
      return signal ? untilAborted(landed, signal, 'append') : landed;
    },
    close: async () => {
      isClosed = true;
      await pump;
      await sender.close();
    },
  };
};

const refuseOversized = (
  records: readonly OutgoingRecord[],
  bytes: readonly number[],
  limitOf: (topic: string) => number,
): void => {
  records.forEach(({ topic }, index) => {
    const size = bytes[index] ?? 0;
    if (size <= limitOf(topic)) return;
    const detail = `record of ${size} bytes, topic ${topic} takes ${limitOf(topic)}`;
    throw new TransportError('LOG_RECORD_TOO_LARGE', detail, { retryable: false });
  });
};
