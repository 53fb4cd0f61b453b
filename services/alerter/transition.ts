import type { IncidentEvent } from '../../schemas/incident-event.ts';
import { SEVERITIES, type Severity } from '../../schemas/policy-violation.ts';
import type { Incident, Transition } from './incident.ts';

/** What an event does to an incident. `transition` null: it changes nothing. */
export interface Effect {
  readonly incident: Incident | null;
  readonly transition: Transition | null;
  /** Whether the event gets a row of its own: all do but further observations of a condition that is known. */
  readonly isRecorded: boolean;
}

/**
 * The state machine of incidents. Total: every event has an effect in every state, in any order. Pure: the event's own
 * time decides, never a clock. An incident that is not known (new, or untouched for longer than fold states are kept)
 * begins with whatever is told of it, so that an old one can still be resolved.
 */
export const applyEvent = (incident: Incident | null, event: IncidentEvent): Effect => {
  switch (event.kind) {
    case 'routed':
    case 'delivered':
    case 'delivery_failed':
      return unchanged(incident);
    case 'observed':
      return incident === null ? changed(begin(event, 1), 'opened') : observe(incident, event);
    default:
      return decide(incident ?? begin(event, 0), event);
  }
};

const unchanged = (incident: Incident | null): Effect => ({ incident, transition: null, isRecorded: true });
const changed = (incident: Incident, transition: Transition): Effect => ({ incident, transition, isRecorded: true });

const begin = (event: IncidentEvent, observations: number): Incident => ({
  incident_id: event.incident_id,
  tenant_id: event.tenant_id,
  source: event.source,
  subject: event.subject,
  title: event.title,
  severity: event.severity,
  state: 'open',
  opened_at_ms: event.at_ms,
  last_observed_at_ms: event.at_ms,
  observations,
  level: event.level,
  acknowledged_at_ms: null,
  acknowledged_by: null,
  resolved_at_ms: null,
  resolved_by: null,
  silenced_until_ms: null,
  service: event.service,
  agent_name: event.agent_name,
  workflow: event.workflow,
  run_id: event.run_id,
  detail: event.detail,
  unheard: false,
});

/** The condition was seen again. */
const observe = (incident: Incident, event: IncidentEvent): Effect => {
  const counted: Incident = {
    ...incident,
    observations: incident.observations + 1,
    last_observed_at_ms: Math.max(incident.last_observed_at_ms, event.at_ms),
  };
  if (incident.state === 'resolved') {
    // A late report of what was there before it was resolved does not open it again. A higher level does, whatever its
    // time: it is told once, and whoever resolved the incident cannot have meant it.
    if (event.at_ms <= (incident.resolved_at_ms ?? 0) && !isHigher(incident, event))
      return { incident: counted, transition: null, isRecorded: false };
    return changed(reopen(counted, event), 'reopened');
  }
  const isWorse = rank(event.severity) > rank(incident.severity) || isHigher(incident, event);
  // What rose while it was silenced was told to nobody, and rises no more: it is told when it is seen after the silence.
  const isOverdue = incident.unheard && event.at_ms >= (incident.silenced_until_ms ?? 0);
  return isWorse || isOverdue
    ? changed(tellAnew(counted, event, worst(incident.severity, event.severity)), 'escalated')
    : { incident: counted, transition: null, isRecorded: false };
};

const isHigher = (incident: Incident, event: IncidentEvent): boolean =>
  event.level !== null && event.level > (incident.level ?? Number.NEGATIVE_INFINITY);

const reopen = (incident: Incident, event: IncidentEvent): Incident => ({
  ...tellAnew(incident, event, event.severity),
  state: 'open',
  acknowledged_at_ms: null,
  acknowledged_by: null,
  resolved_at_ms: null,
  resolved_by: null,
});

/** The newest observation that matters says what the incident is about. */
const tellAnew = (incident: Incident, event: IncidentEvent, severity: Severity): Incident => ({
  ...incident,
  title: event.title,
  severity,
  level: event.level === null ? incident.level : Math.max(event.level, incident.level ?? event.level),
  run_id: event.run_id ?? incident.run_id,
  detail: event.detail,
});

/** What people decide, and the end of the condition. */
const decide = (incident: Incident, event: IncidentEvent): Effect => {
  if (event.kind === 'commented') return changed(incident, 'commented');
  if (incident.state === 'resolved') return unchanged(incident);
  switch (event.kind) {
    case 'acknowledged':
      if (incident.state === 'acknowledged') return unchanged(incident);
      return changed(
        {
          ...incident,
          state: 'acknowledged',
          acknowledged_at_ms: event.at_ms,
          acknowledged_by: event.actor,
          unheard: false,
        },
        'acknowledged',
      );
    case 'silenced':
      return changed({ ...incident, silenced_until_ms: event.silenced_until_ms }, 'silenced');
    default:
      return changed(
        {
          ...incident,
          state: 'resolved',
          // Clocks differ: what was observed before the resolve arrived is resolved by it.
          resolved_at_ms: Math.max(event.at_ms, incident.last_observed_at_ms),
          resolved_by: event.kind === 'cleared' ? null : event.actor,
          unheard: false,
        },
        'resolved',
      );
  }
};

const rank = (severity: Severity): number => SEVERITIES.indexOf(severity);
const worst = (a: Severity, b: Severity): Severity => (rank(a) >= rank(b) ? a : b);
