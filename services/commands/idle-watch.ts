import type { PipelineReport } from '../runtime/pipeline.ts';
import type { Clock, EventLog } from '../runtime/ports.ts';

/** What decides that everything accepted is stored and judged. */
export interface IdleWatch {
  readonly clock: Clock;
  readonly log: EventLog;
  /** Topics in the order data flows; a later one is fed by an earlier one. */
  readonly topics: readonly string[];
  readonly report: () => PipelineReport;
  readonly openRequests: () => number;
  readonly lastAcceptedMs: () => number | null;
}

/** Nothing came and nothing moved for this long: a sender between two requests is not yet done. */
const QUIET_MS = 10_000;
/** Time given to a first sender to appear. */
const FIRST_SENDER_MS = 30_000;
const POLL_MS = 250;

/**
 * Resolves when all that was accepted has been confirmed by every service that reads it, no request is open, and
 * nothing new came for QUIET_MS. Without any sender it resolves after FIRST_SENDER_MS, once what was left is done.
 */
export const untilIdle = async (watch: IdleWatch, signal: AbortSignal): Promise<void> => {
  const startedMs = watch.clock.nowMs();
  let quietSinceMs: number | null = null;
  let seen = '';
  while (!signal.aborted) {
    const state = await readState(watch);
    const nowMs = watch.clock.nowMs();
    if (!state.isDone || state.fingerprint !== seen) quietSinceMs = null;
    else quietSinceMs ??= nowMs;
    seen = state.fingerprint;
    const patienceMs = watch.lastAcceptedMs() === null ? FIRST_SENDER_MS - (nowMs - startedMs) : 0;
    if (quietSinceMs !== null && nowMs - quietSinceMs >= QUIET_MS && patienceMs <= 0) return;
    await watch.clock.sleep(POLL_MS, signal);
  }
};

/** Done: each topic's end, read now, lies at or before what each of its readers has confirmed. */
const readState = async (watch: IdleWatch): Promise<{ readonly isDone: boolean; readonly fingerprint: string }> => {
  const partitions = watch.report().services.flatMap((service) => service.partitions);
  const ends: string[] = [];
  let isDone = watch.openRequests() === 0;
  for (const topic of watch.topics) {
    for (const range of await watch.log.ranges(topic)) {
      ends.push(`${topic}/${range.partition}/${range.end}`);
      const readers = partitions.filter((p) => p.topic === topic && p.partition === range.partition);
      const isRead = readers.length > 0 && readers.every((p) => p.is_stopped || p.next_offset >= range.end);
      if (range.end > range.start && !isRead) isDone = false;
    }
  }
  return { isDone, fingerprint: ends.join(' ') };
};
