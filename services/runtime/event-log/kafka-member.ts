import type { EachBatchPayload, Consumer as KafkaConsumer } from 'kafkajs';
import { TransportError } from '../errors.ts';
import type { ConsumeOptions } from '../ports.ts';
import { withDeadline } from './kafka-deadline.ts';
import { deliverAll, fetchedFrom } from './kafka-delivery.ts';
import { type Epoch, type Fetching, type MemberReads, startEpoch } from './kafka-epoch.ts';
import { isFencing, kafkaErrorType } from './kafka-errors.ts';
import { createKafkaGroup, type KafkaGroup, type Membership, RejoinError } from './kafka-group.ts';
import {
  createKafkaClient,
  type KafkaDeps,
  type KafkaSettings,
  METADATA_AGE_MS,
  RETRY,
  SESSION_TIMEOUT_MS,
} from './kafka-settings.ts';

/** How long the coordinator waits for members that still work before it goes on without them. */
const REBALANCE_TIMEOUT_MS = 60_000;
/** kafkajs shows no sign of life for so many session timeouts: it hangs, as it may after a broker restart. */
const SILENT_SESSIONS_MAX = 6;
/** How long a member that leaves waits for kafkajs to start or stop before it walks away from it. */
const LEAVE_MAX_MS = 10_000;
const HEARTBEAT_MAX_MS = 1_000;
const IDLE_CHECK_MAX_MS = 250;
/** A fetch without records is asked again after so long; shorter would only be busier. */
const FETCH_WAIT_MIN_MS = 100;
const FETCH_WAIT_MAX_MS = 1_000;
/** One answer over all partitions of one broker. */
const FETCH_BYTES_MAX = 64 * 1024 * 1024;
/** Partitions handled at once; kafkajs keeps so many workers, so it must not be less than partitions we own. */
const CONCURRENCY_MIN = 32;

export interface MemberOptions {
  readonly settings: KafkaSettings;
  readonly deps: KafkaDeps;
  readonly options: ConsumeOptions;
  readonly reads: MemberReads;
  /** Existing topics only. */
  readonly topics: readonly string[];
  /** Partitions of these topics in all. */
  readonly partitionCount: number;
  /** The number of the next assignment; grows over the lives of members. */
  readonly nextEpoch: () => number;
}

const createConsumer = ({ settings, deps, options }: MemberOptions, group: KafkaGroup): KafkaConsumer => {
  const sessionTimeout = settings.sessionTimeoutMs ?? SESSION_TIMEOUT_MS;
  // A linger shorter than a useful wait means: answer with the first record. Else the broker gathers for us.
  const gathers = options.lingerMs >= FETCH_WAIT_MIN_MS;
  return createKafkaClient(settings, deps.logger).consumer({
    groupId: options.group,
    partitionAssigners: [group.assigner],
    sessionTimeout,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    heartbeatInterval: Math.floor(sessionTimeout / 3),
    metadataMaxAge: METADATA_AGE_MS,
    maxBytesPerPartition: options.bytesMax,
    minBytes: gathers ? options.bytesMax : 1,
    maxBytes: Math.max(FETCH_BYTES_MAX, options.bytesMax),
    maxWaitTimeInMs: Math.min(FETCH_WAIT_MAX_MS, Math.max(FETCH_WAIT_MIN_MS, options.lingerMs), sessionTimeout / 3),
    allowAutoTopicCreation: false,
    readUncommitted: false,
    // We start again ourselves: kafkajs does so only for some errors.
    retry: { ...RETRY, restartOnFailure: async () => false },
  });
};

/** One life of a kafkajs consumer: joins the group and works until drained or crashed. */
export class KafkaMember {
  /** Resolves when it crashed or was drained. */
  readonly ended: Promise<void>;
  readonly #member: MemberOptions;
  readonly #group: KafkaGroup;
  readonly #consumer: KafkaConsumer;
  readonly #end: () => void;
  readonly #stopping = new AbortController();
  readonly #started: Promise<void>;
  #signOfLifeMs: number;
  #handling = 0;
  #epoch: Epoch | undefined;
  #membership: Membership | undefined;
  #draining: Promise<void> | undefined;

  constructor(member: MemberOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
    this.#member = member;
    this.#signOfLifeMs = member.deps.clock.nowMs();
    this.#group = createKafkaGroup(member.options.group, {
      leaving: async () => this.#epoch?.end(),
      joined: (membership) => {
        this.#membership = membership;
      },
      outOfRange: () => this.#reportGone(),
    });
    this.#consumer = createConsumer(member, this.#group);
    this.#listen();
    this.#started = this.#start();
    void this.#watchIdle().catch(member.options.onCrash);
    void this.#watchSilence().catch(member.options.onCrash);
  }

  /** Lets batches in flight finish and commit, says idle, leaves the group. Idempotent. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    const { clock } = this.#member.deps;
    // kafkajs cannot be stopped while it joins for the first time: it would go on afterwards.
    await withDeadline(clock, LEAVE_MAX_MS, 'join', this.#started).catch(() => {});
    this.#stopping.abort();
    await this.#epoch?.end();
    await withDeadline(clock, LEAVE_MAX_MS, 'leave', this.#consumer.disconnect()).catch(() => {});
    this.#end();
  }

  async #start(): Promise<void> {
    const { topics, partitionCount } = this.#member;
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: Math.max(CONCURRENCY_MIN, partitionCount * 2),
        eachBatch: (payload) => this.#eachBatch(payload),
      });
    } catch (error) {
      this.#crashed(error);
    }
  }

  #listen(): void {
    const { GROUP_JOIN, START_BATCH_PROCESS, CRASH, FETCH_START, FETCH, HEARTBEAT } = this.#consumer.events;
    const alive = (): void => {
      this.#signOfLifeMs = this.#member.deps.clock.nowMs();
    };
    for (const event of [GROUP_JOIN, FETCH_START, FETCH, HEARTBEAT]) this.#consumer.on(event, alive);
    this.#consumer.on(GROUP_JOIN, ({ payload }) => this.#joined(payload.memberAssignment));
    this.#consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      // Only control records or aborted ones: kafkajs steps over them without asking us.
      if (payload.batchSize > 0) return;
      this.#epoch?.partition(payload.topic, payload.partition)?.passed(Number(payload.lastOffset) + 1);
    });
    this.#consumer.on(CRASH, ({ payload }) => this.#crashed(payload.error));
  }

  #joined(assigned: Readonly<Record<string, readonly number[]>>): void {
    const { deps, options, reads, nextEpoch } = this.#member;
    if (this.#stopping.signal.aborted) {
      // Joined after all, behind our back: a member that reads nothing must not keep partitions from others.
      void this.#consumer.disconnect().catch(() => {});
      return;
    }
    if (!this.#membership) return;
    const parts = {
      fetching: this.#fetching(),
      membership: this.#membership,
      assigned,
      drainMaxMs: this.#sessionMs() * 2,
    };
    // From here on, not before, intents are read: the former owner can no longer commit.
    this.#epoch = startEpoch({ deps, options, reads, nextEpoch, group: this.#group, ...parts });
  }

  #crashed(error: unknown): void {
    const { deps, options } = this.#member;
    deps.logger.warn({ err: error, group: options.group }, 'event log: the consumer crashed');
    this.#epoch?.kill('the consumer crashed');
    this.#stopping.abort();
    this.#end();
  }

  #reportGone(): void {
    const { deps, options } = this.#member;
    const fields = { group: options.group, code: 'LOG_GONE' };
    deps.logger.error(fields, 'event log: a read position is out of the log, its partition is assigned anew');
    this.#epoch?.kill('a read position is out of the log');
  }

  #fetching(): Fetching {
    const consumer = this.#consumer;
    return {
      pause: (topic, partition) => whileRunning(() => consumer.pause([{ topic, partitions: [partition] }])),
      fetchFrom: (topic, partition, offset) =>
        whileRunning(() => {
          consumer.seek({ topic, partition, offset: String(offset) });
          consumer.resume([{ topic, partitions: [partition] }]);
        }),
    };
  }

  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    const { topic, partition: number } = payload.batch;
    const epoch = this.#epoch;
    const partition = epoch?.partition(topic, number);
    if (!epoch?.isAlive() || epoch.isRetired() || !partition) return this.#rejoin();
    const expected = partition.expected();
    if (expected === null) return;
    if (fetchedFrom(payload.batch) !== expected) {
      // An answer to a fetch of an earlier epoch: taking it would skip records.
      this.#fetching().fetchFrom(topic, number, expected);
      return;
    }
    const handled = new AbortController();
    void this.#beat(epoch, payload.heartbeat, handled.signal);
    this.#handling += 1;
    try {
      // Stays open until every part is confirmed: kafkajs does not join again before.
      await deliverAll(payload, partition, this.#member.options);
    } finally {
      handled.abort();
      this.#handling -= 1;
      this.#signOfLifeMs = this.#member.deps.clock.nowMs();
    }
    if (!epoch.isAlive() || epoch.isRetired()) this.#rejoin();
  }

  #sessionMs(): number {
    return this.#member.settings.sessionTimeoutMs ?? SESSION_TIMEOUT_MS;
  }

  /** Makes kafkajs join again, unless this member is about to leave. */
  #rejoin(): void {
    if (!this.#stopping.signal.aborted) throw new RejoinError('the epoch is over');
  }

  async #beat(epoch: Epoch, heartbeat: () => Promise<void>, handled: AbortSignal): Promise<void> {
    const { clock } = this.#member.deps;
    const sessionMs = this.#sessionMs();
    let heardAtMs = clock.nowMs();
    while (epoch.isAlive()) {
      await clock.sleep(Math.min(HEARTBEAT_MAX_MS, sessionMs / 3), handled).catch(() => {});
      if (handled.aborted) return;
      const answer = await withDeadline(clock, sessionMs, 'heartbeat', heartbeat()).then(() => 'ok', heartbeatRefusal);
      if (answer !== 'silence') heardAtMs = clock.nowMs();
      // The group waits for us: the batch in flight may finish and commit, for the generation has not changed yet.
      if (answer === 'rebalancing') epoch.retire();
      // Expired, or not heard for as long as the coordinator waits: somebody else may own the partition.
      if (answer === 'fenced' || clock.nowMs() - heardAtMs > sessionMs) epoch.kill('a heartbeat was refused');
    }
  }

  async #watchIdle(): Promise<void> {
    const { deps, options } = this.#member;
    const everyMs = Math.min(IDLE_CHECK_MAX_MS, Math.max(1, options.idleMs / 2));
    while (!this.#stopping.signal.aborted) {
      await deps.clock.sleep(everyMs, this.#stopping.signal).catch(() => {});
      if (this.#epoch?.isAlive()) await this.#epoch.idleIfDue();
    }
  }

  /** Apart from idling: what idling waits for may be what hangs. */
  async #watchSilence(): Promise<void> {
    const { clock } = this.#member.deps;
    const silentMaxMs = SILENT_SESSIONS_MAX * this.#sessionMs();
    while (!this.#stopping.signal.aborted) {
      await clock.sleep(this.#sessionMs(), this.#stopping.signal).catch(() => {});
      if (this.#handling > 0 || clock.nowMs() - this.#signOfLifeMs < silentMaxMs) continue;
      this.#crashed(new TransportError('LOG_UNAVAILABLE', 'the Kafka client hangs', { retryable: true }));
    }
  }
}

const heartbeatRefusal = (error: unknown): 'rebalancing' | 'fenced' | 'silence' => {
  if (kafkaErrorType(error) === 'REBALANCE_IN_PROGRESS') return 'rebalancing';
  return isFencing(error) ? 'fenced' : 'silence';
};

/** pause, seek and resume throw when the consumer has just crashed: then there is nothing to steer. */
const whileRunning = (steer: () => void): void => {
  try {
    steer();
  } catch {
    // The epoch is dead or about to be; the next life of the consumer starts over.
  }
};
