import { incidentIdOf } from '../../schemas/incident-event.ts';
import type { Row } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import { BATCH, HOSTILE, RICH_RUN, SHARED_RUN } from './seed-builders.ts';

/** Incidents as the alerter writes them, relative to now. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A flow from an untrusted page to a report, at a step of the rich run. */
export const FLOW_VIOLATION = 'f10af10af10af10af10af10af10af10a';
export const OPEN_INCIDENT = incidentIdOf('demo', 'violation', ['flow.untrusted', 'research-agent']);
export const BUDGET_INCIDENT = incidentIdOf('demo', 'budget', ['research', 'month']);
export const RESOLVED_INCIDENT = incidentIdOf('demo', 'violation', ['loop', 'planner']);

const incident = (row: Row): Row => ({
  tenant_id: 'demo',
  version: 1,
  source: 'violation',
  severity: 'high',
  state: 'open',
  observations: 1,
  acknowledged_at: null,
  acknowledged_by: null,
  resolved_at: null,
  resolved_by: null,
  silenced_until: null,
  service: null,
  agent_name: null,
  workflow: null,
  run_id: null,
  detail: '{}',
  ...BATCH,
  ...row,
});

/** Incidents: one open, one acknowledged about a budget, one resolved. */
export const incidents = (nowMs: number): readonly Row[] => {
  const at = (agoMs: number): string => utcMillis(nowMs - agoMs);
  return [
    incident({
      incident_id: OPEN_INCIDENT,
      subject: 'flow.untrusted',
      title: 'untrusted page reached a write',
      opened_at: at(40 * MINUTE_MS),
      last_observed_at: at(79_000),
      observations: 3,
      service: 'research-api',
      agent_name: 'research-agent',
      run_id: RICH_RUN,
      logged_at: at(79_000),
    }),
    incident({
      incident_id: BUDGET_INCIDENT,
      source: 'budget',
      subject: 'research',
      title: `Research: 80 % of ${HOSTILE}`,
      severity: 'medium',
      state: 'acknowledged',
      opened_at: at(26 * HOUR_MS),
      last_observed_at: at(2 * HOUR_MS),
      acknowledged_at: at(25 * HOUR_MS),
      acknowledged_by: 'grace',
      logged_at: at(2 * HOUR_MS),
    }),
    incident({
      incident_id: RESOLVED_INCIDENT,
      subject: 'loop',
      title: 'the same call five times in a row',
      severity: 'critical',
      state: 'resolved',
      agent_name: 'planner',
      opened_at: at(3 * DAY_MS),
      last_observed_at: at(2 * DAY_MS),
      resolved_at: at(2 * DAY_MS),
      resolved_by: 'ada',
      logged_at: at(2 * DAY_MS),
    }),
  ];
};

/** An event row with every column a test may leave out. */
export const incidentEventRow = (row: Row & { readonly at_ms: number; readonly event_id: string }): Row => {
  const { at_ms, ...rest } = row;
  return {
    incident_id: OPEN_INCIDENT,
    tenant_id: 'demo',
    ts: utcMillis(at_ms),
    kind: 'observed',
    transition: null,
    state: 'open',
    source: 'violation',
    subject: 'flow.untrusted',
    severity: 'high',
    title: 'untrusted page reached a write',
    actor: null,
    comment: null,
    level: null,
    run_id: null,
    detail: '{}',
    logged_at: utcMillis(at_ms),
    ...BATCH,
    ...rest,
  };
};

/** Their timelines. */
export const events = (nowMs: number): readonly Row[] => [
  incidentEventRow({
    event_id: 'e0000000000000000000000000000001',
    at_ms: nowMs - 40 * MINUTE_MS,
    transition: 'opened',
    run_id: SHARED_RUN,
  }),
  incidentEventRow({ event_id: 'e0000000000000000000000000000002', at_ms: nowMs - 38 * MINUTE_MS, kind: 'routed' }),
  incidentEventRow({
    event_id: 'e0000000000000000000000000000003',
    at_ms: nowMs - 20 * MINUTE_MS,
    kind: 'commented',
    transition: 'commented',
    actor: 'grace',
    comment: `Looking at it. ${HOSTILE}`,
  }),
  incidentEventRow({ event_id: FLOW_VIOLATION, at_ms: nowMs - 79_000, run_id: RICH_RUN }),
  incidentEventRow({
    event_id: 'e0000000000000000000000000000004',
    incident_id: BUDGET_INCIDENT,
    source: 'budget',
    subject: 'research',
    severity: 'medium',
    at_ms: nowMs - 26 * HOUR_MS,
    transition: 'opened',
    level: 0.8,
  }),
  incidentEventRow({
    event_id: 'e0000000000000000000000000000005',
    incident_id: BUDGET_INCIDENT,
    source: 'budget',
    subject: 'research',
    severity: 'medium',
    at_ms: nowMs - 25 * HOUR_MS,
    kind: 'acknowledged',
    transition: 'acknowledged',
    state: 'acknowledged',
    actor: 'grace',
  }),
];

/** Notifications of the open one: sent, given up, under way. */
export const deliveries = (nowMs: number): readonly Row[] =>
  [
    { sink: 'slack', state: 'sent', attempts: 1, last_error: '' },
    { sink: 'pagerduty', state: 'failed', attempts: 8, last_error: `HTTP 403 ${HOSTILE}` },
    { sink: 'webhook', state: 'pending', attempts: 2, last_error: 'connect ECONNREFUSED 10.0.0.7:443' },
  ].map((row, index) => ({
    delivery_id: `de1e0000000000000000000000000${index}`,
    tenant_id: 'demo',
    version: 1,
    incident_id: OPEN_INCIDENT,
    event_id: 'e0000000000000000000000000000001',
    transition: 'opened',
    created_at: utcMillis(nowMs - 40 * MINUTE_MS),
    updated_at: utcMillis(nowMs - 39 * MINUTE_MS),
    logged_at: utcMillis(nowMs - 39 * MINUTE_MS),
    ...BATCH,
    ...row,
  }));
