import { findEngineProcess, findRunningEngine } from '../runtime/engine/engine-file.ts';
import { ConfigError } from '../runtime/errors.ts';
import { canListen } from './can-listen.ts';
import { makeDataFolder } from './data-folder.ts';
import type { World } from './world.ts';

/** An engine whose parent was just killed ends by itself, at the latest when its last query has. */
const TAKEOVER_MS = 20_000;
const TAKEOVER_POLL_MS = 200;

/**
 * Waits until the data folder and the port of the embedded engine are ours to take. Called before anything listens: data
 * must not be accepted by a process that cannot store it. Throws ConfigError when another tacho keeps the folder or
 * somebody else the port, TransportError ABORTED when asked to stop. With a ClickHouse of the config there is no place.
 */
export const untilEnginePlaceIsFree = async (world: World): Promise<void> => {
  if (world.config.clickhouse.url !== '') return;
  makeDataFolder(world.config);
  const deadlineMs = world.clock.nowMs() + TAKEOVER_MS;
  await untilFolderIsFree(world, deadlineMs);
  await untilPortIsFree(world, deadlineMs);
};

const untilFolderIsFree = async ({ config, clock, progress, stop }: World, deadlineMs: number): Promise<void> => {
  const { dir } = config.data;
  let holder = await findRunningEngine(dir);
  if (holder === null) return;
  progress(`another tacho holds ${dir} (engine pid ${holder.pid}): waiting ${TAKEOVER_MS / 1000} s for it to end`);
  while (holder !== null) {
    if (clock.nowMs() > deadlineMs) {
      const value = `${dir} (another tacho runs there: engine pid ${holder.pid}, ${holder.url})`;
      throw new ConfigError([{ key: 'data.dir', value, allowed: 'a folder of its own (--data, TACHO_DATA_DIR)' }]);
    }
    await clock.sleep(TAKEOVER_POLL_MS, stop);
    holder = await findRunningEngine(dir);
  }
};

/** An engine that is ending answers no more, and may hold its port a moment longer: that one is waited for. */
const untilPortIsFree = async ({ config, clock, stop }: World, deadlineMs: number): Promise<void> => {
  const { port } = config.clickhouse;
  while (!(await canListen(port))) {
    const ending = await findEngineProcess(config.data.dir);
    if (ending?.port !== port || clock.nowMs() > deadlineMs) {
      const key = 'clickhouse.port (TACHO_CLICKHOUSE_PORT)';
      throw new ConfigError([{ key, value: `${port} (in use)`, allowed: 'a free port' }]);
    }
    await clock.sleep(TAKEOVER_POLL_MS, stop);
  }
};
