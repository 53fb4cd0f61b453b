import type { IncidentEvent } from '../../schemas/incident-event.ts';
import type { Row } from '../runtime/ports.ts';
import type { FoldContext } from '../runtime/stream/fold-task.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { Delivery, Incident, Notice, Transition } from './incident.ts';
import type { Notification } from './notices.ts';

const utcNullable = (ms: number | null): string | null => (ms === null ? null : utcMillis(ms));

const marksOf = (context: FoldContext): Row => ({
  batch_id: context.batchId,
  logged_at: utcMillis(context.loggedAtMs),
});

/** A row of incident_events: the event, and what it did. Of an incident nobody knows nothing is open: `resolved`. */
export const eventRow = (
  event: IncidentEvent,
  transition: Transition | null,
  notification: Notification | null,
  after: Incident | null,
  context: FoldContext,
): Row => ({
  event_id: event.event_id,
  incident_id: event.incident_id,
  tenant_id: event.tenant_id,
  ts: utcMillis(event.at_ms),
  kind: event.kind,
  transition,
  notification,
  state: after?.state ?? 'resolved',
  source: event.source,
  subject: event.subject,
  severity: event.severity,
  title: event.title,
  actor: event.actor,
  comment: event.comment,
  level: event.level,
  silenced_until: utcNullable(event.silenced_until_ms),
  run_id: event.run_id,
  sink: event.sink,
  detail: event.detail,
  ...marksOf(context),
});

/** A row of incidents, the newest version of which counts. */
export const incidentRow = (incident: Incident, notices: readonly Notice[], context: FoldContext): Row => ({
  incident_id: incident.incident_id,
  tenant_id: incident.tenant_id,
  version: context.version.toString(),
  source: incident.source,
  subject: incident.subject,
  title: incident.title,
  severity: incident.severity,
  state: incident.state,
  opened_at: utcMillis(incident.opened_at_ms),
  last_observed_at: utcMillis(incident.last_observed_at_ms),
  observations: incident.observations,
  level: incident.level,
  acknowledged_at: utcNullable(incident.acknowledged_at_ms),
  acknowledged_by: incident.acknowledged_by,
  resolved_at: utcNullable(incident.resolved_at_ms),
  resolved_by: incident.resolved_by,
  silenced_until: utcNullable(incident.silenced_until_ms),
  service: incident.service,
  agent_name: incident.agent_name,
  workflow: incident.workflow,
  run_id: incident.run_id,
  detail: incident.detail,
  pending: notices.length,
  notices: JSON.stringify(notices),
  ...marksOf(context),
});

/** A row of incident_deliveries, the newest version of which counts. */
export const deliveryRow = (notice: Notice, delivery: Delivery, context: FoldContext): Row => ({
  delivery_id: delivery.delivery_id,
  tenant_id: notice.incident.tenant_id,
  version: context.version.toString(),
  incident_id: notice.incident.incident_id,
  event_id: notice.event_id,
  transition: notice.transition,
  sink: delivery.sink,
  state: delivery.state,
  attempts: delivery.attempts,
  last_error: delivery.last_error,
  created_at: utcMillis(delivery.created_at_ms),
  updated_at: utcMillis(delivery.updated_at_ms),
  ...marksOf(context),
});
