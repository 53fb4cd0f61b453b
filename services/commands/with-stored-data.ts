import type { EventLog } from '../runtime/ports.ts';
import { requireStoredData } from './data-folder.ts';
import { openLog } from './open-log.ts';
import { type OpenStore, openClientStore } from './open-store.ts';
import type { World } from './world.ts';

/**
 * Gives a command the store, for as long as its task takes. Throws ConfigError where nothing is stored yet, and what opening
 * and the task throw.
 */
export const withStoredData = async <T>(world: World, task: (opened: OpenStore) => Promise<T>): Promise<T> => {
  requireStoredData(world.config);
  const opened = await openClientStore(world);
  try {
    return await task(opened);
  } finally {
    await opened.close();
  }
};

/** Gives a command the event log, for as long as its task takes. Throws what opening and the task throw. */
export const withLog = async <T>(world: World, task: (log: EventLog) => Promise<T>): Promise<T> => {
  const log = await openLog(world);
  try {
    return await task(log);
  } finally {
    await log.close();
  }
};
