import kafkajs, { type Kafka, type Message } from 'kafkajs';
import { createKafkaClient } from '../../services/runtime/event-log/kafka-settings.ts';
import { silentLogger } from '../support/engine.ts';
import { type KafkaBroker, startKafkaBroker } from '../support/kafka-broker.ts';
import type { Payload } from './payloads.ts';

/** One record batch of a partition: what producers fill by default is less, the OTel Collector's limit is about this. */
const BATCH_BYTES_MAX = 900_000;
const RECORD_BYTES_MAX = 22 * 1024 * 1024;
const FOREVER = '-1';

/**
 * A broker of the bench's own, also where TACHO_KAFKA_BROKERS names a cluster: groups of our services are forgotten here
 * between rounds, which must never happen to a cluster in use.
 */
export const startBenchBroker = (): Promise<KafkaBroker> => {
  delete process.env['TACHO_KAFKA_BROKERS'];
  return startKafkaBroker();
};

/** A client of the broker for making topics, filling them and forgetting groups. */
export const benchKafka = (brokers: readonly string[]): Kafka =>
  createKafkaClient(
    { brokers, clientId: 'tacho-bench', tls: false, sasl: null, manageTopics: true, replication: 1 },
    silentLogger,
  );

/** What stands in a topic. */
export interface Filled {
  readonly topic: string;
  readonly spans: number;
  readonly records: number;
  readonly bytes: number;
}

/**
 * Makes a topic and fills it, partitions in turns, one record batch at a time: the same payloads always stand at the same
 * offsets. `zstd` as our receiver writes, `none` as the OTel Collector's Kafka exporter does by default.
 */
export const fillTopic = async (
  kafka: Kafka,
  topic: string,
  partitions: number,
  payloads: Iterable<Payload>,
  compression: 'none' | 'zstd',
): Promise<Filled> => {
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = [
    { name: 'max.message.bytes', value: String(RECORD_BYTES_MAX) },
    { name: 'retention.ms', value: FOREVER },
    { name: 'message.timestamp.type', value: 'LogAppendTime' },
  ];
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitions, configEntries }] });
  await admin.disconnect();
  const producer = kafka.producer({ maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  const codec = compression === 'zstd' ? kafkajs.CompressionTypes.ZSTD : kafkajs.CompressionTypes.None;
  const total = { spans: 0, records: 0, bytes: 0 };
  let batch: Message[] = [];
  let batchBytes = 0;
  let partition = 0;
  const send = async (): Promise<void> => {
    if (batch.length === 0) return;
    await producer.send({ topic, acks: -1, timeout: 60_000, compression: codec, messages: batch });
    batch = [];
    batchBytes = 0;
    partition = (partition + 1) % partitions;
  };
  for (const { bytes, spans } of payloads) {
    if (batchBytes + bytes.length > BATCH_BYTES_MAX) await send();
    batch.push({ value: bytes, partition });
    batchBytes += bytes.length;
    total.spans += spans;
    total.records += 1;
    total.bytes += bytes.length;
  }
  await send();
  await producer.disconnect();
  return { topic, ...total };
};

/** Records of a topic that a group has not yet committed. */
export const lagOf = async (kafka: Kafka, group: string, topic: string): Promise<number> => {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const ends = await admin.fetchTopicOffsets(topic);
    const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
    return ends.reduce((lag, { partition, high }) => {
      const offset = committed?.partitions.find((one) => one.partition === partition)?.offset ?? '-1';
      return lag + Number(high) - Math.max(0, Number(offset));
    }, 0);
  } finally {
    await admin.disconnect();
  }
};

/** Forgets what a group has read, so that the next member begins where its service says; a group that is not there is fine. */
export const forgetGroup = async (kafka: Kafka, group: string): Promise<void> => {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const { groups } = await admin.listGroups();
    if (groups.some(({ groupId }) => groupId === group)) await admin.deleteGroups([group]);
  } finally {
    await admin.disconnect();
  }
};
