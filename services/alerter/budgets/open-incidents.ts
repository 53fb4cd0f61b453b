import { z } from 'zod';
import type { Severity } from '../../../schemas/policy-violation.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Store } from '../../runtime/ports.ts';
import { utcMillis } from '../../runtime/stream/time.ts';

/** An incident of a budget that is not resolved, or that ended by itself. */
export interface BudgetIncident {
  readonly incident_id: string;
  readonly tenant_id: string;
  readonly subject: string;
  readonly severity: Severity;
  readonly title: string;
  readonly observations: string;
  readonly level: number | null;
  readonly detail: string;
  readonly last_observed_at_ms: string;
  /** null: open or acknowledged. */
  readonly ended_at_ms: string | null;
}

/** Incidents of budgets looked at together; the others come when these are cleared. */
const READ_MAX = 5_000;

/** Those that are open, and those whose period goes on although nobody but the watch ended them. Throws TransportError. */
export const readBudgetIncidents = (
  store: Store,
  nowMs: number,
  signal: AbortSignal,
): Promise<readonly BudgetIncident[]> =>
  store.query<BudgetIncident>(
    `SELECT incident_id, tenant_id, subject, severity, title, toString(observations) AS observations, level, detail,
       toString(toUnixTimestamp64Milli(last_observed_at)) AS last_observed_at_ms,
       if(state = 'resolved', toString(toUnixTimestamp64Milli(assumeNotNull(resolved_at))), NULL) AS ended_at_ms
     FROM incidents FINAL
     WHERE source = 'budget' AND (state != 'resolved' OR (resolved_by IS NULL
       AND parseDateTime64BestEffortOrNull(JSONExtractString(detail, 'period_end'), 3, 'UTC') > {now:DateTime64(3, 'UTC')}))
     ORDER BY state = 'resolved', opened_at, incident_id LIMIT ${READ_MAX}`,
    { now: utcMillis(nowMs) },
    signal,
  );

const DETAIL = z.object({ period_end: z.string() });

/** When the period of a budget's incident ends, ms since 1970; null when its detail does not say. */
export const periodEndOf = (incident: BudgetIncident): number | null => {
  try {
    const endMs = Date.parse(DETAIL.parse(JSON.parse(incident.detail)).period_end);
    return Number.isFinite(endMs) ? endMs : null;
  } catch {
    return null;
  }
};

/** Brings the gauge of open incidents up to date. `known`: label pairs shown before, so that they can go to 0. */
export const gaugeOpenIncidents = async (
  store: Store,
  metrics: Metrics,
  known: Set<string>,
  signal: AbortSignal,
): Promise<void> => {
  const rows = await store.query<{ readonly source: string; readonly severity: string; readonly n: string }>(
    `SELECT source, severity, count() AS n FROM incidents FINAL WHERE state != 'resolved' GROUP BY source, severity`,
    {},
    signal,
  );
  const counts = new Map(rows.map((row) => [`${row.source}|${row.severity}`, Number(row.n)]));
  for (const pair of new Set([...known, ...counts.keys()])) {
    known.add(pair);
    const [source = '', severity = ''] = pair.split('|');
    metrics.gauge('alerter_incidents_open', counts.get(pair) ?? 0, { source, severity });
  }
};
