import { TOPICS } from '../../schemas/topics.ts';
import type { SinkTarget } from '../../services/alerter/sinks/sink.ts';
import { createAlerterTask } from '../../services/alerter/task.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Outbound, PostAnswer, PostRequest } from '../../services/runtime/outbound.ts';
import type { EventLog, Store } from '../../services/runtime/ports.ts';
import { createStreamService } from '../../services/runtime/stream/service.ts';
import { silentLogger } from '../support/engine.ts';
import { until } from '../support/tacho.ts';

/** A way out that remembers what went through it; `answer` decides, by the sink's address and the n-th request to it. */
export const recordingOutbound = (
  answer: (url: string, nth: number) => Promise<PostAnswer> | PostAnswer = () => answered(204),
) => {
  const posts: PostRequest[] = [];
  const counts = new Map<string, number>();
  const outbound: Outbound = {
    post: async (request) => {
      const nth = (counts.get(request.url) ?? 0) + 1;
      counts.set(request.url, nth);
      posts.push(request);
      return answer(request.url, nth);
    },
  };
  return { outbound, posts };
};

/** An answer of a sink. */
export const answered = (status: number, retryAfter: string | null = null): PostAnswer => ({
  kind: 'answered',
  status,
  retryAfter,
  excerpt: '',
});

/** A webhook sink of that name. */
export const sinkNamed = (name: string): SinkTarget => ({
  name,
  kind: 'webhook',
  url: `http://${name}.example/`,
  secret: '',
  min_severity: 'info',
});

/** One alerter process: its stream service with its senders. */
export const startAlerter = async (
  log: EventLog,
  store: Store,
  outbound: Outbound,
  sinks: readonly SinkTarget[] = [sinkNamed('oncall')],
) => {
  const onCrash = (error: unknown): void => {
    throw error;
  };
  const deps = { log, store, clock: systemClock, random: systemRandom, logger: silentLogger, metrics: createMetrics() };
  const { task, finish } = createAlerterTask(
    { sinks, pager: 'tachograph', baseUrl: 'http://console.example' },
    { ...deps, outbound, onCrash },
  );
  const stream = createStreamService(deps, task, {
    batchRecordsMax: 20,
    batchBytesMax: 8_000_000,
    lingerMs: 5,
    idleMs: 50,
    onCrash,
  });
  await stream.start();
  return { stream, finish };
};

export type Alerter = Awaited<ReturnType<typeof startAlerter>>;

/** Resolves when violations and events are all folded, by one of these processes, and stay so while senders speak. */
export const untilFolded = async (log: MemoryEventLog, alerters: readonly Alerter[]): Promise<void> => {
  await until('everything is folded', async () => {
    for (const topic of [TOPICS.violations, TOPICS.incidents])
      for (const range of await log.ranges(topic)) {
        const readers = alerters.flatMap(({ stream }) => stream.report().partitions);
        const reader = readers.find((p) => p.topic === topic && p.partition === range.partition);
        if (range.end > range.start && (reader?.next_offset ?? 0) < range.end) return null;
      }
    return true;
  });
};
