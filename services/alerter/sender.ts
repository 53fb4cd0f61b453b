import type { IncidentEvent } from '../../schemas/incident-event.ts';
import { InvariantError, TransportError } from '../runtime/errors.ts';
import type { Clock, Row } from '../runtime/ports.ts';
import type { AssignedPartition } from '../runtime/stream/types.ts';
import { createLanes } from './lanes.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { PENDING_READ_MAX, readFolded, readPending } from './pending-notices.ts';
import { type RoutingSettings, routeNotice } from './routing.ts';
import type { SenderDeps } from './sender-deps.ts';
import { recordOf } from './violation-events.ts';

/** Tells the notices of one partition of incident_events, while it is in the hands of this process. */
export interface Sender {
  /** The fold's newest rows of `incidents`, and how far the partition is folded with them. */
  readonly landed: (rows: readonly Row[], end: number) => void;
  /** Begins nothing new, and resolves when what is under way has come to an end and is told to the log. */
  readonly finish: () => Promise<void>;
}

/** The table is read again this often, for what memory had no room for. */
const RESCAN_MS = 60_000;
const BACKOFF_MS = 500;
const BACKOFF_MAX_MS = 10_000;

/**
 * Effects in this order: `routed` into the log → folded and stored → POST → `delivered` into the log. So where a notice
 * goes is decided once, and whoever owns the partition next knows it. What was posted and not yet told when a process
 * dies is posted again under the same idempotency key: at least once, recognisable. Nothing is posted before all that
 * was in the log at assignment is folded, for the last owner's `delivered` may be there.
 */
export const createSender = (place: AssignedPartition, settings: RoutingSettings, deps: SenderDeps): Sender => {
  const outbox = createOutbox();
  const finishing = new AbortController();
  const stop = AbortSignal.any([place.signal, finishing.signal]);
  const waker = createWaker(deps.clock, stop);
  const state = { folded: 0, lastRescanMs: Number.NEGATIVE_INFINITY, routing: new Set<string>() };
  const tell = (events: readonly IncidentEvent[]): Promise<void> => append(deps, events, stop);
  const lanes = createLanes({ settings, deps, signal: place.signal, tell, wake: waker.wake });
  const run = async (): Promise<void> => {
    await untilCaughtUp(place, deps, state, waker, stop);
    while (!stop.aborted) {
      await rescan(place, deps, outbox, state);
      await routeAll(outbox, settings, deps, state.routing, tell);
      const nextMs = lanes.startDue(outbox.heads());
      deps.metrics.gauge('alerter_notifications_waiting', outbox.size(), { partition: place.partition });
      await waker.wait(Math.min(nextMs, RESCAN_MS));
    }
  };
  const running = keepRunning(run, deps, stop);
  return {
    landed: (rows, end) => {
      for (const row of rows) outbox.take(row);
      state.folded = Math.max(state.folded, end);
      waker.wake();
    },
    finish: async () => {
      finishing.abort();
      await running;
      await lanes.ended();
    },
  };
};

/** Infrastructure that is away is waited for; a bug ends the process. */
const keepRunning = async (run: () => Promise<void>, deps: SenderDeps, stop: AbortSignal): Promise<void> => {
  for (let backoffMs = BACKOFF_MS; !stop.aborted; backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS)) {
    try {
      await run();
      return;
    } catch (error) {
      if (stop.aborted) return;
      if (!(error instanceof TransportError) || !error.retryable) {
        deps.onCrash(new InvariantError('the sender of notifications met a bug', { cause: error }));
        return;
      }
      deps.logger.warn({ err: error, backoff_ms: backoffMs }, 'notifications wait');
      await deps.clock.sleep(backoffMs, stop).catch(() => undefined);
    }
  }
};

const untilCaughtUp = async (
  place: AssignedPartition,
  deps: SenderDeps,
  state: { folded: number },
  waker: Waker,
  stop: AbortSignal,
): Promise<void> => {
  const ranges = await deps.log.ranges(place.topic);
  const range = ranges.find(({ partition }) => partition === place.partition);
  if (range === undefined || range.start === range.end) return;
  while (!stop.aborted && state.folded < range.end) {
    state.folded = Math.max(state.folded, await readFolded(deps.store, place));
    if (state.folded < range.end) await waker.wait(CAUGHT_UP_POLL_MS);
  }
};

/** Every batch wakes the sender; this only covers what was confirmed before it began. */
const CAUGHT_UP_POLL_MS = 2_000;

const rescan = async (
  place: AssignedPartition,
  deps: SenderDeps,
  outbox: Outbox,
  state: { lastRescanMs: number },
): Promise<void> => {
  const nowMs = deps.clock.nowMs();
  const isDue = Math.abs(nowMs - state.lastRescanMs) >= RESCAN_MS || (outbox.isFull() && outbox.size() === 0);
  if (!isDue) return;
  outbox.beginReading();
  // All of it, as far as there is room: a thousand whose sink is away must not hide the others.
  for (let skip = 0; !outbox.isFull(); skip += PENDING_READ_MAX) {
    const rows = await readPending(deps.store, place, skip);
    for (const row of rows) outbox.take(row);
    if (rows.length < PENDING_READ_MAX) break;
  }
  state.lastRescanMs = nowMs;
  if (outbox.isFull())
    deps.logger.warn(
      { partition: place.partition, waiting: outbox.size() },
      'more incidents wait to be told than are held; the others come when these are settled',
    );
};

/** Notices whose `routed` is in the log already wait for it to come back; each is decided once. */
const routeAll = async (
  outbox: Outbox,
  settings: RoutingSettings,
  deps: SenderDeps,
  routing: Set<string>,
  tell: (events: readonly IncidentEvent[]) => Promise<void>,
): Promise<void> => {
  const unrouted = outbox.unrouted();
  const waiting = new Set(unrouted.map((notice) => notice.event_id));
  for (const id of routing) if (!waiting.has(id)) routing.delete(id);
  const fresh = unrouted.filter((notice) => !routing.has(notice.event_id));
  if (fresh.length === 0) return;
  const nowMs = deps.clock.nowMs();
  await tell(fresh.map((notice) => routeNotice(notice, settings, nowMs)));
  for (const notice of fresh) routing.add(notice.event_id);
};

/**
 * Appends until durable. When the sender ends meanwhile it tries once more and lets go: the event is lost then, and the
 * next owner does again what it told of, under the same ids.
 */
const append = async (deps: SenderDeps, events: readonly IncidentEvent[], stop: AbortSignal): Promise<void> => {
  for (let backoffMs = BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS)) {
    const isLast = stop.aborted;
    try {
      await deps.log.append(events.map(recordOf));
      return;
    } catch (error) {
      if (!(error instanceof TransportError) || !error.retryable || isLast) throw error;
      await deps.clock.sleep(backoffMs, stop).catch(() => undefined);
    }
  }
};

interface Waker {
  readonly wake: () => void;
  /** Resolves after `ms`, when woken (also before the call), or when the signal fires. */
  readonly wait: (ms: number) => Promise<void>;
}

const createWaker = (clock: Clock, stop: AbortSignal): Waker => {
  let isWoken = false;
  let waiting = new AbortController();
  return {
    wake: () => {
      isWoken = true;
      waiting.abort();
    },
    wait: async (ms) => {
      if (!isWoken) {
        waiting = new AbortController();
        await clock.sleep(ms, AbortSignal.any([stop, waiting.signal])).catch(() => undefined);
      }
      isWoken = false;
    },
  };
};
