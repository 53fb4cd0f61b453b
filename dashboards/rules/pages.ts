import { COST_PANELS, COST_UID } from '../cost/panel-ids.ts';
import { OVERVIEW_PANELS, OVERVIEW_UID } from '../overview/panel-ids.ts';
import type { RuleGroup, RuleSpec } from './rule.ts';

/** Rules about budgets and violations. They page only when `alerts.pager` is grafana; else the alerter does. */
const MINUTE = 60;

const label = (name: string): string => `{{ index .Labels "${name}" }}`;
const VALUE = '{{ index .Values "B" }}';

const LIMIT = 'toFloat64(u.limit_usd)';
/** Spent, and what the calls of unknown cost can have cost at most. */
const COUNTED = '(toFloat64(u.spent_usd) + toFloat64(u.unknown_ceiling_usd))';

/**
 * Budgets in the period of now. One row a budget: two rows of the same labels would be an error of the rule, and titles
 * may repeat. A budget taken out of the file stays until its period ends.
 */
const budgetSql = (
  value: string,
  name: string,
): string => `SELECT toString(u.title) AS budget, toString(u.budget_id) AS budget_id, toString(u.tenant_id) AS tenant, toString(u.period) AS period, max(${value}) AS ${name}
FROM budget_status AS u FINAL
WHERE u.period_start <= $__toTime AND u.period_end > $__toTime
GROUP BY budget, budget_id, tenant, period
ORDER BY budget, budget_id, tenant, period`;

const reached: RuleSpec = {
  uid: 'tachograph-budget-reached',
  title: 'Tachograph: a budget reached a threshold',
  severity: 'warning',
  sql: budgetSql('toFloat64(length(u.reached))', 'thresholds'),
  rangeSeconds: 5 * MINUTE,
  above: 0,
  forSeconds: 0,
  noData: 'OK',
  summary: `budget ${label('budget')} of ${label('tenant')} (${label('period')}) has reached ${VALUE} of its thresholds`,
  meaning:
    'The spend of the present period, with the ceiling of calls whose cost is unknown, has reached a threshold of the budget.',
  look: ['The panel "Budgets": spent, the unknown part, the limit.', '"Burn rate by service": who spends it now.'],
  act: [
    'Ask the owner of the dearest agent whether this is meant.',
    'Raise the limit in config/budgets.yaml, or stop the agent.',
  ],
  panel: { dashboard: COST_UID, id: COST_PANELS.budgets },
};

const exceeded: RuleSpec = {
  uid: 'tachograph-budget-exceeded',
  title: 'Tachograph: a budget is used up',
  severity: 'critical',
  sql: budgetSql(`if(${LIMIT} > 0, ${COUNTED} / ${LIMIT}, if(${COUNTED} > 0, 1, 0))`, 'used'),
  rangeSeconds: 5 * MINUTE,
  above: 0.999999,
  forSeconds: 0,
  noData: 'OK',
  summary: `budget ${label('budget')} of ${label('tenant')} (${label('period')}) is used up: ${VALUE} of the limit`,
  meaning:
    'Spent, with the ceiling of what is unknown, is the limit of the period or more. Tachograph observes: it does not stop the agents.',
  look: [
    'The panel "Budgets": how much of it is unknown?',
    '"Calls without a cost": missing prices make the ceiling large.',
  ],
  act: [
    'Stop or slow the agent that spends it, where it runs.',
    'Calls of a model the price catalogue does not know stay at the ceiling; calls without usage need it from their emitter.',
  ],
  panel: { dashboard: COST_UID, id: COST_PANELS.budgets },
};

/** By the time the policy service wrote them, not by their own: one that is judged late still pages, once. */
const violations: RuleSpec = {
  uid: 'tachograph-violations',
  title: 'Tachograph: a rule was broken',
  severity: 'critical',
  sql: `SELECT toString(v.tenant_id) AS tenant, toString(v.rule_id) AS rule, toString(v.severity) AS violation_severity, toFloat64(uniqExact(v.violation_id)) AS violations
FROM policy_violations AS v
WHERE v.severity IN ('high', 'critical') AND v.mode != 'monitor' AND v.detected_by = 'stream'
  AND v.batch_id IN (SELECT b.batch_id FROM batches AS b WHERE b.service = 'policy' AND $__timeFilter_ms(b.written_at))
  AND (v.tenant_id, v.violation_id) NOT IN (
    SELECT w.tenant_id, w.violation_id FROM violation_reviews AS w
    GROUP BY w.tenant_id, w.violation_id HAVING argMax(w.review, w.at) IN ('dismiss', 'except'))
GROUP BY tenant, rule, violation_severity
ORDER BY tenant, rule, violation_severity`,
  rangeSeconds: 10 * MINUTE,
  above: 0,
  forSeconds: 0,
  noData: 'OK',
  summary: `${label('violation_severity')}: rule ${label('rule')} was broken ${VALUE} times for tenant ${label('tenant')}`,
  meaning:
    'A rule or detector of severity high or critical, not in mode monitor, found a breach in the last ten minutes that nobody has dismissed.',
  look: [
    'The panel "Open incidents", and from it the run: the path from the source to the sink.',
    'On whose behalf did the agent act, and what did it touch after?',
  ],
  act: [
    'Stop the run, where it runs, if it still goes on.',
    'Confirm, dismiss or except it by name: POST /api/v1/violations/:id/{confirm,dismiss,except}.',
  ],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.violations },
};

/** Provisioned, or removed, by the switch `alerts.pager`. */
export const pageRules: RuleGroup = { name: 'Tachograph pages', rules: [reached, exceeded, violations] };
