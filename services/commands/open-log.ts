import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKafkaEventLog } from '../runtime/event-log/kafka.ts';
import type { KafkaSettings } from '../runtime/event-log/kafka-settings.ts';
import { openSqliteEventLog } from '../runtime/event-log/sqlite.ts';
import type { EventLog } from '../runtime/ports.ts';
import { makeDataFolder } from './data-folder.ts';
import { sourceTopics } from './topic-specs.ts';
import type { World } from './world.ts';

const MIB = 1024 * 1024;

/** The event log of this config: Kafka when brokers are named, else the sqlite file in the data folder. */
export const openLog = async (world: World): Promise<EventLog> => {
  const { kafka, data } = world.config;
  if (kafka.brokers.length > 0) return createKafkaEventLog(kafkaSettings(world), world);
  makeDataFolder(world.config);
  return openSqliteEventLog({
    path: join(data.dir, 'log', 'events.sqlite'),
    clock: world.clock,
    random: world.random,
    logger: world.logger,
    maxBytes: world.config.retention.log_mb_max * MIB,
    boundedTopics: sourceTopics(world.config),
  });
};

const kafkaSettings = (world: World): KafkaSettings => {
  const { kafka } = world.config;
  const read = (file: string): string | undefined => (file === '' ? undefined : readFileSync(file, 'utf8'));
  const ca = read(kafka.tls_ca_file);
  const cert = read(kafka.tls_cert_file);
  const key = read(kafka.tls_key_file);
  return {
    brokers: kafka.brokers,
    clientId: kafka.client_id,
    tls: kafka.tls
      ? {
          rejectUnauthorized: true,
          ...(ca === undefined ? {} : { ca }),
          ...(cert === undefined ? {} : { cert }),
          ...(key === undefined ? {} : { key }),
        }
      : false,
    sasl:
      kafka.sasl_mechanism === ''
        ? null
        : { mechanism: kafka.sasl_mechanism, username: kafka.sasl_username, password: kafka.sasl_password },
    manageTopics: kafka.manage_topics,
    replication: kafka.replication,
    sessionTimeoutMs: kafka.session_timeout_ms,
  };
};
