import type { IncidentEvent } from '../../schemas/incident-event.ts';
import { TransportError } from '../runtime/errors.ts';
import type { DueDelivery } from './outbox.ts';
import {
  BACKOFF_MAX_MS,
  backoffMs,
  GIVE_UP_MS,
  isTold,
  RETRY_AFTER_MAX_MS,
  type Verdict,
  verdictOf,
  waitUntil,
} from './retry.ts';
import { type RoutingSettings, sinkEvent } from './routing.ts';
import type { SenderDeps } from './sender-deps.ts';
import { sinkOf } from './sinks/registry.ts';
import type { SinkTarget } from './sinks/sink.ts';

/** The ways to the sinks. Each sink has its own, so that a slow one holds up nobody else. */
export interface Lanes {
  /** Begins what may be tried now; gives the ms until the next may be. */
  readonly startDue: (heads: readonly DueDelivery[]) => number;
  /** Resolves when nothing is under way. */
  readonly ended: () => Promise<void>;
}

export interface LanesInput {
  readonly settings: RoutingSettings;
  readonly deps: SenderDeps;
  /** The partition's: when it fires, requests under way are let go. */
  readonly signal: AbortSignal;
  readonly tell: (events: readonly IncidentEvent[]) => Promise<void>;
  /** Called when something has come to an end. */
  readonly wake: () => void;
}

/** Requests at once to one sink: enough to hide its latency, few enough for a small receiver. */
const IN_FLIGHT_MAX = 4;
/** With nothing due: the sender is woken by what lands. */
const IDLE_MS = 60_000;

interface Attempt {
  count: number;
  dueMs: number;
  /** 'told': the log has its end, which will land. */
  phase: 'waiting' | 'sending' | 'told';
}

interface Lane {
  inFlight: number;
  /** The sink asked to be left alone until then. */
  pausedUntilMs: number;
}

/** Lanes for every sink of the settings, empty. */
export const createLanes = (input: LanesInput): Lanes => {
  const { deps } = input;
  const attempts = new Map<string, Attempt>();
  const lanes = new Map<string, Lane>();
  const running = new Set<Promise<void>>();

  const start = (due: DueDelivery, attempt: Attempt, lane: Lane): void => {
    attempt.phase = 'sending';
    lane.inFlight += 1;
    const task = deliver(input, due, attempt, lane)
      .catch((error: unknown) => {
        // Fenced, or the log is away at the end: the next owner tries again under the same key.
        attempt.phase = 'waiting';
        attempt.dueMs = deps.clock.nowMs() + backoffMs(attempt.count + 1, deps.random.float());
        if (!(error instanceof TransportError)) deps.onCrash(error);
      })
      .finally(() => {
        lane.inFlight -= 1;
        running.delete(task);
        input.wake();
      });
    running.add(task);
  };

  return {
    startDue: (heads) => {
      forgetSettled(attempts, heads);
      const nowMs = deps.clock.nowMs();
      let nextMs = IDLE_MS;
      for (const due of heads) {
        const attempt = attemptOf(attempts, due);
        const lane = laneOf(lanes, due.delivery.sink);
        if (attempt.phase !== 'waiting' || lane.inFlight >= IN_FLIGHT_MAX) continue;
        const waitMs = Math.max(
          waitUntil(attempt.dueMs, BACKOFF_MAX_MS, nowMs),
          waitUntil(lane.pausedUntilMs, RETRY_AFTER_MAX_MS, nowMs),
        );
        if (waitMs > 0) nextMs = Math.min(nextMs, waitMs);
        else start(due, attempt, lane);
      }
      return nextMs;
    },
    ended: async () => {
      await Promise.all(running);
    },
  };
};

/** A settled delivery is no head any more, and never one again. */
const forgetSettled = (attempts: Map<string, Attempt>, heads: readonly DueDelivery[]): void => {
  const open = new Set(heads.map(({ delivery }) => delivery.delivery_id));
  for (const id of attempts.keys()) if (!open.has(id)) attempts.delete(id);
};

const attemptOf = (attempts: Map<string, Attempt>, { delivery }: DueDelivery): Attempt => {
  const known = attempts.get(delivery.delivery_id);
  if (known !== undefined) return known;
  const fresh: Attempt = { count: delivery.attempts, dueMs: 0, phase: 'waiting' };
  attempts.set(delivery.delivery_id, fresh);
  return fresh;
};

const laneOf = (lanes: Map<string, Lane>, sink: string): Lane => {
  const known = lanes.get(sink);
  if (known !== undefined) return known;
  const fresh: Lane = { inFlight: 0, pausedUntilMs: 0 };
  lanes.set(sink, fresh);
  return fresh;
};

const deliver = async (input: LanesInput, due: DueDelivery, attempt: Attempt, lane: Lane): Promise<void> => {
  const { deps } = input;
  const target = input.settings.sinks.find((sink) => sink.name === due.delivery.sink);
  const verdict = await attemptOnce(input, due, target);
  attempt.count += 1;
  const nowMs = deps.clock.nowMs();
  const sink = due.delivery.sink;
  if (verdict.kind === 'sent') {
    deps.metrics.count('alerter_notifications_total', { sink, outcome: 'sent' });
    await input.tell([outcomeEvent(due, 'delivered', attempt.count, nowMs, {})]);
    attempt.phase = 'told';
    return;
  }
  const isGivenUp = verdict.kind === 'refused' || nowMs - due.delivery.created_at_ms > GIVE_UP_MS;
  deps.metrics.count('alerter_notifications_total', { sink, outcome: isGivenUp ? 'given_up' : 'failed' });
  deps.logger.warn(
    { sink, delivery_id: due.delivery.delivery_id, attempts: attempt.count, error: verdict.error, given_up: isGivenUp },
    'a notification was not taken',
  );
  const error = verdict.error;
  if (isGivenUp || isTold(attempt.count))
    await input.tell([outcomeEvent(due, 'delivery_failed', attempt.count, nowMs, { error, given_up: isGivenUp })]);
  if (isGivenUp) {
    attempt.phase = 'told';
    return;
  }
  const pauseMs = verdict.kind === 'later' ? verdict.pauseMs : null;
  if (pauseMs !== null) lane.pausedUntilMs = Math.max(lane.pausedUntilMs, nowMs + pauseMs);
  attempt.dueMs = nowMs + backoffMs(attempt.count, deps.random.float());
  attempt.phase = 'waiting';
};

const attemptOnce = async (
  { deps, signal }: LanesInput,
  due: DueDelivery,
  target: SinkTarget | undefined,
): Promise<Verdict> => {
  const sink = target === undefined ? undefined : sinkOf(target.kind);
  if (target === undefined || sink === undefined)
    return { kind: 'refused', error: 'the config names no such sink any more' };
  const { delivery, notice, baseUrl } = due;
  const notification = { notice, delivery_id: delivery.delivery_id, base_url: baseUrl };
  const answer = await deps.outbound.post(sink.buildRequest(notification, target, deps.clock.nowMs()), signal);
  return verdictOf(answer, deps.clock.nowMs());
};

const outcomeEvent = (
  { notice, delivery }: DueDelivery,
  kind: 'delivered' | 'delivery_failed',
  attempts: number,
  nowMs: number,
  more: { readonly error?: string; readonly given_up?: boolean },
): IncidentEvent =>
  sinkEvent(notice, kind, nowMs, {
    id: [delivery.sink, kind === 'delivered' ? '' : String(attempts)],
    sink: delivery.sink,
    detail: { for_event_id: notice.event_id, delivery_id: delivery.delivery_id, attempts, ...more },
  });
