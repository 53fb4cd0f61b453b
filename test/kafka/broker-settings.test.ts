import { randomBytes } from 'node:crypto';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dlqOf, TOPIC_RECORD_BYTES_MAX, TOPICS } from '../../schemas/topics.ts';
import { topicSpecs } from '../../services/commands/topic-specs.ts';
import { loadConfig } from '../../services/runtime/config.ts';
import { brokerSettings, type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { openLog } from './kit.ts';

/** Of a record batch, a record and its key; the limit counts them. */
const FRAMING_BYTES = 1_024;

/** A cluster that was given to the tests has settings of its own. */
const isOurs = kafkaAvailable() && process.env['TACHO_KAFKA_BROKERS'] === undefined;

describe.runIf(isOurs)('a broker with the settings that are shipped', () => {
  let broker: KafkaBroker;
  beforeAll(async () => {
    broker = await startKafkaBroker();
  });
  afterAll(() => broker.stop());

  test('says of itself every value of deploy/kafka/broker.properties', async () => {
    const admin = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.BROKER, name: '1' }],
    });
    await admin.disconnect();
    const told = new Map(resources[0]?.configEntries.map((entry) => [entry.configName, entry.configValue]));
    const wanted = brokerSettings().map((line) => line.split('='));
    expect(wanted.length).toBeGreaterThan(8);
    expect(wanted.map(([key = '']) => [key, told.get(key)])).toEqual(wanted);
  });

  test('takes the largest record of every topic of ours and the largest dead letter', async () => {
    const log = openLog(broker.brokers);
    try {
      await log.ensureTopics(
        topicSpecs(loadConfig(null, { TACHO_KAFKA_BROKERS: broker.brokers[0], TACHO_KAFKA_PARTITIONS: '1' })),
      );
      // Random bytes: what compresses well would pass any limit.
      const largest = randomBytes(TOPIC_RECORD_BYTES_MAX - FRAMING_BYTES);
      for (const topic of [TOPICS.spans, dlqOf(TOPICS.spans)]) {
        const [position] = await log.append([{ topic, key: 'k', value: largest, headers: {} }]);
        expect(position).toMatchObject({ topic, offset: 0 });
      }
    } finally {
      await log.close();
    }
  });
});
