import type { ConsumeOptions } from '../ports.ts';
import type { Claim, LogBackend } from './backend.ts';
import type { OwnedPartition } from './group-state.ts';
import { type PartitionLoop, startPartitionLoop } from './partition-loop.ts';
import { createWaker } from './waker.ts';

/** A batch in flight gets this long to finish at a rebalance or at close; then its epoch is ended. */
export const DRAIN_MAX_MS = 20_000;
/** A handler that says FENCED again and again must not turn the group into a spin. */
const RECLAIM_PAUSE_MS = 100;

interface RunningLoop {
  readonly loop: PartitionLoop;
  /** The loop is done and its partition is released. */
  readonly ended: Promise<void>;
  revokedAtMs: number | null;
}

/** The partition loops of one member. */
export interface MemberLoops {
  /** Brings the loops in line with what the group says this member owns; starts new ones only if `mayStart`. */
  readonly follow: (memberId: string, owned: readonly OwnedPartition[], mayStart: boolean) => void;
  readonly revokeAll: () => void;
  readonly fenceAll: () => void;
  /** Ends the claims whose drain is past its deadline. Throws TransportError when the log cannot be reached. */
  readonly cutOverdue: () => Promise<void>;
  /** Resolves when every loop ended and released, or after `deadlineMs`. */
  readonly settled: (deadlineMs: number) => Promise<void>;
}

const keyOf = (place: { readonly topic: string; readonly partition: number }): string =>
  `${place.partition}/${place.topic}`;

/**
 * Builds the (empty) set of loops; `changed` is called whenever one ended, `lost` when it ended and its partition could
 * not be released: the group then still says that it is this member's.
 */
export const createMemberLoops = (
  backend: LogBackend,
  options: ConsumeOptions,
  { changed, lost }: { readonly changed: () => void; readonly lost: () => void },
): MemberLoops => {
  const { clock, logger } = backend;
  const { group } = options;
  const running = new Map<string, RunningLoop>();
  const endedEpochs = new Map<string, number>();

  const end = async (key: string, loop: PartitionLoop): Promise<void> => {
    const result = await loop.done;
    if (result === 'forgotten') await clock.sleep(RECLAIM_PAUSE_MS);
    // The partition may move only now, with nothing of it in flight here.
    if (result !== 'fenced') {
      await backend.release(loop.claim).catch((error: unknown) => {
        logger?.warn({ err: error, group }, 'event log: could not release a partition');
        lost();
      });
    }
    endedEpochs.set(key, Math.max(loop.claim.epoch, endedEpochs.get(key) ?? 0));
    running.delete(key);
    changed();
  };
  const start = (claim: Claim): void => {
    const key = keyOf(claim);
    const loop = startPartitionLoop(backend, claim, options);
    running.set(key, { loop, ended: end(key, loop).catch(options.onCrash), revokedAtMs: null });
  };
  const revoke = (entry: RunningLoop): void => {
    entry.revokedAtMs ??= clock.nowMs();
    entry.loop.revoke();
  };
  const followOne = (memberId: string, place: OwnedPartition, mayStart: boolean): void => {
    const { topic, partition, epoch, wanted } = place;
    const entry = running.get(keyOf(place));
    if (entry !== undefined) {
      if (!wanted) revoke(entry);
      return;
    }
    // A view may be older than the release that followed it.
    const isOver = (endedEpochs.get(keyOf(place)) ?? 0) >= epoch;
    if (mayStart && !isOver) start({ group, memberId, topic, partition, epoch });
  };

  return {
    follow: (memberId, owned, mayStart) => {
      const epochs = new Map(owned.map((place) => [keyOf(place), place.epoch]));
      for (const [key, { loop }] of running) if (epochs.get(key) !== loop.claim.epoch) loop.fence();
      for (const place of owned) followOne(memberId, place, mayStart);
    },
    revokeAll: () => {
      for (const entry of running.values()) revoke(entry);
    },
    fenceAll: () => {
      for (const { loop } of running.values()) loop.fence();
    },
    cutOverdue: async () => {
      for (const entry of running.values()) {
        if (entry.revokedAtMs === null || clock.nowMs() - entry.revokedAtMs < DRAIN_MAX_MS) continue;
        // The claim ends first, so that no commit of it counts; then the handler is told.
        await backend.release(entry.loop.claim);
        entry.loop.fence();
        entry.revokedAtMs = null;
      }
    },
    settled: async (deadlineMs) => {
      const timer = createWaker(clock);
      const all = Promise.all([...running.values()].map(({ ended }) => ended)).then(timer.wake);
      await Promise.race([all, timer.wait(deadlineMs)]);
    },
  };
};
