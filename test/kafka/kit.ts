import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createKafkaEventLog } from '../../services/runtime/event-log/kafka.ts';
import type { KafkaSettings } from '../../services/runtime/event-log/kafka-settings.ts';
import type {
  Assignment,
  Commit,
  ConsumeOptions,
  EventLog,
  Logger,
  LogRecord,
  PolledBatch,
  TopicSpec,
} from '../../services/runtime/ports.ts';

const print = (level: string) => (fields: object, message: string) => {
  if (process.env['KAFKA_TEST_LOG']) console.log(level, message, JSON.stringify(fields, jsonError).slice(0, 600));
};
const jsonError = (_key: string, value: unknown): unknown => (value instanceof Error ? value.message : value);
/** Silent unless KAFKA_TEST_LOG is set. */
export const testLogger: Logger = {
  debug: print('debug'),
  info: print('info'),
  warn: print('warn'),
  error: print('error'),
  child: () => testLogger,
};

/** Settings of the tests: a dead member is noticed after 1.5 s. */
export const settingsOf = (brokers: readonly string[], more: Partial<KafkaSettings> = {}): KafkaSettings => ({
  brokers,
  clientId: 'tacho-test',
  tls: false,
  sasl: null,
  manageTopics: true,
  replication: 1,
  sessionTimeoutMs: 1_500,
  ...more,
});

/** An event log on the test broker. */
export const openLog = (brokers: readonly string[], more: Partial<KafkaSettings> = {}): EventLog =>
  createKafkaEventLog(settingsOf(brokers, more), { clock: systemClock, random: systemRandom, logger: testLogger });

let topics = 0;
/** A topic nobody used before. */
export const freshTopic = (partitions = 1, more: Partial<TopicSpec> = {}): TopicSpec => {
  topics += 1;
  return {
    topic: `t${topics}-${systemRandom.uuid().slice(0, 8)}`,
    partitions,
    retentionMs: 86_400_000,
    recordBytesMax: 1_048_588,
    ...more,
  };
};

/** Polls until `check` gives something else than undefined or false; throws after `deadlineMs`. */
export const until = async <T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 30_000,
): Promise<T> => {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await systemClock.sleep(20);
  }
};

/** What a reader saw, and the knobs to hold it back. */
export interface Reader {
  readonly records: LogRecord[];
  readonly batches: PolledBatch[];
  readonly assignments: Assignment[];
  readonly idles: number[];
  readonly crashes: unknown[];
  readonly close: () => Promise<void>;
}

export interface ReaderOptions extends Partial<ConsumeOptions> {
  readonly start?: (assignment: Assignment) => number;
  /** Runs before the batch is committed; throws to refuse it. */
  readonly take?: (batch: PolledBatch, assignment: Assignment) => Promise<'continue' | 'stop' | undefined>;
}

/** Reads a topic as the services do: an intent before each batch, the end committed when idle. */
export const read = async (log: EventLog, group: string, topics: readonly string[], options: ReaderOptions = {}) => {
  const reader = { records: [], batches: [], assignments: [], idles: [], crashes: [] } as {
    records: LogRecord[];
    batches: PolledBatch[];
    assignments: Assignment[];
    idles: number[];
    crashes: unknown[];
  };
  const consumer = await log.consume({
    group,
    topics,
    recordsMax: 1_000,
    bytesMax: 1_048_576,
    lingerMs: 5,
    idleMs: 200,
    onCrash: (error) => reader.crashes.push(error),
    assigned: async (assignment) => {
      reader.assignments.push(assignment);
      let next = options.start?.(assignment) ?? assignment.committed?.offset ?? assignment.logStart;
      return {
        startOffset: next,
        onBatch: async (batch) => {
          const end = (batch.records.at(-1)?.offset ?? 0) + 1;
          await assignment.commit(next, `{"v":1,"end":${end}}`);
          const answer = await options.take?.(batch, assignment);
          if (answer === 'stop') return 'stop';
          next = end;
          reader.batches.push(batch);
          reader.records.push(...batch.records);
          return 'continue';
        },
        onIdle: async () => {
          await assignment.commit(next, '');
          reader.idles.push(next);
        },
      };
    },
    ...options,
  });
  return { ...reader, close: () => consumer.close() };
};

/** Values of records as text. */
export const texts = (records: readonly LogRecord[]): string[] =>
  records.map(({ value }) => Buffer.from(value).toString('utf8'));

/** Offset and metadata a group committed for partition 0. */
export const commitOf = async (log: EventLog, group: string, topic: string): Promise<Commit | undefined> =>
  (await log.committed(group, topic)).get(0);

/** A record with the partition it stands in. */
export interface Found extends LogRecord {
  readonly partition: number;
}

/** Every record that stands in a topic now. */
export const recordsOf = async (log: EventLog, topic: string): Promise<readonly Found[]> => {
  const ranges = await log.ranges(topic);
  const found: Found[] = [];
  const done = new Set<number>(ranges.filter(({ start, end }) => start >= end).map(({ partition }) => partition));
  const consumer = await log.consume({
    ...{ group: `test-${Math.random()}`, topics: [topic], recordsMax: 1000, bytesMax: 8e6, lingerMs: 5, idleMs: 100 },
    assigned: async ({ partition, logStart }) => ({
      startOffset: logStart,
      onBatch: async ({ records }) => {
        found.push(...records.map((record) => ({ ...record, partition })));
        const end = ranges.find((range) => range.partition === partition)?.end ?? 0;
        if ((records.at(-1)?.offset ?? 0) + 1 >= end) done.add(partition);
        return 'continue';
      },
      onIdle: async () => {},
    }),
    onCrash: () => {},
  });
  await until(`${topic} is read`, () => done.size === ranges.length, 60_000);
  await consumer.close();
  return found;
};
