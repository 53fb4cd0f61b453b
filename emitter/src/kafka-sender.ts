import kafkajs, { type Producer } from 'kafkajs';
import { COMPRESSION, createKafkaClient, type KafkaClient } from './kafka-client.ts';
import type { OutboundRecord } from './outbound.ts';
import type { KafkaPlace } from './settings.ts';
import { pause, withDeadline, within } from './world.ts';

/** Below this compression costs more than it saves. */
const COMPRESS_BYTES_MIN = 1_024;
/** One round with kafkajs' own few retries. */
const ROUND_DEADLINE_MS = 20_000;
const ACK_TIMEOUT_MS = 15_000;
const DISCONNECT_MS = 1_000;
const METADATA_AGE_MS = 30_000;

/** What became of a round: `sent` of its records, from the front, are settled; `refused` of them the broker never takes. */
export interface RoundResult {
  readonly settled: number;
  readonly refusedItems: number;
  /** Why the rest was not sent; null when all was. */
  readonly error: Error | null;
}

/** Sends rounds of records, one after the other. */
export interface Sender {
  /** Never throws. */
  readonly send: (round: readonly OutboundRecord[]) => Promise<RoundResult>;
  readonly close: () => Promise<void>;
}

/**
 * Idempotent, acks −1, placed by key as Kafka's Java client does. After any failure the producer is made anew: kafkajs'
 * sequence numbers may then differ from the broker's. So a record may stand twice in the topic; never not at all.
 */
export const createSender = (place: KafkaPlace): Sender => {
  let current: { readonly client: KafkaClient; readonly producer: Producer } | null = null;

  const discard = async (): Promise<void> => {
    const old = current;
    current = null;
    if (old === null) return;
    const gone = old.producer.disconnect();
    // A broker that does not answer must not hold up the end: one turn for the goodbye, then the line is cut.
    await within(DISCONNECT_MS, gone);
    old.client.cut();
  };
  const connected = async (): Promise<Producer> => {
    if (current !== null) return current.producer;
    const client = createKafkaClient(place);
    const producer = client.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      metadataMaxAge: METADATA_AGE_MS,
    });
    current = { client, producer };
    await producer.connect();
    return producer;
  };
  const attempt = async (round: readonly OutboundRecord[]): Promise<Error | null> => {
    try {
      const sending = connected().then((producer) =>
        producer.sendBatch({
          acks: -1,
          timeout: ACK_TIMEOUT_MS,
          compression: valueBytes(round) < COMPRESS_BYTES_MIN ? kafkajs.CompressionTypes.None : COMPRESSION,
          topicMessages: byTopic(round),
        }),
      );
      await withDeadline(ROUND_DEADLINE_MS, 'Kafka', sending);
      return null;
    } catch (error) {
      await discard();
      // kafkajs settles its own bookkeeping in later turns; a new client does not wait for it.
      await pause(0);
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  // One record too large fails its whole batch: halved until it stands alone, so that nobody else pays.
  const send = async (round: readonly OutboundRecord[]): Promise<RoundResult> => {
    const error = await attempt(round);
    if (error === null) return { settled: round.length, refusedItems: 0, error: null };
    if (!isTooLarge(error)) return { settled: 0, refusedItems: 0, error };
    if (round.length === 1) return { settled: 1, refusedItems: round[0]?.items ?? 0, error: null };
    const middle = Math.ceil(round.length / 2);
    const first = await send(round.slice(0, middle));
    if (first.error !== null) return first;
    const second = await send(round.slice(middle));
    return {
      settled: first.settled + second.settled,
      refusedItems: first.refusedItems + second.refusedItems,
      error: second.error,
    };
  };
  return { send, close: discard };
};

const valueBytes = (round: readonly OutboundRecord[]): number =>
  round.reduce((sum, { value }) => sum + value.length, 0);

const byTopic = (round: readonly OutboundRecord[]) => {
  const topics = new Map<string, { key: string; value: Buffer; headers: Record<string, string> }[]>();
  for (const { topic, key, value, headers } of round) {
    const messages = topics.get(topic) ?? [];
    topics.set(topic, messages);
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    messages.push({ key, value: bytes, headers: { ...headers } });
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }));
};

const TOO_LARGE: ReadonlySet<unknown> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
const CAUSES_MAX = 8;

/** The protocol's own word for it, somewhere in the chain of causes. */
const isTooLarge = (error: unknown): boolean => {
  for (let at: unknown = error, depth = 0; depth < CAUSES_MAX && at instanceof Error; depth++) {
    if ('type' in at && TOO_LARGE.has(at.type)) return true;
    at = at.cause ?? ('originalError' in at ? at.originalError : undefined);
  }
  return false;
};
