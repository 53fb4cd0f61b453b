import { type ControlEvent, decodeControlEvent } from '../../schemas/control-event.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { InvariantError, TransportError } from '../runtime/errors.ts';
import type { Clock, Consumer, EventLog, Logger, PolledBatch, Random } from '../runtime/ports.ts';

/** Requests kept for those who ask; people make a handful a day, and the oldest go first. */
const EVENTS_MAX = 10_000;
/** Records of a partition that are read at the start: far more than can be alive at once. */
const LOOK_BACK_RECORDS = 5_000;
/** How long the first question waits until the feed has read what stands in the log. */
const CATCH_UP_MS = 5_000;
const POLL_MS = 25;
/**
 * Records of other partitions and of other processes come to stand in any order within moments: who asks on from
 * `next_since` gets these again, and knows them by their event_id.
 */
const OVERLAP_MS = 10_000;

/** A request with the time the log took it. */
export interface HeardControl {
  readonly event: ControlEvent;
  readonly loggedAtMs: number;
}

export interface HeardControls {
  readonly controls: readonly HeardControl[];
  /** From where to ask next, ms since 1970. */
  readonly nextSinceMs: number;
}

/** The newest records of `control_events`, for agents that have no Kafka. */
export interface ControlFeed {
  /**
   * Requests of a tenant logged at or after the moment that have not expired, oldest first. Throws TransportError
   * LOG_UNAVAILABLE (retryable) while the log cannot be read.
   */
  readonly since: (tenant: string, sinceMs: number) => Promise<HeardControls>;
  readonly close: () => Promise<void>;
}

export interface ControlFeedDeps {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Reads from the first question on, in a group of its own that never commits: every API process hears everything, and
 * leaves nothing behind.
 */
export const createControlFeed = ({ log, clock, random, logger }: ControlFeedDeps): ControlFeed => {
  const heard = new Map<string, HeardControl>();
  const next = new Map<number, number>();
  let consumer: Promise<Consumer> | undefined;
  let isCaughtUp = false;
  let crash: unknown;

  const take = (batch: PolledBatch): void => {
    for (const record of batch.records) {
      const decoded = decodeControlEvent(record.value);
      if (decoded.kind === 'refused') {
        logger.warn(
          { offset: record.offset, detail: decoded.detail },
          'a record of control_events is no control event',
        );
        continue;
      }
      const event = decoded.value;
      if (heard.has(event.event_id) || event.expires_at <= clock.nowMs() * 1000) continue;
      heard.set(event.event_id, { event, loggedAtMs: record.timestampMs });
      const [oldest] = heard.keys();
      if (heard.size > EVENTS_MAX && oldest !== undefined) heard.delete(oldest);
    }
  };
  const start = (): Promise<Consumer> =>
    log.consume({
      group: `tacho-api-control-${random.uuid()}`,
      topics: [TOPICS.controls],
      recordsMax: 1_000,
      bytesMax: 4 * 1024 * 1024,
      lingerMs: 5,
      idleMs: 60_000,
      assigned: async ({ partition, logStart, logEnd }) => {
        const startOffset = Math.max(logStart, logEnd - LOOK_BACK_RECORDS, Math.min(next.get(partition) ?? 0, logEnd));
        next.set(partition, startOffset);
        return {
          startOffset,
          onBatch: async (batch) => {
            take(batch);
            next.set(partition, (batch.records.at(-1)?.offset ?? 0) + 1);
            return 'continue';
          },
          onIdle: async () => {},
        };
      },
      onCrash: (error) => {
        crash = error;
        logger.error({ err: error }, 'the feed of control events ended on a bug of ours');
      },
    });
  const catchUp = async (): Promise<void> => {
    const deadline = clock.nowMs() + CATCH_UP_MS;
    const ranges = await log.ranges(TOPICS.controls);
    const isBehind = (): boolean => ranges.some(({ partition, end }) => (next.get(partition) ?? -1) < end);
    while (ranges.length === 0 || isBehind()) {
      if (crash !== undefined) throw new InvariantError('the feed of control events ended', { cause: crash });
      if (ranges.length === 0 || clock.nowMs() >= deadline) {
        throw new TransportError('LOG_UNAVAILABLE', 'control_events has not been read yet', { retryable: true });
      }
      await clock.sleep(POLL_MS);
    }
    isCaughtUp = true;
  };
  return {
    since: async (tenant, sinceMs) => {
      consumer ??= start().catch((error: unknown) => {
        consumer = undefined;
        throw error;
      });
      await consumer;
      if (!isCaughtUp) await catchUp();
      const nowMs = clock.nowMs();
      for (const [id, { event }] of heard) if (event.expires_at <= nowMs * 1000) heard.delete(id);
      const controls = [...heard.values()]
        .filter(({ event, loggedAtMs }) => event.tenant_id === tenant && loggedAtMs >= sinceMs)
        .sort((a, b) => a.loggedAtMs - b.loggedAtMs);
      const newestMs = controls.at(-1)?.loggedAtMs;
      return { controls, nextSinceMs: newestMs === undefined ? sinceMs : Math.max(sinceMs, newestMs - OVERLAP_MS) };
    },
    close: async () => {
      const running = consumer;
      consumer = undefined;
      await running?.then((started) => started.close());
    },
  };
};
