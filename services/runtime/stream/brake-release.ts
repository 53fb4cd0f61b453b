import type { PartitionReport } from '../pipeline.ts';
import { placeText, readReleases } from './brake.ts';
import type { LandDeps } from './land.ts';

/** How soon a release of a person is heard. */
const LOOK_EVERY_MS = 2_000;

/**
 * While partitions stand by their brake: looks whether a person has released one, and then calls `rejoin`, so that it is
 * assigned anew. Resolves when `signal` fires; never rejects.
 */
export const watchReleases = async (
  deps: LandDeps,
  service: string,
  braked: () => readonly PartitionReport[],
  rejoin: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    await deps.clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
    try {
      if (signal.aborted || !(await isReleased(deps, service, braked(), signal))) continue;
      deps.logger.info({ service }, 'a braked partition was released');
      await rejoin();
    } catch (error) {
      if (!signal.aborted) deps.logger.warn({ err: error, service }, 'releases cannot be read yet');
    }
  }
};

const isReleased = async (
  deps: LandDeps,
  service: string,
  stopped: readonly PartitionReport[],
  signal: AbortSignal,
): Promise<boolean> => {
  if (stopped.length === 0) return false;
  const releases = await readReleases(deps.store, service, signal);
  return stopped.some(
    ({ log_id, topic, partition, next_offset }) =>
      (releases.get(placeText(log_id, topic, partition)) ?? 0) > next_offset,
  );
};
