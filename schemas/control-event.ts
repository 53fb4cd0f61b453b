import { createAvroCodec } from './avro/codec.ts';
import { hash128 } from './identity.ts';
import { type Outcome, ok, refused } from './outcome.ts';
import { isTenant } from './tenant.ts';

/** What somebody may ask of a running agent. */
export const CONTROL_ACTIONS = ['kill', 'pause', 'resume'] as const;
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

/** What it is asked of: one run (its run_id), every run of an agent or of a workflow (their names). */
export const CONTROL_TARGETS = ['run', 'agent', 'workflow'] as const;
export type ControlTargetKind = (typeof CONTROL_TARGETS)[number];

/** Longest name of an agent or workflow; names are far shorter. */
export const CONTROL_TARGET_CHARS_MAX = 512;

/**
 * A record of `control_events`: somebody asks, executors act. Readers take an event_id once, however often it comes,
 * and act on nothing that has expired.
 */
export interface ControlEvent {
  readonly event_id: string;
  /** When it was asked, microseconds since 1970. */
  readonly ts: number;
  readonly tenant_id: string;
  readonly action: ControlAction;
  readonly target_kind: ControlTargetKind;
  readonly target_id: string;
  /** null: none was given. */
  readonly reason: string | null;
  /** Name of the token, or what a person on this machine said. */
  readonly requested_by: string;
  /** Microseconds since 1970. */
  readonly expires_at: number;
}

/** Schema id in the Confluent framing. */
export const CONTROL_EVENT_SCHEMA_ID = 5;

const codec = createAvroCodec('control-event', CONTROL_EVENT_SCHEMA_ID);

/** The event as a record of `control_events`: 0x00, schema id (big-endian), Avro. */
export const encodeControlEvent = (event: ControlEvent): Uint8Array => codec.encode(event);

/** Reads a record of `control_events`; refused as `malformed_avro` when frame, bytes or a value are not ours. */
export const decodeControlEvent = (bytes: Uint8Array): Outcome<ControlEvent> => {
  const decoded = codec.decode(bytes);
  if (decoded.kind === 'refused') return decoded;
  const event = decoded.value as ControlEvent;
  const unsound = unsoundField(event);
  return unsound === null ? ok(event) : refused('malformed_avro', `${unsound} is not what a control event can say`);
};

/** Key in `control_events`: `tenant|run_id` for a run; requests about the same agent or workflow share a key as well. */
export const controlKey = (event: ControlEvent): string =>
  `${event.tenant_id}|${
    event.target_kind === 'run'
      ? event.target_id
      : hash128(['control', event.tenant_id, event.target_kind, event.target_id])
  }`;

const ID = /^[A-Za-z0-9_-]{1,64}$/;
const RUN_ID = /^[0-9a-f]{32}$/;
/** The year 2112, as for action events. */
const MICROS_MAX = 4_503_599_627_370_495;

const unsoundField = (event: ControlEvent): string | null => {
  if (!ID.test(event.event_id)) return 'event_id';
  if (!isTenant(event.tenant_id)) return 'tenant_id';
  if (!CONTROL_ACTIONS.includes(event.action)) return 'action';
  if (!CONTROL_TARGETS.includes(event.target_kind)) return 'target_kind';
  if (!isTarget(event.target_kind, event.target_id)) return 'target_id';
  if (!isWithin(event.ts)) return 'ts';
  return isWithin(event.expires_at) ? null : 'expires_at';
};

/** Whether this can name a target of the kind: a run by 32 lower-case hex digits, others by a name. */
export const isTarget = (kind: ControlTargetKind, id: string): boolean =>
  kind === 'run' ? RUN_ID.test(id) : id.length > 0 && id.length <= CONTROL_TARGET_CHARS_MAX;

const isWithin = (micros: number): boolean => micros >= 0 && micros <= MICROS_MAX;
