import type { Cursor } from '../cursor.ts';
import { type Condition, given, type Query, READ_SETTINGS, tenantIs, whereOf } from './query.ts';

/** What a list may be filtered by: a state, or everything that still wants somebody. */
export const STATE_FILTERS = ['open', 'acknowledged', 'resolved', 'unresolved'] as const;
export type StateFilter = (typeof STATE_FILTERS)[number];

export interface IncidentRow {
  readonly tenant_id: string;
  readonly incident_id: string;
  readonly version: number;
  readonly source: string;
  readonly subject: string;
  readonly title: string;
  readonly severity: string;
  readonly state: string;
  readonly opened_at: string;
  readonly last_observed_at: string;
  readonly observations: number;
  readonly acknowledged_at: string | null;
  readonly acknowledged_by: string | null;
  readonly resolved_at: string | null;
  readonly resolved_by: string | null;
  readonly silenced_until: string | null;
  readonly service: string | null;
  readonly agent_name: string | null;
  readonly workflow: string | null;
  readonly run_id: string | null;
  readonly detail: string;
  readonly logged_at: string;
  /** Place in the list: what wants somebody first, then the newest. A decimal string. */
  readonly place: string;
}

/**
 * Open before acknowledged before resolved; of the first two the severest first; then the newest. One number, so that
 * a cursor can continue after it: a rank times 10^17 above microseconds (which stay below it until the year 5138).
 */
const PLACE = `(multiIf(state = 'open', 10, state = 'acknowledged', 5, 0)
    + if(state = 'resolved', 0, greatest(0, indexOf(['low', 'medium', 'high', 'critical'], severity)))) * 100000000000000000
    + toUnixTimestamp64Milli(opened_at) * 1000`;

const COLUMNS = `tenant_id, incident_id, version, source, subject, title, severity, state, opened_at, last_observed_at,
  observations, acknowledged_at, acknowledged_by, resolved_at, resolved_by, silenced_until, service, agent_name,
  workflow, run_id, detail, logged_at, toString(${PLACE}) AS place`;

export interface IncidentsInput {
  readonly tenant: string | null;
  readonly state?: StateFilter | undefined;
  readonly source?: string | undefined;
  readonly severity?: string | undefined;
  readonly subject?: string | undefined;
  readonly agent?: string | undefined;
  readonly cursor?: Cursor | undefined;
  readonly limit: number;
}

const stateIs = (state: StateFilter | undefined): Condition | undefined => {
  if (state === undefined) return undefined;
  return state === 'unresolved'
    ? { sql: "state != 'resolved'", params: {} }
    : { sql: 'state = {state:String}', params: { state } };
};

const after = (cursor: Cursor | undefined): Condition | undefined =>
  cursor === undefined
    ? undefined
    : {
        sql: `(${PLACE}, incident_id) < ({cursor_place:Int64}, {cursor_id:String})`,
        params: { cursor_place: cursor.ts_micros, cursor_id: cursor.id },
      };

/** A page of incidents, what wants somebody first; one row more than `limit` tells that there is another page. */
export const incidentsQuery = (input: IncidentsInput): Query => {
  const where = whereOf([
    tenantIs(input.tenant),
    stateIs(input.state),
    given(input.source, 'source', 'source = {source:String}'),
    given(input.severity, 'severity', 'severity = {severity:String}'),
    given(input.subject, 'subject', 'subject = {subject:String}'),
    given(input.agent, 'agent', 'agent_name = {agent:String}'),
    after(input.cursor),
  ]);
  return {
    sql: `SELECT ${COLUMNS}
FROM incidents FINAL
${where.sql}
ORDER BY ${PLACE} DESC, incident_id DESC
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...where.params, limit: input.limit + 1 },
  };
};

export interface IncidentCountRow {
  readonly state: string;
  readonly severity: string;
  readonly incidents: number;
}

/** How many incidents stand where. */
export const incidentCountsQuery = (input: { readonly tenant: string | null }): Query => {
  const where = whereOf([tenantIs(input.tenant)]);
  return {
    sql: `SELECT state, severity, count() AS incidents
FROM incidents FINAL
${where.sql}
GROUP BY state, severity
ORDER BY state, severity
${READ_SETTINGS}`,
    params: where.params,
  };
};

/** The incidents with this id: one row for each tenant that has it. */
export const incidentQuery = (input: { readonly tenant: string | null; readonly incidentId: string }): Query => {
  const where = whereOf([
    { sql: 'incident_id = {incident_id:String}', params: { incident_id: input.incidentId } },
    tenantIs(input.tenant),
  ]);
  return {
    sql: `SELECT ${COLUMNS}\nFROM incidents FINAL\n${where.sql}\nORDER BY tenant_id\nLIMIT 10\n${READ_SETTINGS}`,
    params: where.params,
  };
};

interface OneIncident {
  readonly tenant: string;
  readonly incidentId: string;
}

export interface IncidentEventRow {
  readonly event_id: string;
  readonly ts: string;
  readonly kind: string;
  readonly transition: string | null;
  /** wanted, suppressed (silenced) or overflow; null: nobody is told of this kind of event. */
  readonly notification: string | null;
  readonly state: string;
  readonly severity: string;
  readonly title: string;
  readonly actor: string | null;
  readonly comment: string | null;
  readonly level: number | null;
  readonly silenced_until: string | null;
  readonly run_id: string | null;
  readonly sink: string | null;
  readonly detail: string;
  readonly logged_at: string;
}

const EVENT_COLUMNS = `event_id, ts, kind, transition, notification, state, severity, title, actor, comment, level,
  silenced_until, run_id, sink, detail, logged_at`;

/** Events of one incident that are given: the newest. Repeated observations are counted in the row. */
export const INCIDENT_EVENTS_MAX = 200;

/** What happened to an incident, newest first. An event that was logged twice stands once. */
export const incidentEventsQuery = (input: OneIncident): Query => ({
  sql: `SELECT ${EVENT_COLUMNS}
FROM (SELECT * FROM incident_events WHERE tenant_id = {tenant:String} AND incident_id = {incident_id:String} ORDER BY logged_at LIMIT 1 BY event_id)
ORDER BY ts DESC, logged_at DESC, event_id
LIMIT ${INCIDENT_EVENTS_MAX + 1}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, incident_id: input.incidentId },
});

/** Is this event of the incident in the store, and what did it change. */
export const incidentEventQuery = (input: OneIncident & { readonly eventId: string }): Query => ({
  sql: `SELECT ${EVENT_COLUMNS}
FROM incident_events
WHERE tenant_id = {tenant:String}
  AND incident_id = {incident_id:String}
  AND event_id = {event_id:String}
ORDER BY logged_at
LIMIT 1
${READ_SETTINGS}`,
  params: { tenant: input.tenant, incident_id: input.incidentId, event_id: input.eventId },
});

export interface DeliveryRow {
  readonly delivery_id: string;
  readonly event_id: string;
  readonly transition: string;
  readonly sink: string;
  readonly state: string;
  readonly attempts: number;
  readonly last_error: string;
  readonly created_at: string;
  readonly updated_at: string;
}

/** Notifications of an incident, newest first: which sink, how it went. */
export const deliveriesQuery = (input: OneIncident): Query => ({
  sql: `SELECT delivery_id, event_id, transition, sink, state, attempts, last_error, created_at, updated_at
FROM incident_deliveries FINAL
WHERE tenant_id = {tenant:String}
  AND incident_id = {incident_id:String}
ORDER BY created_at DESC, delivery_id
LIMIT 200
${READ_SETTINGS}`,
  params: { tenant: input.tenant, incident_id: input.incidentId },
});

/**
 * What the alerter gathers in one incident: violations of one rule by one agent, else workflow, else service. Rules in
 * mode `monitor` open none.
 */
export interface IncidentPlace {
  readonly tenant: string;
  readonly rule: string;
  /** Agent, else workflow, else service. */
  readonly who: string;
}

/** Where an incident about a rule gathers, from its own columns or from those of a violation. */
export const placeOf = (
  row: Pick<IncidentRow, 'tenant_id' | 'agent_name' | 'workflow' | 'service'>,
  rule: string,
): IncidentPlace => ({
  tenant: row.tenant_id,
  rule,
  who: row.agent_name ?? row.workflow ?? row.service ?? '',
});

/** Rows of `incidents` or `policy_violations` in that place. */
export const inPlace = (place: IncidentPlace, ruleColumn: 'rule_id' | 'subject'): Condition => ({
  sql: `tenant_id = {tenant:String} AND ${ruleColumn} = {rule:String} AND coalesce(toString(agent_name), toString(workflow), toString(service)) = {who:String}`,
  params: { ...place },
});

/** The incident that a violation bears on. */
export const violationIncidentsQuery = (place: IncidentPlace): Query => {
  const where = whereOf([{ sql: "source = 'violation'", params: {} }, inPlace(place, 'subject')]);
  return {
    sql: `SELECT ${COLUMNS}\nFROM incidents FINAL\n${where.sql}\nORDER BY opened_at DESC\nLIMIT 10\n${READ_SETTINGS}`,
    params: where.params,
  };
};
