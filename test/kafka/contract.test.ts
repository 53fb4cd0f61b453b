import { afterAll, beforeAll, describe } from 'vitest';
import { createKafkaClient } from '../../services/runtime/event-log/kafka-settings.ts';
import { eventLogContract } from '../contract/event-log.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { openLog, settingsOf, testLogger, until } from './kit.ts';

describe.skipIf(!kafkaAvailable())('Kafka', () => {
  let broker: KafkaBroker;
  beforeAll(async () => {
    broker = await startKafkaBroker();
  });
  afterAll(async () => {
    await broker?.stop();
  });

  eventLogContract('kafka', async () => {
    const log = openLog(broker.brokers);
    return {
      log,
      openSecond: async () => openLog(broker.brokers),
      close: log.close,
      remake: async (topic) => {
        const admin = createKafkaClient(settingsOf(broker.brokers), testLogger).admin();
        await admin.connect();
        await admin.deleteTopics({ topics: [topic] });
        await admin.disconnect();
        await until('the topic is gone', async () => (await log.ranges(topic)).length === 0);
        return openLog(broker.brokers);
      },
    };
  });
});
