import type { Row, Store } from '../../runtime/ports.ts';
import { utcMillis } from '../../runtime/stream/time.ts';
import type { Budget, Period } from './budget.ts';
import { usdText } from './decimal.ts';
import { type BudgetStatus, tenantOf } from './status.ts';

/** What a stored status still decides: the next version, and the thresholds that fired for its incident. */
export interface StoredStatus {
  readonly version: bigint;
  readonly incidentId: string;
  readonly reached: readonly number[];
}

/** Key of a status among the stored ones. */
export const statusKey = (budget: Budget, period: Period): string =>
  `${tenantOf(budget)}|${budget.id}|${Math.floor(period.startMs / 1000)}`;

/** The stored statuses of these budgets that began at or after `fromMs`. Throws TransportError. */
export const readStatuses = async (
  store: Store,
  budgets: readonly Budget[],
  fromMs: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, StoredStatus>> => {
  if (budgets.length === 0) return new Map();
  const rows = await store.query<{
    readonly key: string;
    readonly version: string;
    readonly incident_id: string;
    readonly reached: readonly number[];
  }>(
    `SELECT concat(tenant_id, '|', budget_id, '|', toString(toUnixTimestamp(period_start))) AS key, toString(version) AS version,
       incident_id, reached
     FROM budget_status FINAL WHERE budget_id IN {ids:Array(String)} AND period_start >= {from:DateTime('UTC')}`,
    { ids: budgets.map((budget) => budget.id), from: Math.max(0, Math.floor(fromMs / 1000)) },
    signal,
  );
  return new Map(
    rows.map((row) => [row.key, { version: BigInt(row.version), incidentId: row.incident_id, reached: row.reached }]),
  );
};

/** Everything of a status but when it was computed, as text: two that say the same have the same text. */
export const textOf = (status: BudgetStatus): string => JSON.stringify(factsOf(status));

/** A row of budget_status. */
export const statusRow = (status: BudgetStatus, version: bigint, computedAt: string): Row => ({
  ...factsOf(status),
  version: version.toString(),
  computed_at: computedAt,
});

const utcSeconds = (ms: number): string => utcMillis(ms).slice(0, 19);

const factsOf = ({ budget, period, spend, unknownCeiling, state, reached, incidentId }: BudgetStatus): Row => ({
  budget_id: budget.id,
  title: budget.title,
  tenant_id: tenantOf(budget),
  scope: Object.fromEntries(Object.entries(budget.scope).filter(([, value]) => value !== undefined)),
  period: budget.period,
  timezone: budget.timezone,
  period_start: utcSeconds(period.startMs),
  period_end: utcSeconds(period.endMs),
  limit_usd: usdText(budget.limit),
  spent_usd: usdText(spend.spent),
  unknown_calls: spend.unknownCalls,
  unknown_call_ceiling_usd: usdText(budget.unknownCallCeiling),
  unknown_ceiling_usd: usdText(unknownCeiling),
  calls: spend.calls,
  thresholds: budget.thresholds,
  reached,
  state,
  incident_id: incidentId,
});
