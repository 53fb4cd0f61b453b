import { originOfHeaders, type RecordOrigin } from '../../schemas/dead-letter.ts';
import { dlqOf } from '../../schemas/topics.ts';
import { TransportError } from '../runtime/errors.ts';
import type { EventLog, LogRecord } from '../runtime/ports.ts';
import { isSelected, type Selection } from './dlq-selection.ts';
import { topicSpecs } from './topic-specs.ts';
import type { World } from './world.ts';

/** A dead letter as its topic holds it. */
export interface DeadLetter {
  readonly origin: RecordOrigin;
  readonly record: LogRecord;
}

const READ = { recordsMax: 1_000, bytesMax: 8 * 1024 * 1024, lingerMs: 5, idleMs: 500 } as const;
/** Nothing came for so long although there is more: the log does not answer. */
const SILENCE_MS = 60_000;

/** Topics of dead letters that are there, of one source or of all. Throws TransportError. */
export const dlqTopics = async (world: World, log: EventLog, topic: string | null): Promise<readonly string[]> => {
  const known = new Set(topicSpecs(world.config).map((spec) => spec.topic));
  const wanted = topic === null ? [...known].filter((name) => name.endsWith('.dlq')) : [dlqOf(topic)];
  const found: string[] = [];
  for (const name of wanted) if ((await log.ranges(name)).length > 0) found.push(name);
  return found;
};

/**
 * Reads the topics of dead letters from their start to where they end now, and hands over those that are meant, each
 * once: a record refused by several services, or written again after a crash, has one origin. `take` says when it has
 * enough. Commits nothing. Throws TransportError.
 */
export const readDeadLetters = async (
  world: World,
  log: EventLog,
  selection: Selection,
  take: (letter: DeadLetter) => Promise<'more' | 'enough'>,
): Promise<void> => {
  const topics = selection.positions.length === 0 ? [selection.topic] : selection.positions.map(({ topic }) => topic);
  const seen = new Set<string>();
  for (const topic of new Set(topics)) {
    for (const name of await dlqTopics(world, log, topic)) {
      const answer = await readTopic(world, log, name, async (record) => {
        const origin = originOfHeaders(record.headers);
        if (origin === null || !isSelected(selection, origin, record.headers)) return 'more';
        const place = `${origin.logId}/${origin.partition}/${origin.offset}`;
        if (seen.has(place)) return 'more';
        seen.add(place);
        return take({ origin, record });
      });
      if (answer === 'enough') return;
    }
    seen.clear();
  }
};

/** Every record of a topic up to its present ends, partition by partition in order. */
const readTopic = async (
  world: World,
  log: EventLog,
  topic: string,
  take: (record: LogRecord) => Promise<'more' | 'enough'>,
): Promise<'more' | 'enough'> => {
  const left = new Map(
    (await log.ranges(topic)).filter(({ start, end }) => end > start).map(({ partition, end }) => [partition, end]),
  );
  if (left.size === 0) return 'more';
  const ended = Promise.withResolvers<'more' | 'enough'>();
  let heardMs = world.clock.nowMs();
  const done = (partition: number): void => {
    left.delete(partition);
    if (left.size === 0) ended.resolve('more');
  };
  // One at a time, whatever partition it is of: what is taken is counted and written in one place.
  let tail: Promise<unknown> = Promise.resolve();
  const consumer = await log.consume({
    ...READ,
    group: `tacho-dlq-${world.random.uuid()}`,
    topics: [topic],
    assigned: async ({ partition, logStart }) => ({
      startOffset: logStart,
      onBatch: async ({ records }) => {
        heardMs = world.clock.nowMs();
        const end = left.get(partition);
        if (end === undefined) return 'stop';
        const work = tail.then(async () => {
          for (const record of records) if (record.offset < end && (await take(record)) === 'enough') return 'enough';
          return 'more';
        });
        tail = work.catch(() => undefined);
        try {
          if ((await work) === 'enough') ended.resolve('enough');
        } catch (error) {
          ended.reject(error);
        }
        if ((records.at(-1)?.offset ?? 0) < end - 1) return 'continue';
        done(partition);
        return 'stop';
      },
      // Its last offsets may hold nothing (Kafka): quiet means that it was read.
      onIdle: async () => done(partition),
    }),
    onCrash: ended.reject,
  });
  const over = new AbortController();
  const silence = watchSilence(world, () => heardMs, AbortSignal.any([world.stop, over.signal]));
  try {
    return await Promise.race([ended.promise, silence]);
  } finally {
    over.abort();
    await silence.catch(() => undefined);
    await consumer.close();
  }
};

const watchSilence = async (world: World, heardMs: () => number, signal: AbortSignal): Promise<never> => {
  for (;;) {
    await world.clock.sleep(1_000, signal);
    if (world.clock.nowMs() - heardMs() > SILENCE_MS)
      throw new TransportError('LOG_UNAVAILABLE', 'the event log hands over no dead letters', { retryable: true });
  }
};
