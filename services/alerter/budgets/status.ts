import { hash128 } from '../../../schemas/identity.ts';
import { type IncidentEvent, incidentIdOf, NOTHING_SAID } from '../../../schemas/incident-event.ts';
import type { Severity } from '../../../schemas/policy-violation.ts';
import { DEFAULT_TENANT } from '../../../schemas/tenant.ts';
import type { Budget, Period, Spend } from './budget.ts';
import { isReached, usdShort, usdText } from './decimal.ts';

/** How a budget stands in one of its periods. Amounts are USD × 10^12. */
export interface BudgetStatus {
  readonly budget: Budget;
  readonly period: Period;
  readonly spend: Spend;
  /** What the unknown calls count as. */
  readonly unknownCeiling: bigint;
  /** By the sums as they are now. */
  readonly state: 'ok' | 'warning' | 'exceeded';
  /** Thresholds that ever fired in the period, ascending: a correction downwards takes none back. */
  readonly reached: readonly number[];
  readonly incidentId: string;
}

/** What is remembered of a budget's period: thresholds that fired for this very incident. */
export type Fired = readonly number[];

/** A status, and what it has to tell for the first time. */
export interface Judged {
  readonly status: BudgetStatus;
  readonly event: IncidentEvent | null;
}

/** Tenant of the incidents of a budget; one that spans tenants belongs to the default one. */
export const tenantOf = (budget: Budget): string => budget.scope.tenant ?? DEFAULT_TENANT;

/**
 * One incident a budget, period, limit and scope: each of them asks another question, and the answer to it must be
 * told although the same thresholds fired for the one before.
 */
export const budgetIncidentId = (budget: Budget, period: Period): string =>
  incidentIdOf(tenantOf(budget), 'budget', [
    budget.id,
    String(period.startMs),
    String(period.endMs),
    usdText(budget.limit),
    JSON.stringify(SCOPE_PARTS.map((part) => budget.scope[part] ?? null)),
  ]);
const SCOPE_PARTS = ['tenant', 'agent', 'workflow', 'service'] as const;

/**
 * Judges a period by its sums. Thresholds reached together are one observation at the highest of them: nobody wants
 * three pages at once. Its id follows from budget, period, limit and threshold, so that whoever says it again, now or
 * after a restart, says nothing new. `again`: the incident had ended by itself although it holds; what names that end.
 * Then all that is reached is told once more. Pure; `nowMs` only dates the event.
 */
export const judge = (
  budget: Budget,
  period: Period,
  spend: Spend,
  fired: Fired,
  nowMs: number,
  again: string | null = null,
): Judged => {
  const unknownCeiling = BigInt(Math.max(0, spend.unknownCalls)) * budget.unknownCallCeiling;
  const counted = spend.spent + unknownCeiling;
  const current = budget.thresholds.filter((level) => isReached(counted, budget.limit, level));
  const fresh = again === null ? current.filter((level) => !fired.includes(level)) : current;
  const status: BudgetStatus = {
    budget,
    period,
    spend,
    unknownCeiling,
    state: isReached(counted, budget.limit, 1) ? 'exceeded' : current.length > 0 ? 'warning' : 'ok',
    reached: [...new Set([...fired, ...current])].sort((a, b) => a - b),
    incidentId: budgetIncidentId(budget, period),
  };
  const highest = fresh.at(-1);
  return { status, event: highest === undefined ? null : observationOf(status, highest, fresh, nowMs, again) };
};

const observationOf = (
  status: BudgetStatus,
  level: number,
  thresholds: readonly number[],
  nowMs: number,
  again: string | null,
): IncidentEvent => {
  const { budget, period, spend, unknownCeiling } = status;
  const counted = spend.spent + unknownCeiling;
  return {
    ...blankEvent(status.incidentId, budget),
    event_id: hash128(['observed', status.incidentId, String(level), ...(again === null ? [] : [again])]),
    at_ms: nowMs,
    kind: 'observed',
    severity: severityOf(level),
    title: `${budget.title}: ${percent(level)} of ${usdShort(budget.limit)} a ${budget.period} reached (${usdShort(counted)}${unknownShare(spend.unknownCalls, unknownCeiling)})`,
    level,
    detail: JSON.stringify({
      budget_id: budget.id,
      scope: budget.scope,
      period: budget.period,
      timezone: budget.timezone,
      period_start: new Date(period.startMs).toISOString(),
      period_end: new Date(period.endMs).toISOString(),
      limit_usd: usdText(budget.limit),
      spent_usd: usdText(spend.spent),
      unknown_calls: spend.unknownCalls,
      unknown_ceiling_usd: usdText(unknownCeiling),
      thresholds,
    }),
  };
};

/** The end of a budget's incident. `observations` tells one end from the end after a later breach. */
export const clearedEvent = (
  incident: {
    readonly incident_id: string;
    readonly tenant_id: string;
    readonly subject: string;
    readonly severity: Severity;
    readonly title: string;
    readonly observations: string;
  },
  reason: string,
  nowMs: number,
): IncidentEvent => ({
  ...blankEvent(incident.incident_id, null),
  event_id: hash128(['cleared', incident.incident_id, incident.observations]),
  tenant_id: incident.tenant_id,
  subject: incident.subject,
  severity: incident.severity,
  title: incident.title,
  at_ms: nowMs,
  kind: 'cleared',
  comment: reason,
  detail: JSON.stringify({ reason }),
});

const blankEvent = (incidentId: string, budget: Budget | null) => ({
  ...NOTHING_SAID,
  incident_id: incidentId,
  tenant_id: budget === null ? DEFAULT_TENANT : tenantOf(budget),
  source: 'budget' as const,
  subject: budget?.id ?? '',
  service: budget?.scope.service ?? null,
  agent_name: budget?.scope.agent ?? null,
  workflow: budget?.scope.workflow ?? null,
});

/** Half is worth a look, most of it a message, all of it a page, and more than all a louder one. */
const severityOf = (level: number): Severity =>
  level > 1 ? 'critical' : level === 1 ? 'high' : level >= 0.8 ? 'medium' : 'low';

const unknownShare = (calls: number, ceiling: bigint): string => {
  if (calls <= 0) return '';
  const which = `${calls} ${calls === 1 ? 'call' : 'calls'} of unknown cost`;
  return ceiling === 0n ? `, ${which} not counted` : `, of it ${usdShort(ceiling)} for ${which}`;
};

const percent = (level: number): string => `${Number((level * 100).toFixed(4))} %`;
