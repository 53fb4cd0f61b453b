import { createPingCheck, type HealthCheck } from '../runtime/http/health-door.ts';
import type { PipelineReport } from '../runtime/pipeline.ts';
import type { Service } from '../runtime/ports.ts';
import { type Adapters, apiOf, receiverOf, rollupOf, STREAM_SERVICES, streamServiceOf } from './composition.ts';
import { drainAll, endsBeforeStop, startAll } from './deadline.ts';
import { diskReserveOf } from './disk-reserve.ts';
import { openAccess } from './open-access.ts';
import { openBudgets } from './open-budgets.ts';
import { openOwners, openTools } from './open-catalog.ts';
import { healthDoorsOf } from './open-health.ts';
import { openLog } from './open-log.ts';
import { openPrices, priceFilesOf } from './open-prices.ts';
import { openClientStore, requireSchema } from './open-store.ts';
import { topicSpecs } from './topic-specs.ts';
import type { World } from './world.ts';

/** Who books by the prices, and who explains what was booked. */
const PRICES_READ_BY: ReadonlySet<string> = new Set(['ledger', 'api']);

/** Runs one service until it is told to stop. The embedded engine is the one `tacho up` runs. Resolves to the exit code. */
export const runService = async (world: World, name: string): Promise<number> => {
  const access = openAccess(world.config);
  const budgets = name === 'alerter' ? openBudgets(world.config) : [];
  const owners = name === 'api' ? openOwners(world.config) : [];
  const tools = name === 'lineage' ? { tools: openTools(world.config) } : {};
  // A mistake in a price file must not keep a door from taking telemetry in.
  const prices = PRICES_READ_BY.has(name) ? { prices: await openPrices(world.config) } : {};
  const start: Start = {
    name,
    access,
    budgets,
    owners,
    ...tools,
    ...prices,
    looks: [async () => ({ name, state: 'starting', detail: 'opening' })],
  };
  const doors = healthDoorsOf(world, access, () => Promise.all(start.looks.map((look) => look())));
  await startAll(doors, world.logger, world.clock);
  try {
    const log = await openLog(world);
    // What is open holds the process: whatever fails after it must close it.
    try {
      return await runOnLog(world, log, start, doors);
    } finally {
      await log.close();
    }
  } finally {
    await drainAll(doors, world.logger, world.clock);
  }
};

/** What is known before anything is opened, and what the door of probes looks at. */
interface Start {
  readonly name: string;
  readonly access: Adapters['access'];
  readonly budgets: Adapters['budgets'];
  readonly owners: Adapters['owners'];
  readonly tools?: NonNullable<Adapters['tools']>;
  readonly prices?: NonNullable<Adapters['prices']>;
  looks: readonly (() => Promise<HealthCheck>)[];
}

const runOnLog = async (
  world: World,
  log: Adapters['log'],
  start: Start,
  doors: ReturnType<typeof healthDoorsOf>,
): Promise<number> => {
  const { name, access, budgets, owners, tools, prices } = start;
  const crash = new AbortController();
  const opened = name === 'receiver' ? null : await openClientStore(world);
  try {
    if (opened !== null) await requireSchema(world, opened);
    const { createDeferredStore } = await import('../runtime/store/deferred.ts');
    const store = opened?.store ?? createDeferredStore();
    const takesIn = name === 'receiver' || name === 'api';
    const reserve = takesIn ? diskReserveOf(world, log, { isTeller: name === 'receiver', isStoreHere: false }) : null;
    const adapters: Adapters = {
      log,
      store,
      readonlyStore: opened?.readonlyStore ?? store,
      access,
      budgets,
      owners,
      ...(tools === undefined ? {} : { tools }),
      ...(prices === undefined ? {} : { prices, priceFiles: priceFilesOf(world.config) }),
      reserve,
    };
    const service = buildService(name, world, adapters, (error) => {
      world.logger.error({ err: error }, 'a bug ended the process; what is stored decides where it goes on');
      crash.abort();
    });
    const running: readonly Service[] = [...(reserve === null ? [] : [reserve]), service];
    start.looks = [
      createPingCheck('event log', log, world.clock),
      ...(opened === null ? [] : [createPingCheck('store', opened.store, world.clock)]),
      async () => ({ name, ...service.health() }),
    ];
    const stop = AbortSignal.any([world.stop, crash.signal]);
    try {
      if (!(await endsBeforeStop(log.ensureTopics(topicSpecs(world.config)), world.stop))) return 0;
      await startAll(running, world.logger, world.clock);
      world.print(`tacho ${name} is running; Ctrl-C stops`);
      await new Promise<void>((resolve) => {
        if (stop.aborted) resolve();
        stop.addEventListener('abort', () => resolve());
      });
      for (const one of doors) one.close();
      return crash.signal.aborted ? 70 : 0;
    } finally {
      await drainAll(running, world.logger, world.clock);
    }
  } finally {
    await opened?.close();
  }
};

const NO_REPORT: PipelineReport = { services: [] };

const buildService = (name: string, world: World, adapters: Adapters, onCrash: (error: unknown) => void): Service => {
  const stream = STREAM_SERVICES.find((candidate) => candidate === name);
  if (stream !== undefined) return streamServiceOf(stream, world, adapters, onCrash);
  if (name === 'rollup') return rollupOf(world, adapters);
  return name === 'receiver' ? receiverOf(world, adapters) : apiOf(world, adapters, () => NO_REPORT, false);
};
