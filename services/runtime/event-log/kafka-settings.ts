import type { Kafka, LogEntry, RetryOptions, SASLOptions } from 'kafkajs';
import kafkajs from 'kafkajs';
import type { Clock, Logger, Random } from '../ports.ts';
import { registerKafkaCodecs } from './kafka-codecs.ts';
import { type KafkaTls, tlsOptions } from './kafka-tls.ts';
import { silenceNegativeTimeouts } from './kafka-warnings.ts';

/** SASL log-in. */
export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** How to reach a Kafka cluster (2.8 or newer) and what we may do there. */
export interface KafkaSettings {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly tls: KafkaTls | false;
  readonly sasl: KafkaSasl | null;
  /** false: topics are made by somebody else, `ensureTopics` only checks that they are there. */
  readonly manageTopics: boolean;
  /** Replication factor of topics we create. */
  readonly replication: number;
  /** A member that was not heard of for so long loses its partitions. Default 10 000. */
  readonly sessionTimeoutMs?: number;
}

/** What the adapter takes from the world. */
export interface KafkaDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Below the broker's default group.max.session.timeout.ms, long enough for a garbage collection or a slow disk. */
export const SESSION_TIMEOUT_MS = 10_000;
const CONNECTION_TIMEOUT_MS = 5_000;
const AUTHENTICATION_TIMEOUT_MS = 10_000;
/** The client's own default; also how long an acks −1 write may take. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Ask kafkajs to notice new partitions and moved leaders at least this often. */
export const METADATA_AGE_MS = 30_000;

/** Every number of kafkajs' retrier: its defaults differ when NODE_ENV is 'test'. About 7 s in all. */
export const RETRY: RetryOptions = {
  initialRetryTime: 100,
  maxRetryTime: 3_000,
  factor: 0.2,
  multiplier: 2,
  retries: 6,
};

const saslOptions = ({ mechanism, username, password }: KafkaSasl): SASLOptions => ({ mechanism, username, password });

/** kafkajs reports as an error what it then retries, so its errors are our warnings and its warnings our details. */
const logTo =
  (logger: Logger) =>
  () =>
  ({ level, log }: LogEntry): void => {
    const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...fields } = log;
    if (level === kafkajs.logLevel.ERROR) logger.warn({ ...fields, detail: message }, 'kafka client reports an error');
    else logger.debug({ ...fields, detail: message }, 'kafka client');
  };

/**
 * A fresh kafkajs client. One for each consumer: members that share a client overwrite each other's offsets inside it
 * (kafkajs keeps one offset table per client and group). Throws ConfigError for certificates and keys that are none.
 */
export const createKafkaClient = (settings: KafkaSettings, logger: Logger): Kafka => {
  registerKafkaCodecs();
  silenceNegativeTimeouts();
  return new kafkajs.Kafka({
    brokers: [...settings.brokers],
    clientId: settings.clientId,
    ssl: settings.tls ? tlsOptions(settings.tls) : false,
    ...(settings.sasl ? { sasl: saslOptions(settings.sasl) } : {}),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    authenticationTimeout: AUTHENTICATION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    enforceRequestTimeout: true,
    retry: RETRY,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: logTo(logger),
  });
};
