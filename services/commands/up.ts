import { TOPICS } from '../../schemas/topics.ts';
import { createAuditService } from '../audit/service.ts';
import { TransportError } from '../runtime/errors.ts';
import { trimHeapAtRest } from '../runtime/heap-trim.ts';
import type { PipelineReport } from '../runtime/pipeline.ts';
import type { Service } from '../runtime/ports.ts';
import { createDeferredStore } from '../runtime/store/deferred.ts';
import { createPace } from '../runtime/stream/pace.ts';
import { apiOf, receiverOf, rollupOf, STREAM_SERVICES, streamServiceOf } from './composition.ts';
import { drainAll, endsBeforeStop, startAll } from './deadline.ts';
import { demoOf } from './demo.ts';
import { diskReserveOf } from './disk-reserve.ts';
import { untilEnginePlaceIsFree } from './engine-place.ts';
import { untilIdle } from './idle-watch.ts';
import { openAccess } from './open-access.ts';
import { openBudgets } from './open-budgets.ts';
import { openOwners, openTools } from './open-catalog.ts';
import { openLog } from './open-log.ts';
import { openPrices, priceFilesOf } from './open-prices.ts';
import { type OpenStore, openServingStore, requireSchema } from './open-store.ts';
import { topicSpecs } from './topic-specs.ts';
import type { World } from './world.ts';

export interface UpOptions {
  readonly demo: boolean;
  readonly exitWhenIdle: boolean;
}

/** Exit code when a bug ended the process: sysexits' EX_SOFTWARE. */
const EXIT_BUG = 70;
/** The first audit waits until the start is over and the demo has played its history in. */
const AUDIT = { firstMs: 120_000, everyMs: 600_000 } as const;

/**
 * Every service in one process. Order: what would forbid a start, log, then receiver and API (data is taken and pages answer at once), then the
 * store, then what writes to it. Resolves to the exit code after the drain.
 */
export const up = async (world: World, options: UpOptions): Promise<number> => {
  const startedMs = world.clock.nowMs();
  const crash = new AbortController();
  // What runs beside the services ends with them, also when nobody sent a signal: its timer would hold the process.
  const ended = new AbortController();
  const stop = AbortSignal.any([world.stop, crash.signal]);
  const onCrash = (error: unknown): void => {
    world.logger.error({ err: error }, 'a bug ended the process; what is stored decides where it goes on');
    crash.abort();
  };
  const access = openAccess(world.config);
  const budgets = openBudgets(world.config);
  const owners = openOwners(world.config);
  const tools = openTools(world.config);
  const prices = await openPrices(world.config);
  const priceFiles = priceFilesOf(world.config);
  await untilEnginePlaceIsFree(world);
  const log = await openLog(world);
  const store = createDeferredStore();
  const readonlyStore = createDeferredStore();
  const reserve = diskReserveOf(world, log, { isTeller: true, isStoreHere: true });
  const pace = createPace(world.clock);
  const adapters = { log, store, readonlyStore, access, budgets, owners, tools, prices, priceFiles, reserve, pace };
  const streams = STREAM_SERVICES.map((name) => streamServiceOf(name, world, adapters, onCrash));
  const receiver = receiverOf(world, adapters);
  const report = (): PipelineReport => ({
    services: [
      { service: receiver.name, ...receiver.health(), partitions: [] },
      ...streams.map((service) => service.report()),
    ],
  });
  const doors: readonly Service[] = [
    ...(reserve === null ? [] : [reserve]),
    receiver,
    apiOf(world, adapters, report, options.demo),
  ];
  const running: Service[] = [];
  try {
    if (!(await endsBeforeStop(log.ensureTopics(topicSpecs(world.config)), world.stop))) return 0;
    await startAll(doors, world.logger, world.clock);
    running.push(...doors);
    const opened = await openUnlessStopped(world);
    if (opened === null) return 0;
    running.unshift({
      name: 'store',
      start: async () => {},
      health: () => ({ state: 'ok', detail: '' }),
      drain: opened.close,
    });
    await requireSchema(world, opened);
    store.set(opened.store);
    readonlyStore.set(opened.readonlyStore);
    const audits = createAuditService({ ...AUDIT, settleMs: opened.settleMs }, { ...world, store });
    const workers: Service[] = [
      ...streams,
      rollupOf(world, { store }),
      audits,
      ...(options.demo ? [demoOf(world)] : []),
    ];
    await startAll(workers, world.logger, world.clock);
    running.push(...workers);
    void trimHeapAtRest(world.clock, world.logger, AbortSignal.any([stop, ended.signal]));
    sayHello(world, options, opened.url, startedMs);
    await untilStopped(world, options, stop, { log, report, receiver });
    const stopped = streams
      .filter((service) => service.health().state === 'degraded')
      .map((service) => service.health().detail);
    for (const detail of stopped) world.progress(detail);
    return crash.signal.aborted ? EXIT_BUG : stopped.length > 0 ? 1 : 0;
  } finally {
    ended.abort();
    await drainAll(running, world.logger, world.clock);
    await log.close();
  }
};

/** The store; null when Ctrl-C came while the engine started. */
const openUnlessStopped = async (world: World): Promise<OpenStore | null> => {
  try {
    return await openServingStore(world);
  } catch (error) {
    if (world.stop.aborted && error instanceof TransportError && error.code === 'ABORTED') return null;
    throw error;
  }
};

const untilStopped = async (
  world: World,
  options: UpOptions,
  stop: AbortSignal,
  parts: Pick<Parameters<typeof untilIdle>[0], 'log' | 'report'> & { readonly receiver: ReturnType<typeof receiverOf> },
): Promise<void> => {
  if (!options.exitWhenIdle) {
    await new Promise<void>((resolve) => {
      if (stop.aborted) resolve();
      stop.addEventListener('abort', () => resolve());
    });
    return;
  }
  const topics = [
    ...world.config.kafka.sources.map((source) => source.topic),
    TOPICS.steps,
    TOPICS.violations,
    TOPICS.incidents,
  ];
  const { log, report, receiver } = parts;
  const watch = {
    clock: world.clock,
    log,
    topics,
    report,
    openRequests: receiver.openRequests,
    lastAcceptedMs: receiver.lastAcceptedMs,
  };
  await untilIdle(watch, stop).catch((error: unknown) => {
    if (!stop.aborted) throw error;
  });
};

const sayHello = (world: World, options: UpOptions, storeUrl: string, startedMs: number): void => {
  const { receiver, api, kafka, data } = world.config;
  const seconds = ((world.clock.nowMs() - startedMs) / 1000).toFixed(1);
  const lines = [
    '',
    `Tachograph is up (${seconds} s).`,
    `  console      http://${shown(api.host)}:${api.port}`,
    `  OTLP/HTTP    http://${shown(receiver.host)}:${receiver.http_port}   (export OTEL_EXPORTER_OTLP_ENDPOINT to it)`,
    `  OTLP/gRPC    http://${shown(receiver.host)}:${receiver.grpc_port}`,
    `  ClickHouse   ${storeUrl}   (read-only for other clients)`,
    `  event log    ${kafka.brokers.length > 0 ? `Kafka ${kafka.brokers.join(', ')}` : `sqlite in ${data.dir}`}`,
    ...(options.demo
      ? [
          '  demo         recorded agent traffic plays in under tenant "demo"',
          `               to be rid of it: stop, delete ${data.dir}, npm start -- --no-demo`,
        ]
      : []),
    '  Ctrl-C stops; nothing acknowledged is lost.',
  ];
  for (const line of lines) world.print(line);
};

const shown = (host: string): string => (host === '0.0.0.0' || host === '::' ? 'localhost' : host);
