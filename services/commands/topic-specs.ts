import { dlqOf, TOPIC_RECORD_BYTES_MAX, TOPICS } from '../../schemas/topics.ts';
import type { Config } from '../runtime/config-schema.ts';
import type { TopicSpec } from '../runtime/ports.ts';

/** Partitions of the embedded log: two show every effect of partitioning, more would cost memory for nothing. */
const EMBEDDED_PARTITIONS = 2;
/** A dead letter is its record and some headers more: the largest record must still find room. */
const DEAD_LETTER_HEADER_BYTES_MAX = 64 * 1024;
const HOUR_MS = 3_600_000;

/** Where telemetry comes in: what may be refused, for its senders keep it. */
export const sourceTopics = (config: Config): readonly string[] => [
  ...new Set([TOPICS.spans, TOPICS.logs, TOPICS.actions, ...config.kafka.sources.map(({ topic }) => topic)]),
];

/** Every topic this system needs, with its partitions and retention. Sources of other producers are theirs to create. */
export const topicSpecs = (config: Config): readonly TopicSpec[] => {
  const partitions = config.kafka.brokers.length > 0 ? config.kafka.partitions : EMBEDDED_PARTITIONS;
  const retentionMs = config.retention.topic_hours * HOUR_MS;
  const names = Object.values(TOPICS);
  const spec = (topic: string, count: number): TopicSpec => ({
    topic,
    partitions: count,
    retentionMs,
    recordBytesMax: TOPIC_RECORD_BYTES_MAX,
  });
  // Also of foreign topics: a refused record waits for its dead letter, and the partition with it.
  const read = new Set([...names, ...config.kafka.sources.map((source) => source.topic)]);
  const deadLetters = [...read].map((name) => ({
    ...spec(dlqOf(name), 1),
    recordBytesMax: TOPIC_RECORD_BYTES_MAX + DEAD_LETTER_HEADER_BYTES_MAX,
  }));
  return [...names.map((name) => spec(name, partitions)), ...deadLetters];
};
