import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { OpenLineageEvent } from '../../schemas/openlineage-event.ts';
import { ConfigError, TransportError } from '../runtime/errors.ts';
import { postJson } from '../runtime/http-json.ts';
import type { EventLog, OutgoingRecord } from '../runtime/ports.ts';
import { openLog } from './open-log.ts';
import { topicSpecs } from './topic-specs.ts';
import type { World } from './world.ts';

/** Where run events go. */
export interface EventTarget {
  /** Resolves when there is room for the next one. */
  readonly write: (event: OpenLineageEvent) => Promise<void>;
  /** Resolves when everything that was written has arrived. */
  readonly close: () => Promise<void>;
  /** Lets go of what is held, after a failure: what had not arrived may be lost. */
  readonly abandon: () => Promise<void>;
}

const ALLOWED = 'a file that can be written, http(s)://…, or kafka:TOPIC';

/**
 * A file (one event a line), an HTTP endpoint (one event a request) or a topic of the configured Kafka (one event a record).
 * Throws ConfigError for a place that cannot be written to.
 */
export const openTarget = async (world: World, out: string): Promise<EventTarget> => {
  if (/^https?:\/\//.test(out)) return httpTarget(out);
  if (out.startsWith('kafka:')) return topicTarget(world, out);
  return fileTarget(out);
};

const nothing = async (): Promise<void> => {};

const fileTarget = async (path: string): Promise<EventTarget> => {
  const file = createWriteStream(path);
  await once(file, 'open').catch((cause: unknown) => {
    throw refused(`${path} (${cause instanceof Error ? cause.message : String(cause)})`);
  });
  return {
    write: async (event) => {
      if (!file.write(`${JSON.stringify(event)}\n`)) await once(file, 'drain');
    },
    close: async () => {
      file.end();
      await once(file, 'finish');
    },
    abandon: async () => void file.destroy(),
  };
};

const refused = (value: string, allowed = ALLOWED): ConfigError => new ConfigError([{ key: '--out', value, allowed }]);

const httpTarget = (url: string): EventTarget => ({
  write: async (event) => {
    const { status, text } = await postJson(url, event);
    if (status < 300) return;
    // An event is its run and type: sent again after a failure, it says the same once more.
    const retryable = status >= 500 || status === 429;
    throw new TransportError('HTTP_UNAVAILABLE', `${url} answered ${status}: ${text.slice(0, 200)}`, { retryable });
  },
  close: nothing,
  abandon: nothing,
});

/** What Kafka takes as the name of a topic. */
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
/** Events that travel together: some hundred kilobytes, so that a range of many runs waits for few round trips. */
const EVENTS_PER_APPEND = 200;
/** An event of a run with thousands of data sets is some megabytes. */
const EVENT_BYTES_MAX = 8 * 1024 * 1024;

const topicTarget = async (world: World, out: string): Promise<EventTarget> => {
  const topic = out.slice('kafka:'.length);
  const { kafka, retention } = world.config;
  if (!TOPIC.test(topic)) throw refused(out, 'kafka:TOPIC, of letters, digits and ._-, 249 at most');
  if (kafka.brokers.length === 0) throw refused(out, 'a topic of a Kafka: set kafka.brokers (TACHO_KAFKA_BROKERS)');
  if (topicSpecs(world.config).some((own) => own.topic === topic))
    throw refused(out, 'another topic: this one is read by our own services');
  const log = await openLog(world);
  try {
    const retentionMs = retention.topic_hours * 3_600_000;
    await log.ensureTopics([{ topic, partitions: kafka.partitions, retentionMs, recordBytesMax: EVENT_BYTES_MAX }]);
  } catch (error) {
    await log.close();
    throw error;
  }
  return batched(log, topic);
};

const batched = (log: EventLog, topic: string): EventTarget => {
  let waiting: OutgoingRecord[] = [];
  const flush = async (): Promise<void> => {
    const records = waiting;
    waiting = [];
    await log.append(records);
  };
  return {
    write: async (event) => {
      waiting.push({
        topic,
        key: outermostRun(event),
        value: Buffer.from(JSON.stringify(event)),
        headers: { 'content-type': 'application/json' },
      });
      if (waiting.length >= EVENTS_PER_APPEND) await flush();
    },
    close: async () => {
      await flush();
      await log.close();
    },
    abandon: () => log.close(),
  };
};

/** Events of a run and of the steps in it stand in one partition, in order. */
const outermostRun = ({ run }: OpenLineageEvent): string => {
  const parent = run.facets['parent'];
  const above = parent !== undefined && 'run' in parent ? parent.run : undefined;
  return typeof above === 'object' && above !== null && 'runId' in above ? String(above.runId) : run.runId;
};
