import { createAvroCodec } from './avro/codec.ts';
import { hash128 } from './identity.ts';
import { type Outcome, ok, refused } from './outcome.ts';
import { SEVERITIES, type Severity } from './policy-violation.ts';
import { isTenant } from './tenant.ts';

/**
 * What can bear on an incident. Who writes: `observed` and `cleared` whoever watches (violations, budgets, the rule set, the disk),
 * `acknowledged` to `commented` people through the API, `routed` to `delivery_failed` the alerter's sender.
 */
export const INCIDENT_EVENT_KINDS = [
  'observed', // the condition holds (again): opens, escalates or reopens
  'cleared', // the condition is over by itself: resolves
  'acknowledged',
  'resolved',
  'silenced', // no notifications until silenced_until_ms
  'commented',
  'routed', // detail.sinks: where a notification goes, decided once
  'delivered', // `sink` took it
  'delivery_failed', // `sink` did not; detail.attempts, detail.given_up, detail.error
] as const;
export type IncidentEventKind = (typeof INCIDENT_EVENT_KINDS)[number];

/** What an incident is about. */
export const INCIDENT_SOURCES = ['violation', 'budget', 'ruleset', 'disk'] as const;
export type IncidentSource = (typeof INCIDENT_SOURCES)[number];

/** Where an incident stands. */
export const INCIDENT_STATES = ['open', 'acknowledged', 'resolved'] as const;
export type IncidentState = (typeof INCIDENT_STATES)[number];

/** A record of `incident_events`, key incident_id. Readers take an event_id once, however often it comes. */
export interface IncidentEvent {
  /** Deterministic wherever the cause is (violation id, budget + period + threshold); else random. */
  readonly event_id: string;
  readonly incident_id: string;
  readonly tenant_id: string;
  /** When it happened, ms since 1970. */
  readonly at_ms: number;
  readonly kind: IncidentEventKind;
  readonly source: IncidentSource;
  /** Rule id, budget id, path of the rule set, or the data folder. */
  readonly subject: string;
  readonly severity: Severity;
  readonly title: string;
  /** Who, for what people do. */
  readonly actor: string | null;
  readonly comment: string | null;
  /** Budgets: the threshold reached, 0.8 = 80 %. */
  readonly level: number | null;
  readonly silenced_until_ms: number | null;
  readonly service: string | null;
  readonly agent_name: string | null;
  readonly workflow: string | null;
  readonly run_id: string | null;
  readonly sink: string | null;
  /** JSON object. */
  readonly detail: string;
}

/** What an event does not say unless it does. */
export const NOTHING_SAID = {
  actor: null,
  comment: null,
  level: null,
  silenced_until_ms: null,
  service: null,
  agent_name: null,
  workflow: null,
  run_id: null,
  sink: null,
} as const satisfies Partial<IncidentEvent>;

/** Identity of an incident: the same cause in the same place meets in one incident. `parts` say what "the same" is. */
export const incidentIdOf = (tenant: string, source: IncidentSource, parts: readonly string[]): string =>
  hash128(['incident', tenant, source, ...parts]);

/** Schema id in the Confluent framing. */
export const INCIDENT_EVENT_SCHEMA_ID = 4;

const codec = createAvroCodec('incident-event', INCIDENT_EVENT_SCHEMA_ID);

/** The event as a record of `incident_events`: 0x00, schema id (big-endian), Avro. */
export const encodeIncidentEvent = (event: IncidentEvent): Uint8Array => codec.encode(event);

/** Reads a record of `incident_events`; refused as `malformed_avro` when frame, bytes or a value are not ours. */
export const decodeIncidentEvent = (bytes: Uint8Array): Outcome<IncidentEvent> => {
  const decoded = codec.decode(bytes);
  if (decoded.kind === 'refused') return decoded;
  const event = decoded.value as IncidentEvent;
  const unsound = unsoundField(event);
  return unsound === null ? ok(event) : refused('malformed_avro', `${unsound} is not what an incident event can say`);
};

const ID = /^[A-Za-z0-9_-]{1,64}$/;
/** The year 2112, as for steps. */
const MILLIS_MAX = 4_503_599_627_370;

const unsoundField = (event: IncidentEvent): string | null => {
  if (!isTenant(event.tenant_id)) return 'tenant_id';
  if (!ID.test(event.event_id)) return 'event_id';
  if (!ID.test(event.incident_id)) return 'incident_id';
  if (!isWithin(event.at_ms)) return 'at_ms';
  if (!isWithin(event.silenced_until_ms ?? 0)) return 'silenced_until_ms';
  if (!INCIDENT_EVENT_KINDS.includes(event.kind)) return 'kind';
  if (!INCIDENT_SOURCES.includes(event.source)) return 'source';
  return SEVERITIES.includes(event.severity) ? null : 'severity';
};

const isWithin = (value: number): boolean => value >= 0 && value <= MILLIS_MAX;
