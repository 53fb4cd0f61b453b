import { hash128 } from '../../schemas/identity.ts';
import {
  encodeIncidentEvent,
  INCIDENT_SOURCES,
  type IncidentEvent,
  type IncidentSource,
} from '../../schemas/incident-event.ts';
import { SEVERITIES, type Severity } from '../../schemas/policy-violation.ts';
import { TENANT_HEADER, VANTAGE_HEADER } from '../../schemas/tenant.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { Caller } from '../runtime/access.ts';
import { InvariantError } from '../runtime/errors.ts';
import type { ApiContext } from './deps.ts';
import { ProblemError } from './problem.ts';
import { type IncidentEventRow, type IncidentRow, incidentEventQuery, incidentQuery } from './queries/incidents.ts';
import { logAccess, read } from './reads.ts';
import { onlyTenant } from './tenant-scope.ts';

/** What people do to an incident, by the last part of its path, and the event it becomes. */
export const INCIDENT_ACTIONS = {
  acknowledge: 'acknowledged',
  resolve: 'resolved',
  silence: 'silenced',
  comment: 'commented',
} as const;
export type IncidentAction = keyof typeof INCIDENT_ACTIONS;

/** How long an answer waits for its event to come back from the alerter. */
const VISIBLE_WAIT_MS = 3_000;
const VISIBLE_POLL_MS = 100;

export interface ActionAsk {
  readonly action: IncidentAction;
  readonly actor: string;
  readonly comment: string | null;
  readonly silencedUntilMs: number | null;
  /** Idempotency-Key of the request: the same key is the same event. */
  readonly key: string | null;
}

/** The incident of this id among what the caller may see. Throws 404, or 409 with the tenants when several have it. */
export const findIncident = async (context: ApiContext, scope: string | null, id: string): Promise<IncidentRow> =>
  onlyTenant(await read<IncidentRow>(context, incidentQuery({ tenant: scope, incidentId: id })), `incident ${id}`);

export type ActionOutcome =
  | { readonly kind: 'visible'; readonly incident: IncidentRow; readonly event: IncidentEventRow }
  | { readonly kind: 'accepted'; readonly eventId: string };

/**
 * Appends the event of a person to the log and waits, bounded, until the alerter has folded it. Refused with 409 when
 * the incident stands where the action means nothing. The access log has it before the event log does: what cannot be
 * logged is not done. An Idempotency-Key that was seen answers what its first request did.
 */
export const actOnIncident = async (
  context: ApiContext,
  caller: Caller,
  incident: IncidentRow,
  ask: ActionAsk,
): Promise<ActionOutcome> => {
  const eventId = eventIdOf(context, incident, ask);
  const known = ask.key === null ? null : await foundEvent(context, incident, eventId);
  if (known === null) {
    const refusal = refusalOf(incident, ask.action);
    if (refusal !== null) {
      throw new ProblemError({ status: 409, title: 'Conflict', detail: refusal, extra: { state: incident.state } });
    }
    await logAccess(context, caller, {
      action: `incident_${ask.action}`,
      tenant: incident.tenant_id,
      subject: `incident:${incident.incident_id}`,
      detail: `as ${ask.actor}${ask.comment === null ? '' : `: ${ask.comment}`}`,
    });
    await appendEvent(context, caller, incident, ask, eventId);
  }
  return visible(context, incident, eventId);
};

const eventIdOf = (context: ApiContext, incident: IncidentRow, ask: ActionAsk): string =>
  hash128(
    ask.key === null
      ? ['incident-action', context.random.uuid()]
      : ['incident-action-key', incident.tenant_id, incident.incident_id, ask.action, ask.actor, ask.key],
  );

/** Why this would change nothing now; null: it can be done. A comment is always welcome. */
const refusalOf = (incident: IncidentRow, action: IncidentAction): string | null => {
  if (action === 'comment') return null;
  if (incident.state === 'resolved') {
    const by = incident.resolved_by === null ? 'ended by itself' : `was resolved by ${incident.resolved_by}`;
    const since = incident.resolved_at === null ? '' : ` at ${incident.resolved_at}`;
    return `the incident ${by}${since}; it opens again when it is observed again`;
  }
  if (action !== 'acknowledge' || incident.state !== 'acknowledged') return null;
  return `${incident.acknowledged_by ?? 'somebody'} has it since ${incident.acknowledged_at ?? 'an unknown time'}`;
};

const appendEvent = async (
  context: ApiContext,
  caller: Caller,
  incident: IncidentRow,
  ask: ActionAsk,
  eventId: string,
): Promise<void> => {
  const event: IncidentEvent = {
    event_id: eventId,
    incident_id: incident.incident_id,
    tenant_id: incident.tenant_id,
    at_ms: context.clock.nowMs(),
    kind: INCIDENT_ACTIONS[ask.action],
    source: sourceOf(incident),
    subject: incident.subject,
    severity: severityOf(incident),
    title: incident.title,
    actor: ask.actor,
    comment: ask.comment,
    level: null,
    silenced_until_ms: ask.silencedUntilMs,
    service: incident.service,
    agent_name: incident.agent_name,
    workflow: incident.workflow,
    run_id: incident.run_id,
    sink: null,
    detail: '{}',
  };
  await context.log.append([
    {
      topic: TOPICS.incidents,
      key: incident.incident_id,
      value: encodeIncidentEvent(event),
      headers: { [TENANT_HEADER]: incident.tenant_id, [VANTAGE_HEADER]: caller.vantage },
    },
  ]);
};

const foundEvent = async (
  context: ApiContext,
  incident: IncidentRow,
  eventId: string,
): Promise<IncidentEventRow | null> => {
  const { tenant_id: tenant, incident_id: incidentId } = incident;
  const [event] = await read<IncidentEventRow>(context, incidentEventQuery({ tenant, incidentId, eventId }));
  return event ?? null;
};

/**
 * The event and the incident after it. Both tables are written one after the other: the incident counts once it is no
 * older than the event.
 */
const visible = async (context: ApiContext, before: IncidentRow, eventId: string): Promise<ActionOutcome> => {
  const deadline = context.clock.nowMs() + VISIBLE_WAIT_MS;
  for (;;) {
    const event = await foundEvent(context, before, eventId);
    if (event !== null) {
      const incident = await findIncident(context, before.tenant_id, before.incident_id);
      if (incident.logged_at >= event.logged_at) return { kind: 'visible', incident, event };
    }
    if (context.clock.nowMs() >= deadline) return { kind: 'accepted', eventId };
    await context.clock.sleep(VISIBLE_POLL_MS);
  }
};

/** The store holds what the alerter wrote from checked events: anything else is a bug. */
const sourceOf = ({ source }: IncidentRow): IncidentSource => {
  const known = INCIDENT_SOURCES.find((name) => name === source);
  if (known === undefined) throw new InvariantError(`an incident of source ${source}`);
  return known;
};

const severityOf = ({ severity }: IncidentRow): Severity => {
  const known = SEVERITIES.find((name) => name === severity);
  if (known === undefined) throw new InvariantError(`an incident of severity ${severity}`);
  return known;
};
