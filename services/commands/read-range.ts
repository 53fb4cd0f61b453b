import { TransportError } from '../runtime/errors.ts';
import type { EventLog, LogRecord } from '../runtime/ports.ts';
import type { World } from './world.ts';

/** Records [first, end) of one partition of one life of a topic. */
export interface LogRange {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly end: number;
}

/** Nothing came for so long although there is more: the log does not answer. A group of its own has to be joined first. */
const SILENCE_MS = 60_000;
const READ = { recordsMax: 5_000, bytesMax: 8 * 1024 * 1024, lingerMs: 10, idleMs: 1_000 } as const;

/** Why the log does not hold these records any more; null when it does. */
export const whyGone = async (
  log: EventLog,
  { topic, partition, logId, first, end }: LogRange,
): Promise<string | null> => {
  if ((await log.logId(topic)) !== logId) return `the log of ${topic} was made anew since: nothing can be read again`;
  const range = (await log.ranges(topic)).find((candidate) => candidate.partition === partition);
  if (range === undefined || range.end < end) return `the log of ${topic}/${partition} ends before it`;
  if (range.start <= first) return null;
  return `the log of ${topic}/${partition} begins at ${range.start}: its records have expired and cannot be read again`;
};

/**
 * Hands over the records of a range in order, piece by piece, by a group of its own that commits nothing. Throws
 * TransportError LOG_UNAVAILABLE, and what `take` throws.
 */
export const readRange = async (
  world: Pick<World, 'clock' | 'random' | 'stop'>,
  log: EventLog,
  range: LogRange,
  take: (records: readonly LogRecord[]) => Promise<void> | void,
): Promise<void> => {
  const ended = new AbortController();
  let isWhole = false;
  let crash: unknown = null;
  let heardMs = world.clock.nowMs();
  const consumer = await log.consume({
    ...READ,
    group: `tacho-range-${world.random.uuid()}`,
    topics: [range.topic],
    assigned: async ({ partition, logEnd }) => ({
      startOffset: partition === range.partition ? range.first : logEnd,
      onBatch: async (polled) => {
        if (partition !== range.partition) return 'stop';
        heardMs = world.clock.nowMs();
        await take(polled.records.filter(({ offset }) => offset < range.end));
        if ((polled.records.at(-1)?.offset ?? 0) < range.end - 1) return 'continue';
        isWhole = true;
        ended.abort();
        return 'stop';
      },
      onIdle: async () => {},
    }),
    onCrash: (error) => {
      crash = error;
      ended.abort();
    },
  });
  const waiting = AbortSignal.any([ended.signal, world.stop]);
  while (!waiting.aborted && world.clock.nowMs() - heardMs < SILENCE_MS)
    await world.clock.sleep(SILENCE_MS / 10, waiting).catch(() => undefined);
  await consumer.close();
  if (crash !== null) throw crash;
  if (!isWhole)
    throw new TransportError('LOG_UNAVAILABLE', `its records did not come within ${SILENCE_MS / 1000} s`, {
      retryable: true,
    });
};
