import { TOPIC_RECORD_BYTES_MAX } from '../../../schemas/topics.ts';
import { TransportError } from '../errors.ts';
import type { Consumer, EventLog, TopicSpec } from '../ports.ts';
import { createKafkaAdmin, type KafkaAdmin } from './kafka-admin.ts';
import { createAppender } from './kafka-append.ts';
import { startKafkaConsumer } from './kafka-consumer.ts';
import { createKafkaClient, type KafkaDeps, type KafkaSettings } from './kafka-settings.ts';
import { createTopicIds } from './kafka-topic-id.ts';

const ensure = async (admin: KafkaAdmin, settings: KafkaSettings, specs: readonly TopicSpec[]): Promise<void> => {
  const existing = await admin.topics();
  const missing = specs.filter(({ topic }) => !existing.has(topic));
  if (missing.length > 0 && !settings.manageTopics) {
    const names = missing.map(({ topic }) => topic).join(', ');
    throw new TransportError('LOG_UNAVAILABLE', `topics are missing and manage_topics is false: ${names}`, {
      retryable: false,
    });
  }
  for (const spec of missing) await admin.createTopic(spec, settings.replication);
};

/**
 * The event log on Kafka 2.8 or newer, through kafkajs. Connects when first used. `logId` is the topic id Kafka gives
 * every topic at its creation: never used twice, so a topic made anew, or one on another cluster, has another.
 */
export const createKafkaEventLog = (settings: KafkaSettings, deps: KafkaDeps): EventLog => {
  const client = createKafkaClient(settings, deps.logger);
  const admin = createKafkaAdmin(client, deps.clock);
  const topicIds = createTopicIds(client, deps.clock);
  const limits = new Map<string, number>();
  const limitOf = (topic: string): number => limits.get(topic) ?? TOPIC_RECORD_BYTES_MAX;
  const appender = createAppender(client, admin, deps.clock, limitOf);
  const consumers = new Set<Consumer>();
  const reads = { committed: admin.committed, ranges: admin.ranges, logId: topicIds.read };
  return {
    kind: 'kafka',
    ensureTopics: async (specs) => {
      await ensure(admin, settings, specs);
      for (const { topic, recordBytesMax } of specs) limits.set(topic, recordBytesMax);
    },
    append: appender.append,
    consume: async (options) => {
      const consumer = startKafkaConsumer({ settings, deps, admin, reads, options });
      consumers.add(consumer);
      return consumer;
    },
    ranges: admin.ranges,
    committed: admin.committed,
    logId: topicIds.read,
    ping: admin.ping,
    close: async () => {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      await appender.close();
      await topicIds.close();
      await admin.close();
    },
  };
};
