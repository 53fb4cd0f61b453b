import { TransportError } from '../errors.ts';
import type { Clock, OutgoingRecord, RecordPosition } from '../ports.ts';
import { placeRecords, recordBytes } from './outgoing.ts';
import type { WorkerLink } from './sqlite-link.ts';
import { buffersOf, packRecords } from './sqlite-pack.ts';
import type { StoredTopic } from './sqlite-protocol.ts';

/** Appends wait in memory for their transaction; beyond this the caller must slow down. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

/** The topics of the file as this process knows them; they never change, they only get more. */
export interface TopicCache {
  readonly known: ReadonlyMap<string, StoredTopic>;
  readonly refresh: () => Promise<void>;
}

type Append = (records: readonly OutgoingRecord[], signal?: AbortSignal) => Promise<readonly RecordPosition[]>;

const aborted = (signal: AbortSignal): TransportError =>
  new TransportError('ABORTED', 'append was aborted', { retryable: false, cause: signal.reason });

/** Settles with `work`, or rejects ABORTED as soon as the signal fires; the work itself goes on. */
const abortable = <T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(aborted(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
};

/** Builds `append` over the writing worker; `grown` hears of every new end. */
export const createAppend = (ports: {
  readonly clock: Clock;
  readonly writer: WorkerLink;
  readonly topics: TopicCache;
  readonly grown: (topic: string, partition: number, end: number) => void;
  /** Topics that a full file refuses; null: all of them. */
  readonly boundedTopics: ReadonlySet<string> | null;
}): Append => {
  const { clock, writer, topics, grown, boundedTopics } = ports;
  const turns = new Map<string, number>();
  let waitingBytes = 0;
  const send = async (records: readonly OutgoingRecord[]): Promise<readonly RecordPosition[]> => {
    const isKnown = records.every(({ topic }) => topics.known.has(topic));
    if (!isKnown) await topics.refresh();
    const placed = placeRecords(records, (topic) => topics.known.get(topic), turns);
    const bytes = placed.reduce((sum, record) => sum + recordBytes(record), 0);
    // A single append larger than the bound passes when nothing else waits.
    if (waitingBytes > 0 && waitingBytes + bytes > WAITING_BYTES_MAX) {
      throw new TransportError('LOG_FULL', `${waitingBytes} bytes wait to be written`, { retryable: true });
    }
    waitingBytes += bytes;
    try {
      const packed = packRecords(
        placed.map(({ topic, partition, key, headers, value }) => ({
          ...{ a: topics.known.get(topic)?.topicId ?? -1, b: partition },
          ...{ key, headers, value },
        })),
      );
      const isBounded = boundedTopics === null || records.some(({ topic }) => boundedTopics.has(topic));
      const ask = { nowMs: Math.floor(clock.nowMs()), bytes, isBounded, records: packed };
      const offsets = await writer.ask('append', ask, buffersOf(packed));
      return placed.map(({ topic, partition }, index) => {
        const offset = offsets[index] ?? Number.NaN;
        grown(topic, partition, offset + 1);
        return { topic, partition, offset };
      });
    } finally {
      waitingBytes -= bytes;
    }
  };
  return async (records, signal) => {
    if (signal?.aborted) throw aborted(signal);
    if (records.length === 0) return [];
    return abortable(send(records), signal);
  };
};
