import { hash128 } from '../../schemas/identity.ts';
import {
  type IncidentEvent,
  type IncidentEventKind,
  type IncidentSource,
  NOTHING_SAID,
} from '../../schemas/incident-event.ts';
import { SEVERITIES } from '../../schemas/policy-violation.ts';
import { BASE_URL_MAX, type RoutedDetail } from './event-detail.ts';
import type { Notice } from './incident.ts';
import type { SinkTarget } from './sinks/sink.ts';

/** A notice found later than this goes nowhere: an alerter that was away for a day pages nobody about yesterday. */
export const ROUTE_AGE_MAX_MS = 24 * 3_600_000;

export interface RoutingSettings {
  readonly sinks: readonly SinkTarget[];
  /** Who pages about budgets and violations. */
  readonly pager: 'tachograph' | 'grafana';
  /** Address of the console, without a slash at its end. */
  readonly baseUrl: string;
}

/** Decides where a notice goes, as the `routed` event that fixes it: a sink added later gets nothing old. */
export const routeNotice = (notice: Notice, settings: RoutingSettings, nowMs: number): IncidentEvent => {
  const { incident } = notice;
  const reason = silentReason(notice, settings, nowMs);
  const wanting = settings.sinks.filter(
    (sink) => SEVERITIES.indexOf(incident.severity) >= SEVERITIES.indexOf(sink.min_severity),
  );
  const sinks = reason === null ? wanting.map((sink) => sink.name) : [];
  const detail: RoutedDetail & { readonly reason: string | null } = {
    for_event_id: notice.event_id,
    sinks,
    base_url: settings.baseUrl.slice(0, BASE_URL_MAX),
    reason: reason ?? (sinks.length === 0 ? 'no sink takes it' : null),
  };
  return sinkEvent(notice, 'routed', nowMs, { id: ['routed'], sink: null, detail });
};

/** What the rules themselves lack, or the disk, is nobody else's page: Grafana cannot know of it. */
const UNKNOWN_TO_GRAFANA: ReadonlySet<IncidentSource> = new Set<IncidentSource>(['ruleset', 'disk']);

const silentReason = (notice: Notice, settings: RoutingSettings, nowMs: number): string | null => {
  if (settings.pager === 'grafana' && !UNKNOWN_TO_GRAFANA.has(notice.incident.source)) return 'grafana pages about it';
  return nowMs - notice.at_ms > ROUTE_AGE_MAX_MS ? 'too old when it was found' : null;
};

/** An event of the sender about a notice. Its id follows from what it says, so that it counts once. */
export const sinkEvent = (
  notice: Notice,
  kind: IncidentEventKind,
  nowMs: number,
  what: { readonly id: readonly string[]; readonly sink: string | null; readonly detail: object },
): IncidentEvent => {
  const { incident } = notice;
  return {
    ...NOTHING_SAID,
    event_id: hash128([kind, notice.event_id, ...what.id]),
    incident_id: incident.incident_id,
    tenant_id: incident.tenant_id,
    at_ms: nowMs,
    kind,
    source: incident.source,
    subject: incident.subject,
    severity: incident.severity,
    title: incident.title,
    service: incident.service,
    agent_name: incident.agent_name,
    workflow: incident.workflow,
    sink: what.sink,
    detail: JSON.stringify(what.detail),
  };
};
