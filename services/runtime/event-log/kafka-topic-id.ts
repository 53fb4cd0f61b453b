import type { Assigner, Broker, Cluster, Kafka } from 'kafkajs';
import { TransportError } from '../errors.ts';
import type { Clock } from '../ports.ts';
import { withDeadline } from './kafka-deadline.ts';
import { toTransportError } from './kafka-errors.ts';

const READ_DEADLINE_MS = 15_000;
const DISCONNECT_MS = 1_000;
const METADATA_API = 3;
/** The first Metadata version with topic ids (KIP-516, Kafka 2.8); kafkajs 2.2.4 itself speaks up to version 6. */
const METADATA_VERSION = 10;
const UNKNOWN_TOPIC = 3;
const OTHER_TRANSIENT = new Set([5, 6, 7]);

interface RawBroker {
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>> | null;
  readonly connectionPool: { readonly send: (request: object) => Promise<unknown> };
}

const isRaw = (broker: object): broker is RawBroker => 'versions' in broker && 'connectionPool' in broker;

const encodeRequest = (topic: string): Buffer => {
  const name = Buffer.from(topic);
  const body = Buffer.alloc(25 + name.length + 6);
  let at = 0;
  at = body.writeUInt8(0, at); // tagged fields of the flexible request header, which kafkajs does not write
  at = body.writeUInt8(2, at); // one topic (compact array: length + 1)
  at += 16; // topic id: zero, we ask by name
  at = writeVarint(body, name.length + 1, at);
  at += name.copy(body, at);
  at = body.writeUInt8(0, at); // tagged fields of the topic
  at = body.writeUInt8(0, at); // allow_auto_topic_creation: never
  at = body.writeUInt8(0, at);
  at = body.writeUInt8(0, at);
  at = body.writeUInt8(0, at); // tagged fields
  return body.subarray(0, at);
};

/** What kafkajs takes for one of its own encoders. */
const asEncoder = (bytes: Buffer) => ({ buf: bytes, buffer: bytes, size: () => bytes.length });

const writeVarint = (into: Buffer, value: number, start: number): number => {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    at = into.writeUInt8((rest & 0x7f) | 0x80, at);
    rest >>>= 7;
  }
  return into.writeUInt8(rest, at);
};

/** Walks a flexible Kafka message. Buffer reads throw at the end, so malformed answers end in an error. */
const reader = (body: Buffer) => {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = body.readUInt8(at);
      at += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  };
  const skip = (bytes: number): void => {
    at += bytes;
  };
  const text = (): void => skip(Math.max(varint() - 1, 0));
  const tags = (): void => {
    for (let left = varint(); left > 0; left -= 1) {
      varint();
      skip(varint());
    }
  };
  const int16 = (): number => {
    at += 2;
    return body.readInt16BE(at - 2);
  };
  const uuid = (): string => {
    const hex = body.toString('hex', at, at + 16);
    at += 16;
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  };
  return { varint, skip, text, tags, int16, uuid };
};

/** Metadata response v10: the first topic's error code and id. https://kafka.apache.org/protocol#The_Messages_Metadata */
const decodeResponse = (body: Buffer): { errorCode: number; topicId: string } => {
  const read = reader(body);
  read.tags(); // of the response header
  read.skip(4); // throttle time
  for (let brokers = read.varint() - 1; brokers > 0; brokers -= 1) {
    read.skip(4);
    read.text();
    read.skip(4);
    read.text();
    read.tags();
  }
  read.text(); // cluster id
  read.skip(4); // controller
  read.varint(); // number of topics: one
  const errorCode = read.int16();
  read.text();
  return { errorCode, topicId: read.uuid() };
};

const askBroker = async (broker: Broker, topic: string): Promise<string> => {
  await broker.connect();
  if (!isRaw(broker)) throw new TransportError('LOG_UNAVAILABLE', 'kafkajs changed its inside', { retryable: false });
  if ((broker.versions?.[METADATA_API]?.maxVersion ?? 0) < METADATA_VERSION) {
    throw new TransportError('LOG_UNAVAILABLE', 'the Kafka brokers are older than 2.8: they know no topic ids', {
      retryable: false,
    });
  }
  const answer = await broker.connectionPool.send({
    request: {
      apiKey: METADATA_API,
      apiVersion: METADATA_VERSION,
      apiName: 'Metadata',
      encode: async () => asEncoder(encodeRequest(topic)),
    },
    response: {
      decode: async (body: Buffer) => body,
      parse: async (body: Buffer) => decodeResponse(body),
    },
  });
  const { errorCode, topicId } = answer as ReturnType<typeof decodeResponse>;
  if (errorCode === 0) return topicId;
  throw new TransportError('LOG_UNAVAILABLE', `topic ${topic} is not there (Kafka error ${errorCode})`, {
    retryable: errorCode === UNKNOWN_TOPIC || OTHER_TRANSIENT.has(errorCode),
  });
};

/** Asks for topic ids. */
export interface TopicIds {
  /** The UUID Kafka gave this life of the topic. Throws LOG_UNAVAILABLE. */
  readonly read: (topic: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

/**
 * Topic ids straight from the brokers: made by Kafka when a topic is created, never used twice, gone with the topic.
 * kafkajs hands its connection pool only to assigners, so a consumer that never joins lends us one.
 */
export const createTopicIds = (client: Kafka, clock: Clock): TopicIds => {
  let opened: Promise<Cluster> | undefined;
  const open = async (): Promise<Cluster> => {
    let cluster: Cluster | undefined;
    client.consumer({
      groupId: 'tacho-topic-ids',
      allowAutoTopicCreation: false,
      partitionAssigners: [
        (config) => {
          cluster = config.cluster;
          return stillAssigner;
        },
      ],
    });
    if (!cluster) throw new TransportError('LOG_UNAVAILABLE', 'kafkajs changed its inside', { retryable: false });
    await cluster.connect();
    await cluster.refreshMetadata();
    return cluster;
  };
  const discard = async (): Promise<void> => {
    const old = opened;
    opened = undefined;
    const gone = old?.then((cluster) => cluster.disconnect()) ?? Promise.resolve();
    await withDeadline(clock, DISCONNECT_MS, 'disconnect', gone).catch(() => {});
  };
  return {
    read: async (topic) => {
      opened ??= open();
      try {
        const asked = opened.then(async (cluster) => askBroker(await cluster.findControllerBroker(), topic));
        return await withDeadline(clock, READ_DEADLINE_MS, 'topic id', asked);
      } catch (error) {
        // A deleted topic spoils nothing here, but a broken connection does.
        await discard();
        throw toTransportError(error, `cannot read the id of topic ${topic}`);
      }
    },
    close: discard,
  };
};

const stillAssigner: Assigner = {
  name: 'tacho-none',
  version: 0,
  assign: async () => [],
  protocol: () => ({ name: 'tacho-none', metadata: Buffer.alloc(0) }),
};
