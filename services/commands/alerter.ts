import type { Budget } from '../alerter/budgets/budget.ts';
import { createBudgetWatch } from '../alerter/budgets/watch.ts';
import { createAlerterTask } from '../alerter/task.ts';
import type { Config } from '../runtime/config-schema.ts';
import { createOutbound } from '../runtime/http-post.ts';
import type { EventLog, Store } from '../runtime/ports.ts';
import { createStreamService, type StreamService, type StreamSettings } from '../runtime/stream/service.ts';
import type { World } from './world.ts';

/** What the alerter is wired to. */
export interface AlerterAdapters {
  readonly log: EventLog;
  readonly store: Store;
  readonly budgets: readonly Budget[];
}

/** The stream service of the alerter with what runs beside it: the senders of its partitions and the budget watch. */
export const alerterOf = (world: World, adapters: AlerterAdapters, settings: StreamSettings): StreamService => {
  const { alerts } = world.config;
  const { onCrash } = settings;
  const deps = { ...world, ...adapters, onCrash };
  const { task, finish } = createAlerterTask(
    { sinks: alerts.sinks, pager: alerts.pager, baseUrl: consoleUrl(world.config) },
    { ...deps, outbound: createOutbound() },
  );
  const stream = createStreamService(deps, task, settings);
  const watch = createBudgetWatch(adapters.budgets, deps);
  return {
    ...stream,
    start: async () => {
      await stream.start();
      watch.start();
    },
    drain: async () => {
      await watch.drain();
      await finish();
      await stream.drain();
    },
  };
};

/** Where people read on: as the config says, else where the API of this config listens. */
const consoleUrl = ({ alerts, api }: Config): string => {
  if (alerts.public_url !== '') return alerts.public_url.replace(/\/+$/, '');
  const isAnywhere = api.host === '0.0.0.0' || api.host === '::';
  const host = isAnywhere ? 'localhost' : api.host.includes(':') ? `[${api.host}]` : api.host;
  return `http://${host}:${api.port}`;
};
