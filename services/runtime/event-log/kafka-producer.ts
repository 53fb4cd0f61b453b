import type { Kafka, Message, Producer, RecordMetadata } from 'kafkajs';
import kafkajs from 'kafkajs';
import { TransportError } from '../errors.ts';
import type { Clock, OutgoingRecord, RecordPosition } from '../ports.ts';
import { withDeadline } from './kafka-deadline.ts';
import { toTransportError } from './kafka-errors.ts';
import { installFastRecords } from './kafka-fast-records.ts';
import { METADATA_AGE_MS, REQUEST_TIMEOUT_MS, RETRY } from './kafka-settings.ts';

/** A record with the partition chosen for it, waiting to be sent. */
export interface Placed {
  readonly record: OutgoingRecord;
  readonly partition: number;
  /** Which of the records of its append it is. */
  readonly index: number;
  readonly ticket: AppendTicket;
}

/** One append, whose records may travel in several rounds. */
export interface AppendTicket {
  readonly landed: (index: number, position: RecordPosition) => void;
  readonly failed: (error: TransportError) => void;
  /** It has given up already. */
  readonly isGone: () => boolean;
}

/** Below this zstd costs more than it saves. */
const COMPRESS_BYTES_MIN = 1_024;
/** A round with kafkajs' own retries (about 7 s); after this the writer is told to try again. */
const ROUND_DEADLINE_MS = 20_000;
const DISCONNECT_MS = 1_000;

const toMessage = ({ record, partition }: Placed): Message => {
  const { key, value, headers } = record;
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return headers === undefined
    ? { partition, key, value: bytes }
    : { partition, key, value: bytes, headers: { ...headers } };
};

const lane = (topic: string, partition: number): string => `${partition} ${topic}`;

/** Kafka has the records, but not what it calls them: the writer retries and readers recognise the duplicates. */
const unplaced = (): TransportError =>
  new TransportError('LOG_UNAVAILABLE', 'Kafka confirmed records without their offsets', { retryable: true });

/** Hands each record its position: the base offset of its partition plus its place among the records sent there. */
const settle = (round: readonly Placed[], metadata: readonly RecordMetadata[]): void => {
  const next = new Map<string, number>();
  for (const { topicName, partition, baseOffset } of metadata) {
    if (baseOffset !== undefined && Number(baseOffset) >= 0) next.set(lane(topicName, partition), Number(baseOffset));
  }
  for (const placed of round) {
    const key = lane(placed.record.topic, placed.partition);
    const offset = next.get(key);
    if (offset === undefined) {
      placed.ticket.failed(unplaced());
      continue;
    }
    next.set(key, offset + 1);
    placed.ticket.landed(placed.index, { topic: placed.record.topic, partition: placed.partition, offset });
  }
};

const byTopic = (round: readonly Placed[]): { topic: string; messages: Message[] }[] => {
  const topics = new Map<string, Message[]>();
  for (const placed of round) {
    const messages = topics.get(placed.record.topic);
    if (messages) messages.push(toMessage(placed));
    else topics.set(placed.record.topic, [toMessage(placed)]);
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }));
};

const bytesOf = (round: readonly Placed[]): number => round.reduce((sum, { record }) => sum + record.value.length, 0);

/** Sends rounds of records, one after the other. */
export interface RoundSender {
  /** Every record of the round has landed or failed when this resolves; never throws. */
  readonly send: (round: readonly Placed[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * Idempotent, acks −1. After any failure the producer is made anew: kafkajs' sequence numbers may then differ from the
 * broker's, and every later send of the old one would be refused as out of sequence.
 */
export const createRoundSender = (client: Kafka, clock: Clock): RoundSender => {
  installFastRecords();
  let current: Producer | undefined;
  const discard = async (): Promise<void> => {
    const old = current;
    current = undefined;
    const gone = old?.disconnect() ?? Promise.resolve();
    await withDeadline(clock, DISCONNECT_MS, 'disconnect', gone).catch(() => {});
  };
  const connect = async (): Promise<Producer> => {
    if (current) return current;
    const producer = client.producer({
      idempotent: true,
      // kafkajs sends one request a broker at a time when idempotent; more would not be in order.
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      metadataMaxAge: METADATA_AGE_MS,
      retry: RETRY,
    });
    await producer.connect();
    current = producer;
    return producer;
  };
  const sendTo = async (round: readonly Placed[]): Promise<readonly RecordMetadata[]> => {
    const producer = await connect();
    const types = kafkajs.CompressionTypes;
    return producer.sendBatch({
      acks: -1,
      timeout: REQUEST_TIMEOUT_MS,
      compression: bytesOf(round) < COMPRESS_BYTES_MIN ? types.None : types.ZSTD,
      topicMessages: byTopic(round),
    });
  };
  const attempt = async (round: readonly Placed[]): Promise<TransportError | null> => {
    try {
      const metadata = await withDeadline(clock, ROUND_DEADLINE_MS, 'Kafka did not take the records', sendTo(round));
      settle(round, metadata);
      return null;
    } catch (error) {
      await discard();
      return toTransportError(error, 'Kafka did not take the records');
    }
  };
  // One record too large fails the whole batch: halve it until the culprit stands alone, so nobody else pays.
  const send = async (round: readonly Placed[]): Promise<void> => {
    const waiting = round.filter((placed) => !placed.ticket.isGone());
    if (waiting.length === 0) return;
    const error = await attempt(waiting);
    if (!error) return;
    if (error.code !== 'LOG_RECORD_TOO_LARGE' || waiting.length === 1) {
      for (const placed of waiting) placed.ticket.failed(error);
      return;
    }
    const middle = Math.ceil(waiting.length / 2);
    await send(waiting.slice(0, middle));
    await send(waiting.slice(middle));
  };
  return { send, close: discard };
};
