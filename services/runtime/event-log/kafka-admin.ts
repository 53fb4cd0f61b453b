import type { Admin, Kafka } from 'kafkajs';
import { TransportError } from '../errors.ts';
import type { Clock, Commit, PartitionRange, TopicSpec } from '../ports.ts';
import { withDeadline } from './kafka-deadline.ts';
import { kafkaErrorType, toTransportError } from './kafka-errors.ts';
import { RETRY } from './kafka-settings.ts';

/** Attempts of one request, each on a fresh connection and itself retried by kafkajs for some seconds. */
const ATTEMPTS_MAX = 3;
const BACKOFF_MS = 250;
/** Letting go is a courtesy to the broker. */
const DISCONNECT_MS = 1_000;
/** How long closing waits for a request under way: nobody acts on its answer any more. */
const CLOSE_MS = 1_000;
const ATTEMPT_DEADLINE_MS = 15_000;
const CREATE_TIMEOUT_MS = 30_000;

/** What we ask of a cluster besides records. Every method throws TransportError. */
export interface KafkaAdmin {
  /** Partition count, 0 when the topic does not exist. */
  readonly partitions: (topic: string) => Promise<number>;
  readonly topics: () => Promise<ReadonlySet<string>>;
  /** Resolves when the topic is there, whoever created it. */
  readonly createTopic: (spec: TopicSpec, replication: number) => Promise<void>;
  readonly ranges: (topic: string) => Promise<readonly PartitionRange[]>;
  readonly committed: (group: string, topic: string) => Promise<ReadonlyMap<number, Commit>>;
  readonly ping: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const ABSENT: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION']);

const countPartitions = async (admin: Admin, topic: string): Promise<number> => {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
  } catch (error) {
    if (ABSENT.has(kafkaErrorType(error))) return 0;
    throw error;
  }
};

const readRanges = async (admin: Admin, topic: string): Promise<readonly PartitionRange[]> => {
  if ((await countPartitions(admin, topic)) === 0) return [];
  const offsets = await admin.fetchTopicOffsets(topic);
  return offsets
    .map(({ partition, low, high }) => ({ partition, start: Number(low), end: Number(high) }))
    .sort((a, b) => a.partition - b.partition);
};

const readCommitted = async (admin: Admin, group: string, topic: string): Promise<ReadonlyMap<number, Commit>> => {
  if ((await countPartitions(admin, topic)) === 0) return new Map();
  const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  const commits = (found?.partitions ?? []).map(
    ({ partition, offset, metadata }) => [partition, { offset: Number(offset), metadata: metadata ?? '' }] as const,
  );
  // Kafka answers −1 for a partition the group never committed.
  return new Map(commits.filter(([, { offset }]) => offset >= 0));
};

const create = async (admin: Admin, spec: TopicSpec, replication: number): Promise<void> => {
  // false: somebody else created it a moment ago, which is just as good.
  await admin.createTopics({
    validateOnly: false,
    waitForLeaders: true,
    timeout: CREATE_TIMEOUT_MS,
    topics: [
      {
        topic: spec.topic,
        numPartitions: spec.partitions,
        replicationFactor: replication,
        configEntries: [
          { name: 'cleanup.policy', value: 'delete' },
          { name: 'retention.ms', value: Number.isFinite(spec.retentionMs) ? String(spec.retentionMs) : '-1' },
          { name: 'max.message.bytes', value: String(spec.recordBytesMax) },
          { name: 'message.timestamp.type', value: 'LogAppendTime' },
          { name: 'compression.type', value: 'producer' },
        ],
      },
    ],
  });
};

/**
 * Admin requests of one client, one at a time: kafkajs replaces its topic metadata with every request, so two at once
 * read each other's. A failed request gets a fresh connection, because a deleted topic spoils the old one for ever.
 */
export const createKafkaAdmin = (client: Kafka, clock: Clock): KafkaAdmin => {
  let current: Admin | undefined;
  let tail: Promise<unknown> = Promise.resolve();
  let closed = false;

  const discard = async (): Promise<void> => {
    const old = current;
    current = undefined;
    const gone = old?.disconnect() ?? Promise.resolve();
    await withDeadline(clock, DISCONNECT_MS, 'disconnect', gone).catch(() => {});
  };
  const connected = async (): Promise<Admin> => {
    if (closed) throw new TransportError('LOG_UNAVAILABLE', 'the event log is closed', { retryable: false });
    if (current) return current;
    const admin = client.admin({ retry: RETRY });
    current = admin;
    await admin.connect();
    if (current === admin) return admin;
    // Given up on while it connected: nobody else would ever let go of it.
    void admin.disconnect().catch(() => {});
    throw new TransportError('LOG_UNAVAILABLE', 'connected too late', { retryable: true });
  };
  const attempt = async <T>(what: string, use: (admin: Admin) => Promise<T>, attemptsMax: number): Promise<T> => {
    for (let tried = 1; ; tried += 1) {
      try {
        return await withDeadline(clock, ATTEMPT_DEADLINE_MS, what, connected().then(use));
      } catch (cause) {
        await discard();
        const error = toTransportError(cause, what);
        if (closed || !error.retryable || tried >= attemptsMax) throw error;
        await clock.sleep(BACKOFF_MS * tried);
      }
    }
  };
  const call = <T>(what: string, use: (admin: Admin) => Promise<T>, attemptsMax = ATTEMPTS_MAX): Promise<T> => {
    const result = tail.then(() => attempt(what, use, attemptsMax));
    tail = result.catch(() => {});
    return result;
  };
  return {
    partitions: (topic) => call(`cannot read topic ${topic}`, (admin) => countPartitions(admin, topic)),
    topics: () => call('cannot list topics', async (admin) => new Set(await admin.listTopics())),
    createTopic: (spec, replication) =>
      call(`cannot create topic ${spec.topic}`, (admin) => create(admin, spec, replication)),
    ranges: (topic) => call(`cannot read offsets of ${topic}`, (admin) => readRanges(admin, topic)),
    committed: (group, topic) =>
      call(`cannot read commits of ${group} on ${topic}`, (admin) => readCommitted(admin, group, topic)),
    ping: () => call('Kafka does not answer', async (admin) => void (await admin.describeCluster()), 1),
    close: async () => {
      closed = true;
      await withDeadline(clock, CLOSE_MS, 'close', tail).catch(() => {});
      await discard();
    },
  };
};
