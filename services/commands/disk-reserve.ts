import { createDiskReserve, type DiskReserve, guardAppends } from '../receiver/disk-reserve.ts';
import { createDiskSpace } from '../runtime/disk-space.ts';
import type { EventLog } from '../runtime/ports.ts';
import { sourceTopics } from './topic-specs.ts';
import type { World } from './world.ts';

const MIB = 1024 * 1024;

/** What stands for whom: one of several processes on a disk makes the incident of it, and only one of them the engine's. */
export interface ReserveRole {
  readonly isTeller: boolean;
  /** The embedded engine of this config is this process's own. */
  readonly isStoreHere: boolean;
}

/** The watch over the disk of the data folder; null when this process keeps nothing there, or the config no reserve. */
export const diskReserveOf = (
  world: World,
  log: EventLog,
  { isTeller, isStoreHere }: ReserveRole,
): DiskReserve | null => {
  const { data, disk, kafka, clickhouse } = world.config;
  const isElsewhere = kafka.brokers.length > 0 && !(isStoreHere && clickhouse.url === '');
  if (isElsewhere || disk.reserve_mb === 0) return null;
  return createDiskReserve(disk.reserve_mb * MIB, {
    space: createDiskSpace(data.dir),
    ...world,
    ...(isTeller ? { tell: async (event) => void (await log.append([event])) } : {}),
  });
};

/** The log for those who take telemetry in. */
export const reservedLog = (
  world: World,
  { log, reserve = null }: { readonly log: EventLog; readonly reserve?: DiskReserve | null },
): EventLog => (reserve === null ? log : guardAppends(log, sourceTopics(world.config), reserve.problem));
