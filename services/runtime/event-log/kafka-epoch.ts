import { TransportError } from '../errors.ts';
import type { Commit, ConsumeOptions, PartitionRange } from '../ports.ts';
import { withDeadline } from './kafka-deadline.ts';
import { isFencing, toTransportError } from './kafka-errors.ts';
import type { KafkaGroup, Membership } from './kafka-group.ts';
import { KafkaPartition, type PartitionFacts } from './kafka-partition.ts';
import type { KafkaDeps } from './kafka-settings.ts';

const COMMIT_BACKOFF_MS = 100;
const COMMIT_BACKOFF_MAX_MS = 2_000;
const COMMIT_DEADLINE_MS = 10_000;

/** What a member reads of the log at each assignment. Every method throws TransportError. */
export interface MemberReads {
  readonly committed: (group: string, topic: string) => Promise<ReadonlyMap<number, Commit>>;
  readonly ranges: (topic: string) => Promise<readonly PartitionRange[]>;
  readonly logId: (topic: string) => Promise<string>;
}

/** What an epoch may do to the kafkajs consumer. */
export interface Fetching {
  readonly pause: (topic: string, partition: number) => void;
  readonly fetchFrom: (topic: string, partition: number, offset: number) => void;
}

/** Everything a member owns from one GROUP_JOIN to the next. */
export interface Epoch {
  readonly isAlive: () => boolean;
  /** Aborts the signal of every assignment: nothing may be committed any more. */
  readonly kill: (reason: string) => void;
  /** The group is rebalancing: no further batch, the ones in flight may finish and commit. */
  readonly retire: () => void;
  readonly isRetired: () => boolean;
  /** Lets batches in flight finish and says idle, for a bounded time; then the epoch is over and nothing in flight. */
  readonly end: () => Promise<void>;
  readonly partition: (topic: string, partition: number) => KafkaPartition | undefined;
  readonly idleIfDue: () => Promise<void>;
}

export interface EpochOptions {
  readonly deps: KafkaDeps;
  readonly options: ConsumeOptions;
  readonly reads: MemberReads;
  readonly group: KafkaGroup;
  readonly fetching: Fetching;
  /** Grows with every assignment. */
  readonly nextEpoch: () => number;
  readonly membership: Membership;
  /** Batches in flight get this long to finish at a rebalance or at close; then their epoch ends. */
  readonly drainMaxMs: number;
  readonly assigned: Readonly<Record<string, readonly number[]>>;
}

interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
}

const keyOf = (topic: string, partition: number): string => `${partition} ${topic}`;

const fenced = (): TransportError => new TransportError('FENCED', 'the epoch is over', { retryable: false });

/**
 * Commits under the generation of this epoch until it is durable, the epoch is over, or the broker says never.
 * The guarantee: a commit of a former owner cannot land, because the broker compares the generation it carries with
 * the group's, and no partition changes hands without a new generation.
 */
const commitAlive = async (
  { deps, group, membership }: EpochOptions,
  generation: AbortController,
  over: AbortSignal,
  place: Place,
): Promise<void> => {
  for (let pauseMs = COMMIT_BACKOFF_MS; ; pauseMs = Math.min(pauseMs * 2, COMMIT_BACKOFF_MAX_MS)) {
    if (over.aborted) throw fenced();
    try {
      const landed = group.commit({ ...membership, ...place });
      await withDeadline(deps.clock, COMMIT_DEADLINE_MS, 'commit', landed);
    } catch (cause) {
      const error = toTransportError(cause, 'Kafka refused the commit');
      if (isFencing(cause)) generation.abort(error);
      if (!error.retryable) throw error;
      deps.logger.warn({ err: error, ...place }, 'event log: commit waits');
      await deps.clock.sleep(pauseMs, over).catch(() => {});
      continue;
    }
    // The answer came after the end: durable, but whoever reads the partition now decides what it means.
    if (over.aborted) throw fenced();
    return;
  }
};

/** Facts of one topic; partitions that ask at the same time share the answer. */
const topicFacts = (reads: MemberReads, group: string, topic: string) => {
  const read = async () => ({
    committed: await reads.committed(group, topic),
    ranges: await reads.ranges(topic),
    logId: await reads.logId(topic),
  });
  let asked: ReturnType<typeof read> | undefined;
  return async (partition: number): Promise<PartitionFacts> => {
    asked ??= read().finally(() => {
      asked = undefined;
    });
    const { committed, ranges, logId } = await asked;
    const range = ranges.find((one) => one.partition === partition);
    if (!range) throw new TransportError('LOG_UNAVAILABLE', `topic ${topic} is not there`, { retryable: true });
    return { logId, committed: committed.get(partition) ?? null, logStart: range.start, logEnd: range.end };
  };
};

const createPartitions = (epoch: EpochOptions, generation: AbortController): ReadonlyMap<string, KafkaPartition> => {
  const { deps, options, reads, fetching, nextEpoch, assigned } = epoch;
  const partitions = new Map<string, KafkaPartition>();
  for (const [topic, list] of Object.entries(assigned)) {
    const facts = topicFacts(reads, options.group, topic);
    for (const partition of list) {
      fetching.pause(topic, partition);
      const made = new KafkaPartition({
        ...{ options, topic, partition, nextEpoch },
        ...{ clock: deps.clock, logger: deps.logger, signal: generation.signal },
        facts: () => facts(partition),
        commit: (offset, metadata, over) =>
          commitAlive(epoch, generation, over, { topic, partition, offset, metadata }),
        fetchFrom: (offset) => fetching.fetchFrom(topic, partition, offset),
        pause: () => fetching.pause(topic, partition),
      });
      partitions.set(keyOf(topic, partition), made);
    }
  }
  return partitions;
};

/** Starts an epoch: its partitions ask the service for their consumers at once. */
export const startEpoch = (epoch: EpochOptions): Epoch => {
  const generation = new AbortController();
  const partitions = createPartitions(epoch, generation);
  const all = [...partitions.values()];
  let isRetired = false;
  const kill = (reason: string): void => generation.abort(new TransportError('FENCED', reason, { retryable: false }));
  const retire = (): void => {
    if (isRetired) return;
    isRetired = true;
    for (const partition of all) partition.retire();
    // The others of the group wait for us meanwhile, so not for ever.
    void epoch.deps.clock.sleep(epoch.drainMaxMs, generation.signal).then(
      () => kill('a batch in flight took too long to finish'),
      () => {},
    );
  };
  for (const partition of all) void partition.open().catch(epoch.options.onCrash);
  return {
    isAlive: () => !generation.signal.aborted,
    kill,
    retire,
    isRetired: () => isRetired,
    end: async () => {
      retire();
      await Promise.all(all.map((partition) => partition.drain()));
      kill('the epoch is over');
    },
    partition: (topic, partition) => partitions.get(keyOf(topic, partition)),
    idleIfDue: async () => {
      await Promise.all(all.map((partition) => partition.idleIfDue()));
    },
  };
};
