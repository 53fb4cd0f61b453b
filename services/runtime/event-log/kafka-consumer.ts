import { TransportError } from '../errors.ts';
import type { ConsumeOptions, Consumer } from '../ports.ts';
import type { KafkaAdmin } from './kafka-admin.ts';
import { untilAborted } from './kafka-deadline.ts';
import type { MemberReads } from './kafka-epoch.ts';
import { KafkaMember } from './kafka-member.ts';
import type { KafkaDeps, KafkaSettings } from './kafka-settings.ts';

/** Topics that do not exist yet are looked for this often. */
const TOPIC_POLL_MS = 1_000;
const RESTART_FIRST_MS = 250;
const RESTART_MAX_MS = 10_000;

export interface KafkaConsumerOptions {
  readonly settings: KafkaSettings;
  readonly deps: KafkaDeps;
  readonly admin: KafkaAdmin;
  readonly reads: MemberReads;
  readonly options: ConsumeOptions;
}

/** Keeps one member of the group alive: waits for topics, starts it again after a crash or when more topics appear. */
export const startKafkaConsumer = (consumer: KafkaConsumerOptions): Consumer => {
  const { settings, deps, admin, reads, options } = consumer;
  const { clock, logger } = deps;
  const closing = new AbortController();
  let epochs = 0;
  let member: KafkaMember | undefined;

  const existing = async (): Promise<ReadonlyMap<string, number>> => {
    const found = new Map<string, number>();
    for (const topic of options.topics) {
      const count = await admin.partitions(topic);
      if (count > 0) found.set(topic, count);
    }
    return found;
  };
  /** Resolves when a topic has appeared that the running member does not read. */
  const appeared = async (known: ReadonlyMap<string, number>, ended: AbortSignal): Promise<void> => {
    if (known.size === options.topics.length) return new Promise(() => {});
    while (!ended.aborted) {
      await clock.sleep(TOPIC_POLL_MS, ended);
      const found = await existing().catch(() => known);
      if (found.size > known.size) return;
    }
  };
  /** One life of a member; 'crashed' tells the caller to pause before the next. */
  const live = async (topics: ReadonlyMap<string, number>): Promise<'crashed' | 'more topics'> => {
    const ended = new AbortController();
    const partitionCount = [...topics.values()].reduce((a, b) => a + b, 0);
    const started = new KafkaMember({
      ...{ settings, deps, options, reads, partitionCount, topics: [...topics.keys()] },
      nextEpoch: () => {
        epochs += 1;
        return epochs;
      },
    });
    member = started;
    const end = await Promise.race([
      started.ended.then(() => 'crashed' as const),
      appeared(topics, ended.signal).then(
        () => 'more topics' as const,
        () => 'crashed' as const,
      ),
    ]);
    ended.abort();
    await started.drain();
    return end;
  };
  const run = async (): Promise<void> => {
    let pauseMs = RESTART_FIRST_MS;
    while (!closing.signal.aborted) {
      const startedAtMs = clock.nowMs();
      // Brokers that do not answer must not hold up the end.
      const topics = await untilAborted(existing(), closing.signal, 'looking for topics').catch((err: unknown) => {
        if (!closing.signal.aborted) logger.warn({ err, group: options.group }, 'event log: cannot look for topics');
        return new Map<string, number>();
      });
      if (closing.signal.aborted) return;
      if (topics.size === 0) {
        await clock.sleep(TOPIC_POLL_MS, closing.signal).catch(() => {});
        continue;
      }
      const end = await live(topics);
      if (closing.signal.aborted || end === 'more topics') continue;
      if (clock.nowMs() - startedAtMs > RESTART_MAX_MS) pauseMs = RESTART_FIRST_MS;
      await clock.sleep(pauseMs, closing.signal).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, RESTART_MAX_MS);
    }
  };
  const running = run().catch((error: unknown) => {
    if (!(error instanceof TransportError)) options.onCrash(error);
  });
  return {
    close: async () => {
      closing.abort();
      await member?.drain();
      await running;
    },
  };
};
