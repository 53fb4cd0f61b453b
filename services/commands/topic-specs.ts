import { dlqOf, TOPIC_RECORD_BYTES_MAX, TOPICS } from '../../schemas/topics.ts';
import type { Config } from '../runtime/config-schema.ts';
import type { TopicSpec } from '../runtime/ports.ts';

/** Partitions of the embedded log: two show every effect of partitioning, more would cost memory for nothing. */
const EMBEDDED_PARTITIONS = 2;
const HOUR_MS = 3_600_000;

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
  return [...names.map((name) => spec(name, partitions)), ...names.map((name) => spec(dlqOf(name), 1))];
};
