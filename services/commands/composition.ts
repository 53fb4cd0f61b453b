import type { Budget } from '../alerter/budgets/budget.ts';
import type { ApiDeps } from '../api/deps.ts';
import type { Owner } from '../api/owners.ts';
import { createApi } from '../api/service.ts';
import { explainRun } from '../ledger/explain.ts';
import type { LoadedBook } from '../ledger/prices/book.ts';
import type { PriceBook } from '../ledger/prices/price.ts';
import { createPricesInForce, type PricesInForce } from '../ledger/prices/prices-in-force.ts';
import { createPriceBook } from '../ledger/prices/registry.ts';
import { priceStored } from '../ledger/stored-usage.ts';
import type { ToolCatalogue } from '../lineage/tool-catalogue.ts';
import { createNormalizerTask } from '../normalizer/service.ts';
import type { DiskReserve } from '../receiver/disk-reserve.ts';
import { createReceiver, type Receiver } from '../receiver/service.ts';
import { createRollupService } from '../rollup/service.ts';
import type { Access } from '../runtime/access.ts';
import type { PipelineReport } from '../runtime/pipeline.ts';
import type { EventLog, RuleFiles, Service, Store } from '../runtime/ports.ts';
import { createPace, type Pace } from '../runtime/stream/pace.ts';
import { createStreamService, type StreamService } from '../runtime/stream/service.ts';
import type { StreamTask } from '../runtime/stream/types.ts';
import { alerterOf } from './alerter.ts';
import { reservedLog } from './disk-reserve.ts';
import { ledgerOf, ledgerTaskOf } from './ledger.ts';
import { lineageOf, lineageTaskOf } from './lineage.ts';
import { policyOf } from './policy.ts';
import type { World } from './world.ts';

/** The ports a composition is wired to. */
export interface Adapters {
  readonly log: EventLog;
  readonly store: Store;
  /** The same store under a user who may only read. */
  readonly readonlyStore: Store;
  readonly access: Access;
  readonly budgets: readonly Budget[];
  readonly owners: readonly Owner[];
  /** The user's own prices and the public ones; absent: those alone. */
  readonly prices?: LoadedBook;
  /** Where `prices` came from, to be looked at again; absent or null: they stay as they are. */
  readonly priceFiles?: RuleFiles | null;
  /** What tools are said to read and write; absent: nothing is said of any. */
  readonly tools?: ToolCatalogue;
  /** Watches the disk for who takes telemetry in; absent or null: none of it is ours. */
  readonly reserve?: DiskReserve | null;
  /** Shared by the streams of this process; absent: each goes by itself. */
  readonly pace?: Pace;
}

/** OTLP in, event log out. */
export const receiverOf = (world: World, adapters: Adapters): Receiver => {
  const { receiver } = world.config;
  return createReceiver(
    {
      host: receiver.host,
      port: receiver.http_port,
      grpcPort: receiver.grpc_port,
      bodyBytesMax: receiver.body_bytes_max,
      inFlightBytesMax: receiver.in_flight_bytes_max,
    },
    {
      ...adapters,
      ...portsOf(world),
      log: reservedLog(world, adapters),
      stopped: () => adapters.reserve?.problem() ?? '',
    },
  );
};

/** Queries and pages. `pipeline`: what this process knows of its services. */
export const apiOf = (world: World, adapters: Adapters, pipeline: () => PipelineReport, demo: boolean): Service => {
  const loaded = adapters.prices ?? null;
  const files = adapters.priceFiles ?? null;
  const watched =
    loaded === null ? null : createPricesInForce(loaded, { ...portsOf(world), files, take: async () => {} });
  const list = createPriceBook();
  const api = createApi(
    { host: world.config.api.host, port: world.config.api.port, readonlyStore: adapters.readonlyStore },
    {
      ...adapters,
      ...portsOf(world),
      log: reservedLog(world, adapters),
      pipeline,
      ...ledgerRules(() => watched?.current().book ?? list),
      demo,
    },
  );
  return watched === null ? api : besides(api, watched);
};

/** The ledger's own rules, lent to who shows its figures: services do not import each other. */
const ledgerRules = (prices: () => PriceBook): Pick<ApiDeps, 'explainRun' | 'priceUsage'> => ({
  explainRun: (stateText) => explainRun(stateText, prices()),
  priceUsage: (usage, tsMicros) => priceStored(prices(), usage, tsMicros),
});

/** A service with the price files it shows figures by watched beside it. */
const besides = (service: Service, prices: PricesInForce): Service => ({
  ...service,
  start: async () => {
    await service.start();
    prices.start();
  },
  health: () => {
    const own = service.health();
    return own.state === 'ok' ? prices.health() : own;
  },
  drain: async () => {
    await service.drain();
    await prices.drain();
  },
});

/** A start has better things to do; then a pass a minute. */
const ROLLUP = { firstMs: 30_000, everyMs: 60_000 } as const;

/** Sums of closed hours, rebuilt from raw. */
export const rollupOf = (world: World, { store }: Pick<Adapters, 'store'>): Service =>
  createRollupService(ROLLUP, { store, ...portsOf(world) });

/** The services that read topics, in the order data flows. */
export const STREAM_SERVICES = ['normalizer', 'ledger', 'lineage', 'policy', 'alerter'] as const;
export type StreamServiceName = (typeof STREAM_SERVICES)[number];

/** A stream service by name, on the loop they all share. */
export const streamServiceOf = (
  name: StreamServiceName,
  world: World,
  adapters: Adapters,
  onCrash: (error: unknown) => void,
): StreamService => {
  const { stream } = world.config;
  const settings = {
    batchRecordsMax: stream.batch_records_max,
    batchBytesMax: stream.batch_bytes_max,
    lingerMs: stream.linger_ms,
    idleMs: stream.idle_ms,
    brake: { share: stream.brake_share, windowRecords: stream.brake_window_records },
    onCrash,
  };
  // What is to be told to people is little, and waits for nobody.
  if (name === 'alerter') return alerterOf(world, adapters, settings);
  const pace = { of: adapters.pace ?? createPace(world.clock), isFirst: name === 'normalizer' };
  const paced = { ...settings, pace };
  if (name === 'policy') return policyOf(world, adapters, paced);
  if (name === 'ledger') return ledgerOf(world, adapters, paced);
  if (name === 'lineage') return lineageOf(world, adapters, paced);
  return createStreamService({ ...adapters, ...portsOf(world) }, taskOf(name, world, adapters), paced);
};

/** The task of a service that is nothing but its task. */
export const taskOf = (
  name: Exclude<StreamServiceName, 'alerter' | 'policy'>,
  world: World,
  adapters: Pick<Adapters, 'store' | 'prices' | 'tools'>,
): StreamTask => {
  switch (name) {
    case 'normalizer':
      return createNormalizerTask(
        { ...world.config.normalizer, sources: world.config.kafka.sources },
        { store: adapters.store, logger: world.logger, metrics: world.metrics },
      );
    case 'ledger':
      return ledgerTaskOf(adapters.store, adapters.prices);
    case 'lineage':
      return lineageTaskOf(adapters.store, adapters.tools);
  }
};

const portsOf = (world: World) => ({
  clock: world.clock,
  random: world.random,
  logger: world.logger,
  metrics: world.metrics,
});
