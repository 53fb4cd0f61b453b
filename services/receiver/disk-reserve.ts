import { TransportError } from '../runtime/errors.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Clock, DiskSpace, EventLog, Health, Logger, OutgoingRecord, Service } from '../runtime/ports.ts';
import { diskEvent, mebibytes } from './disk-events.ts';

/** A full disk fills by what one second brings: far less than the least reserve worth having. */
const LOOK_MS = 1_000;
/** Taken again only with this much more than the reserve free: a disk at the edge must not open and close by the second. */
const RESUME_SHARE = 1.1;
const RESUME_BYTES_MIN = 16 * 1024 * 1024;
/** Events waiting for a log that takes nothing; the newest tell all. */
const EVENTS_MAX = 10;

export interface DiskReserveDeps {
  readonly space: DiskSpace;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Tells others (an incident). Absent: another process on this disk does. May throw: it is tried again at the next look. */
  readonly tell?: (event: OutgoingRecord) => Promise<void>;
}

/** Keeps an eye on the disk that log and store lie on. */
export interface DiskReserve extends Service {
  /** Why nothing may be taken from senders now; '' while there is room. */
  readonly problem: () => string;
}

/**
 * Stops ingest before the disk is full, so that what was acknowledged can still be stored: an engine without room for a
 * merge, or a log without room for a commit, would stand still with data that senders no longer have. Once started it
 * looks every second. A disk that does not tell its space changes nothing: appends will say what they meet.
 */
export const createDiskReserve = (reserveBytes: number, deps: DiskReserveDeps): DiskReserve => {
  const { space, clock, logger, metrics } = deps;
  const stop = new AbortController();
  let problem = '';
  let isBlind = false;
  let events: OutgoingRecord[] = [];
  let running: Promise<void> = Promise.resolve();

  const note = (kind: 'observed' | 'cleared', freeBytes: number): void => {
    space.mark(kind === 'observed');
    if (deps.tell === undefined) return;
    const event = diskEvent(kind, { dir: space.dir, atMs: clock.nowMs(), freeBytes, reserveBytes });
    events = [...events, event].slice(-EVENTS_MAX);
  };

  const judge = (freeBytes: number): void => {
    const resumeBytes = Math.max(reserveBytes * RESUME_SHARE, reserveBytes + RESUME_BYTES_MIN);
    const isShort = freeBytes < (problem === '' ? reserveBytes : resumeBytes);
    metrics.gauge('disk_free_bytes', freeBytes);
    metrics.gauge('ingest_stopped', isShort ? 1 : 0);
    const where = { dir: space.dir, free_bytes: freeBytes, reserve_bytes: reserveBytes };
    if (isShort) {
      if (problem === '') {
        logger.error(where, 'the disk is nearly full: nothing is taken from senders until there is room again');
        note('observed', freeBytes);
      }
      problem = `the disk of ${space.dir} is nearly full: ${mebibytes(freeBytes)} free, taken again at ${mebibytes(resumeBytes)} (disk.reserve_mb)`;
    } else if (problem !== '') {
      problem = '';
      logger.info(where, 'the disk has room again: senders are heard');
      note('cleared', freeBytes);
    }
  };

  const tellWaiting = async (): Promise<void> => {
    for (const event of [...events]) {
      await deps.tell?.(event);
      events = events.filter((one) => one !== event);
    }
  };

  const look = async (): Promise<void> => {
    try {
      judge(await space.freeBytes());
      isBlind = false;
    } catch (error) {
      if (!isBlind) logger.warn({ err: error, dir: space.dir }, 'how much room the disk has is not known');
      isBlind = true;
    }
    await tellWaiting().catch((error: unknown) => logger.debug({ err: error }, 'a full disk could not be told yet'));
  };

  const watch = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(LOOK_MS, stop.signal).catch(() => undefined);
      if (!stop.signal.aborted) await look();
    }
  };

  return {
    name: 'disk',
    start: async () => {
      metrics.gauge('disk_reserve_bytes', reserveBytes);
      // A process before this one may have ended while it was full: its incident is closed, or goes on, by this look.
      if (space.isMarked()) problem = 'the disk was nearly full before this start';
      await look();
      running = watch();
    },
    health: (): Health => (problem === '' ? { state: 'ok', detail: '' } : { state: 'degraded', detail: problem }),
    drain: async () => {
      stop.abort();
      await running;
    },
    problem: () => problem,
  };
};

/** The log as those see it who take telemetry in: appends to `topics` are refused, retryably, while there is a problem. */
export const guardAppends = (log: EventLog, topics: readonly string[], problem: () => string): EventLog => {
  const guarded = new Set(topics);
  return {
    ...log,
    append: async (records, signal) => {
      const reason = problem();
      if (reason === '' || !records.some(({ topic }) => guarded.has(topic))) return log.append(records, signal);
      throw new TransportError('LOG_FULL', reason, { retryable: true });
    },
  };
};
