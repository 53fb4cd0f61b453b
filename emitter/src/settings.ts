import type { KafkaConfig } from 'kafkajs';
import { DEFAULT_TENANT, isTenant } from '../../schemas/tenant.ts';
import { TOPICS } from '../../schemas/topics.ts';

/** How to reach Kafka. `ssl` and `sasl` go to kafkajs as they are. */
export interface KafkaPlace {
  readonly brokers: readonly string[];
  readonly clientId?: string;
  readonly ssl?: KafkaConfig['ssl'];
  readonly sasl?: KafkaConfig['sasl'];
}

/** Where records wait on disk while no broker takes them. */
export interface SpoolOptions {
  /** A folder for this purpose alone, on a local disk; made when missing. Processes of one machine may share it. */
  readonly dir: string;
  /** What all its files may take together; beyond it the newest records are dropped and counted. 256 MiB. */
  readonly bytesMax?: number;
  /**
   * 'never': what was written survives the end of the process, however it ends, but not the loss of power.
   * 'always': every write is synced before the export is confirmed. Default 'never'.
   */
  readonly fsync?: 'never' | 'always';
}

export interface EmitterOptions extends KafkaPlace {
  /** Letters, digits and `.@_-`, 64 at most. Default `default`. */
  readonly tenant?: string;
  /** Name of the service in action events that do not say one. */
  readonly service?: string;
  readonly spool?: SpoolOptions;
  /** Records and bytes that wait in memory when there is no spool; beyond either the newest are dropped and counted. */
  readonly queueRecordsMax?: number;
  readonly queueBytesMax?: number;
  /** How long `shutdown` and `forceFlush` wait for the broker. Default 5 000 ms. */
  readonly flushTimeoutMs?: number;
  readonly topics?: { readonly spans?: string; readonly logs?: string; readonly actions?: string };
  /** Id a schema registry gave to action-event.avsc, for consumers that look it up there; Tachograph takes any. */
  readonly actionSchemaId?: number;
  /** Asked for that id at the start, in place of `actionSchemaId`. */
  readonly schemaRegistry?: SchemaRegistry;
}

/** A registry that speaks Confluent's REST API. Credentials: user and password, or a bearer token. */
export interface SchemaRegistry {
  /** Such as `http://registry:8081`. */
  readonly url: string;
  /** Default: the topic of action events and `-value` (TopicNameStrategy). */
  readonly subject?: string;
  /** 'register' (default) adds the schema to the subject where it is missing; 'lookup' only asks for its id. */
  readonly mode?: 'register' | 'lookup';
  readonly username?: string;
  readonly password?: string;
  readonly token?: string;
}

/** Options with every default filled in. */
export interface Settings {
  readonly kafka: KafkaPlace;
  readonly tenant: string;
  readonly service: string;
  readonly spool: Required<SpoolOptions> | null;
  readonly queueRecordsMax: number;
  readonly queueBytesMax: number;
  readonly flushTimeoutMs: number;
  readonly topics: { readonly spans: string; readonly logs: string; readonly actions: string };
  readonly actionSchemaId: number | null;
  readonly schemaRegistry: SchemaRegistry | null;
}

/** A record is a trace's share of a batch of the SDK (512 spans at most): some minutes of a busy agent. */
const QUEUE_RECORDS_MAX = 20_000;
/** What an agent can spare: 32 MiB is some 50 000 ordinary spans. */
const QUEUE_BYTES_MAX = 32 * 1024 * 1024;
const SPOOL_BYTES_MAX = 256 * 1024 * 1024;
/** As long as BatchSpanProcessor's export timeout allows, and less than the 10 s that container runtimes give. */
const FLUSH_TIMEOUT_MS = 5_000;

/** Fills in the defaults. Throws TypeError naming what cannot be: at the start of the program, never later. */
export const settingsOf = (options: EmitterOptions): Settings => {
  const { brokers, spool } = options;
  if (!Array.isArray(brokers) || brokers.length === 0) throw new TypeError('brokers: at least one host:port');
  const tenant = options.tenant ?? DEFAULT_TENANT;
  if (!isTenant(tenant)) throw new TypeError('tenant: letters, digits and .@_- only, at most 64 characters');
  const { actionSchemaId = null, schemaRegistry = null } = options;
  if (schemaRegistry !== null && actionSchemaId !== null)
    throw new TypeError('actionSchemaId, schemaRegistry: one of them');
  if (schemaRegistry !== null && !/^https?:\/\//.test(schemaRegistry.url))
    throw new TypeError('schemaRegistry.url: http:// or https://');
  return {
    kafka: options,
    tenant,
    service: options.service ?? '',
    spool: spool === undefined ? null : { bytesMax: SPOOL_BYTES_MAX, fsync: 'never', ...spool },
    queueRecordsMax: positive('queueRecordsMax', options.queueRecordsMax ?? QUEUE_RECORDS_MAX),
    queueBytesMax: positive('queueBytesMax', options.queueBytesMax ?? QUEUE_BYTES_MAX),
    flushTimeoutMs: positive('flushTimeoutMs', options.flushTimeoutMs ?? FLUSH_TIMEOUT_MS),
    topics: { spans: TOPICS.spans, logs: TOPICS.logs, actions: TOPICS.actions, ...options.topics },
    actionSchemaId,
    schemaRegistry,
  };
};

const positive = (name: string, value: number): number => {
  if (!Number.isFinite(value) || value <= 0) throw new TypeError(`${name}: a number above 0`);
  return value;
};
