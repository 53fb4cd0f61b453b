import type { IncidentEvent } from '../../../schemas/incident-event.ts';
import { InvariantError, TransportError } from '../../runtime/errors.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Clock, EventLog, Logger, Random, Store } from '../../runtime/ports.ts';
import { utcMillis } from '../../runtime/stream/time.ts';
import { recordOf } from '../violation-events.ts';
import type { Budget, Period } from './budget.ts';
import { type BudgetIncident, gaugeOpenIncidents, periodEndOf, readBudgetIncidents } from './open-incidents.ts';
import { createDateReader, type DateReader, periodAt, periodBefore } from './period.ts';
import { readSpend } from './spend-query.ts';
import { budgetIncidentId, clearedEvent, type Judged, judge } from './status.ts';
import { readStatuses, type StoredStatus, statusKey, statusRow, textOf } from './status-rows.ts';

export interface WatchDeps {
  readonly log: EventLog;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** A bug surfaced: the process must end. */
  readonly onCrash: (error: unknown) => void;
}

/** Computes every budget again and again. */
export interface BudgetWatch {
  readonly start: () => void;
  readonly drain: () => Promise<void>;
}

/** What a look is given and leaves behind; all of it can be lost, the tables have it too. */
export interface WatchMemory {
  /** When this watch began, ms since 1970: what others have said since then may come from a newer config. */
  readonly startedMs: number;
  readonly readers: ReadonlyMap<string, DateReader>;
  /** Text of each status as it was written last, by its key. */
  readonly written: Map<string, string>;
  /** Ids of events in the log: the same again would be recognised, and is not said. */
  readonly told: Set<string>;
  readonly gauges: Set<string>;
  /** The current and the previous period by kind and zone: finding them asks the zone's rules a thousand times. */
  readonly periods: Map<string, readonly Period[]>;
}

/** Before the money is gone: a breach is told within seconds of its booking. */
const LOOK_MS = 2_000;
/** A look that takes long is followed by a pause nine times as long: budgets cost the store a tenth at most. */
const PAUSE_FACTOR = 9;
/** A machine that slept through a look, or whose clock was set, must not pause for nine times that. */
const PAUSE_MAX_MS = 300_000;
const BACKOFF_MAX_MS = 60_000;
const TOLD_MAX = 10_000;

/** A watch over the budgets. Without any it still clears what is left of earlier ones. */
export const createBudgetWatch = (budgets: readonly Budget[], deps: WatchDeps): BudgetWatch => {
  const stop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  return {
    start: () => {
      running = run(budgets, deps, createWatchMemory(budgets, deps.clock.nowMs()), stop.signal);
    },
    drain: async () => {
      stop.abort();
      await running;
    },
  };
};

/** An empty memory of a watch that begins now. */
export const createWatchMemory = (budgets: readonly Budget[], startedMs: number): WatchMemory => {
  const readers = new Map<string, DateReader>();
  for (const { timezone } of budgets) {
    const reader = readers.get(timezone) ?? createDateReader(timezone);
    if (reader === null) throw new InvariantError(`a budget in the unknown zone ${timezone}`);
    readers.set(timezone, reader);
  }
  return { startedMs, readers, written: new Map(), told: new Set(), gauges: new Set(), periods: new Map() };
};

const run = async (
  budgets: readonly Budget[],
  deps: WatchDeps,
  memory: WatchMemory,
  signal: AbortSignal,
): Promise<void> => {
  let pauseMs = LOOK_MS;
  while (!signal.aborted) {
    const startedMs = deps.clock.nowMs();
    try {
      await lookAtBudgets(budgets, deps, memory, signal);
      pauseMs = Math.min(PAUSE_MAX_MS, Math.max(LOOK_MS, PAUSE_FACTOR * (deps.clock.nowMs() - startedMs)));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TransportError)) {
        deps.onCrash(new InvariantError('the watch over budgets met a bug', { cause: error }));
        return;
      }
      pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS);
      // What repeats for ever needs a person; what passes by itself does not.
      const level = error.retryable ? 'warn' : 'error';
      deps.logger[level]({ err: error, backoff_ms: pauseMs }, 'budgets cannot be computed, trying again');
    }
    await deps.clock.sleep(pauseMs, signal).catch(() => undefined);
  }
};

/**
 * One look: the current and the previous period of each budget (what is booked late or corrected). Effects in this
 * order: observations into the log → status rows. A crash in between says an observation again under the same id; a
 * row that says "reached" is never ahead of the event that tells it. Throws TransportError.
 */
export const lookAtBudgets = async (
  budgets: readonly Budget[],
  deps: WatchDeps,
  memory: WatchMemory,
  signal: AbortSignal,
): Promise<void> => {
  const nowMs = deps.clock.nowMs();
  const incidents = await readBudgetIncidents(deps.store, nowMs, signal);
  const watched = budgets.map((budget): Watched => ({ budget, periods: periodsOf(budget, memory, nowMs) }));
  const oldestMs = Math.min(nowMs, ...watched.flatMap(({ periods }) => periods.map((period) => period.startMs)));
  const stored = await readStatuses(deps.store, budgets, oldestMs, signal);
  const judged: JudgedPeriod[] = [];
  for (const one of watched)
    judged.push(...(await judgeBudget(deps, memory, one, { stored, incidents, nowMs, signal })));
  const observed = judged.flatMap(({ event }) => (event === null ? [] : [event]));
  await tell(deps, memory, [...observed, ...endedOf(watched, incidents, memory.startedMs, nowMs)], signal);
  await write(deps, memory, judged, nowMs, signal);
  await gaugeOpenIncidents(deps.store, deps.metrics, memory.gauges, signal);
  deps.metrics.gauge('alerter_budgets_computed_timestamp_seconds', nowMs / 1000);
};

interface JudgedPeriod extends Judged {
  readonly key: string;
  readonly version: bigint;
  /** Incident of the stored row; null: there is none. Another one was written by a watch with another config. */
  readonly before: string | null;
}

/** What the tables said when the look began. */
interface Known {
  readonly stored: ReadonlyMap<string, StoredStatus>;
  readonly incidents: readonly BudgetIncident[];
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

const judgeBudget = async (
  deps: WatchDeps,
  memory: WatchMemory,
  { budget, periods }: Watched,
  { stored, incidents, nowMs, signal }: Known,
): Promise<readonly JudgedPeriod[]> => {
  const spends = await readSpend(deps.store, budget, periods, signal);
  return periods.map((period, at) => {
    const spend = spends[at];
    if (spend === undefined) throw new InvariantError('a period without its spend');
    const key = statusKey(budget, period);
    const before = stored.get(key);
    const incident = incidents.find(({ incident_id }) => incident_id === budgetIncidentId(budget, period));
    const again = at === 0 ? endBefore(incident, memory.startedMs) : null;
    const judged = judge(budget, period, spend, firedOf(budget, period, before, incident), nowMs, again);
    if (at === 0) gaugeUsed(deps.metrics, budget, spend.spent + judged.status.unknownCeiling);
    // Also under a clock that was put back, the newer row must win.
    const after = (before?.version ?? 0n) + 1n;
    return {
      ...judged,
      key,
      version: after > BigInt(nowMs) ? after : BigInt(nowMs),
      before: before?.incidentId ?? null,
    };
  });
};

interface Watched {
  readonly budget: Budget;
  /** The current one first. */
  readonly periods: readonly Period[];
}

const periodsOf = (budget: Budget, memory: WatchMemory, nowMs: number): readonly Period[] => {
  const calendar = `${budget.period} ${budget.timezone}`;
  const [known, before] = memory.periods.get(calendar) ?? [];
  if (known !== undefined && before !== undefined && nowMs >= known.startMs && nowMs < known.endMs)
    return [known, before];
  const dateOf = memory.readers.get(budget.timezone);
  if (dateOf === undefined) throw new InvariantError(`no reader for the zone ${budget.timezone}`);
  const current = periodAt(budget.period, dateOf, nowMs);
  const periods = [current, periodBefore(budget.period, dateOf, current)];
  memory.periods.set(calendar, periods);
  return periods;
};

/** What the row says fired, and the incident: a crash may have come between the event and the row. */
const firedOf = (
  budget: Budget,
  period: Period,
  stored: StoredStatus | undefined,
  incident: BudgetIncident | undefined,
): readonly number[] => {
  const byRow = stored?.incidentId === budgetIncidentId(budget, period) ? stored.reached : [];
  // All below the highest: a threshold that is added beneath one that fired is no news.
  const level = Math.max(incident?.level ?? 0, ...byRow);
  return budget.thresholds.filter((threshold) => threshold <= level);
};

/**
 * What names the end of an incident that a watch with another config had ended before this one began: its limit was
 * changed, and is now what it was. null: it is open, or its end stands. Ends of later days than this watch are the
 * word of a newer config.
 */
const endBefore = (incident: BudgetIncident | undefined, startedMs: number): string | null =>
  incident?.ended_at_ms != null && Number(incident.ended_at_ms) <= startedMs ? incident.observations : null;

/** Incidents whose period is over, or whose budget is asked another question now. */
const endedOf = (
  watched: readonly Watched[],
  incidents: readonly BudgetIncident[],
  startedMs: number,
  nowMs: number,
): readonly IncidentEvent[] => {
  const current = new Set(
    watched.flatMap(({ budget, periods }) => periods.slice(0, 1).map((period) => budgetIncidentId(budget, period))),
  );
  const known = new Set(watched.map(({ budget }) => budget.id));
  return incidents.flatMap((incident) => {
    if (current.has(incident.incident_id) || incident.ended_at_ms !== null) return [];
    const endMs = periodEndOf(incident);
    if (endMs === null || endMs <= nowMs) return [clearedEvent(incident, 'the period is over', nowMs)];
    // A budget this process does not know, and a limit that somebody has observed since it began, may be those of a
    // newer config: only their period's end ends them. Else an old process would call off what its successor says.
    const isOlder = Number(incident.last_observed_at_ms) < startedMs;
    return known.has(incident.subject) && isOlder ? [clearedEvent(incident, 'the budget was changed', nowMs)] : [];
  });
};

const tell = async (
  deps: WatchDeps,
  memory: WatchMemory,
  events: readonly IncidentEvent[],
  signal: AbortSignal,
): Promise<void> => {
  const fresh = events.filter((event) => !memory.told.has(event.event_id));
  if (fresh.length === 0) return;
  await deps.log.append(fresh.map(recordOf), signal);
  for (const event of fresh) memory.told.add(event.event_id);
  for (const id of memory.told) {
    if (memory.told.size <= TOLD_MAX) break;
    memory.told.delete(id);
  }
};

/** Only what has changed since this watch wrote it last. */
const write = async (
  deps: WatchDeps,
  memory: WatchMemory,
  judged: readonly JudgedPeriod[],
  nowMs: number,
  signal: AbortSignal,
): Promise<void> => {
  const changed = judged.filter(
    ({ key, status, before }) => memory.written.get(key) !== textOf(status) || before !== status.incidentId,
  );
  const rows = changed.map(({ status, version }) => statusRow(status, version, utcMillis(nowMs)));
  await deps.store.insert('budget_status', rows, { token: `budget_status/${deps.random.uuid()}`, signal });
  memory.written.clear();
  for (const { key, status } of judged) memory.written.set(key, textOf(status));
};

const gaugeUsed = (metrics: Metrics, budget: Budget, counted: bigint): void => {
  metrics.gauge('alerter_budget_used_ratio', Number((counted * 1_000_000n) / budget.limit) / 1_000_000, {
    budget: budget.id,
  });
};
