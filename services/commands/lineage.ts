import { TOPICS } from '../../schemas/topics.ts';
import { createLineageFold } from '../lineage/fold.ts';
import { NO_TOOLS, type ToolCatalogue } from '../lineage/tool-catalogue.ts';
import { createToolCatalogues, type ToolCatalogues } from '../lineage/tool-catalogues.ts';
import type { EventLog, Store } from '../runtime/ports.ts';
import { createFoldTask } from '../runtime/stream/fold-task.ts';
import { createStreamService, type StreamService, type StreamSettings } from '../runtime/stream/service.ts';
import type { StreamTask } from '../runtime/stream/types.ts';
import type { World } from './world.ts';

/** The stream service of lineage: first what is said of tools is written down, then steps are read by it. */
export const lineageOf = (
  world: World,
  adapters: { readonly log: EventLog; readonly store: Store; readonly tools?: ToolCatalogue },
  settings: StreamSettings,
): StreamService => {
  const catalogues = createToolCatalogues(adapters.tools ?? NO_TOOLS, adapters.store);
  const stream = createStreamService({ ...world, ...adapters }, taskWith(catalogues, adapters.store), settings);
  return {
    ...stream,
    start: async () => {
      await catalogues.keep(world.clock.nowMs(), world.stop);
      await stream.start();
    },
  };
};

/** The task of lineage alone, for batches to be made again. */
export const lineageTaskOf = (store: Store, tools: ToolCatalogue = NO_TOOLS): StreamTask =>
  taskWith(createToolCatalogues(tools, store), store);

const taskWith = (catalogues: ToolCatalogues, store: Store): StreamTask =>
  createFoldTask(createLineageFold(catalogues), [TOPICS.steps], { store });
