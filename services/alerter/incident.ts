import { hash128 } from '../../schemas/identity.ts';
import type { IncidentSource, IncidentState } from '../../schemas/incident-event.ts';
import type { Severity } from '../../schemas/policy-violation.ts';
import { assert } from '../runtime/errors.ts';

/** How an incident can change. `commented` changes nothing of its state and is one, so that NULL means "no effect". */
export const TRANSITIONS = [
  'opened',
  'escalated',
  'reopened',
  'acknowledged',
  'resolved',
  'silenced',
  'commented',
] as const;
export type Transition = (typeof TRANSITIONS)[number];

/** An incident as its events have made it. Times are milliseconds since 1970. */
export interface Incident {
  readonly incident_id: string;
  readonly tenant_id: string;
  readonly source: IncidentSource;
  readonly subject: string;
  readonly title: string;
  readonly severity: Severity;
  readonly state: IncidentState;
  readonly opened_at_ms: number;
  readonly last_observed_at_ms: number;
  readonly observations: number;
  /** Budgets: the highest threshold reached, 0.8 = 80 %. */
  readonly level: number | null;
  readonly acknowledged_at_ms: number | null;
  readonly acknowledged_by: string | null;
  readonly resolved_at_ms: number | null;
  /** null while open, and when the condition ended by itself. */
  readonly resolved_by: string | null;
  readonly silenced_until_ms: number | null;
  readonly service: string | null;
  readonly agent_name: string | null;
  readonly workflow: string | null;
  readonly run_id: string | null;
  /** JSON object of the observation that opened, escalated or reopened it last. */
  readonly detail: string;
  /** It opened or got worse while it was silenced, and nobody has looked since. */
  readonly unheard: boolean;
}

/** A notification on its way to one sink. */
export interface Delivery {
  readonly delivery_id: string;
  readonly sink: string;
  readonly state: 'pending' | 'sent' | 'failed';
  /** As far as they were told: failures are told at the first, second, fourth, eighth … attempt and the last. */
  readonly attempts: number;
  readonly last_error: string;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
}

/** A transition somebody is to be told of; kept until every sink it goes to took it or was given up. */
export interface Notice {
  /** The event that made the transition. */
  readonly event_id: string;
  readonly transition: Transition;
  readonly at_ms: number;
  readonly actor: string | null;
  readonly comment: string | null;
  /** The incident right after the transition: what a sink is told is built from it, at every attempt the same. */
  readonly incident: Incident;
  /** null until it is decided where it goes. */
  readonly routed: { readonly base_url: string; readonly deliveries: readonly Delivery[] } | null;
}

/** All that the fold knows of one incident. */
export interface IncidentMemory {
  readonly incident_id: string;
  /** null before the first event that can begin one. */
  readonly incident: Incident | null;
  readonly notices: readonly Notice[];
  /** Marks of the event ids taken, oldest first. */
  readonly seen: readonly string[];
}

/**
 * Event ids remembered per incident. Redelivery comes within a batch or two of the first delivery; ten thousand marks
 * are 190 KB in the state of a very busy incident. Beyond it a doubled observation is counted twice, no more.
 */
export const SEEN_MAX = 10_000;
/** Notices waiting per incident. Only people and rising severity make new ones; more means a sink is down for long. */
export const NOTICES_MAX = 32;

/** Identity of a notification to one sink; receivers get it as the idempotency key. */
export const deliveryIdOf = (eventId: string, sink: string): string => hash128(['delivery', eventId, sink]);

/** What `seen` keeps of an event id: 64 bits tell ten thousand ids apart. */
export const markOf = (eventId: string): string => hash128([eventId]).slice(0, 16);

/** The memory of an incident nothing is known of. */
export const emptyMemory = (incidentId: string): IncidentMemory => ({
  incident_id: incidentId,
  incident: null,
  notices: [],
  seen: [],
});

const VERSION = 1;

/** Stable text: equal memories give equal text, for every object is built with its fields in one order. */
export const serialiseMemory = (memory: IncidentMemory): string => JSON.stringify({ v: VERSION, ...memory });

/** Reads what serialiseMemory wrote; throws InvariantError for text of another version. */
export const parseMemory = (text: string): IncidentMemory => {
  const { v, ...memory } = JSON.parse(text) as { readonly v: number } & IncidentMemory;
  assert(v === VERSION, `incident state of version ${v}`);
  return memory;
};
