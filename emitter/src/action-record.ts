import { trace } from '@opentelemetry/api';
import { type ActionEvent, actionKey, parseActionEvent } from '../../schemas/action-event.ts';
import { encodeActionEvent } from '../../schemas/action-event-codec.ts';
import { ID_FRAME_BYTES } from '../../schemas/avro/codec.ts';
import { type Outcome, ok, refused } from '../../schemas/outcome.ts';
import { TENANT_HEADER } from '../../schemas/tenant.ts';
import type { OutboundRecord } from './outbound.ts';
import { reasonOf } from './say.ts';
import type { Settings } from './settings.ts';
import { nowMs, uuid } from './world.ts';

/**
 * What an agent reports outside its spans: kind (`egress`, `data_access`, `secret_use`, `approval`, `control` …) and name,
 * the rest as it is known. `ts` (microseconds since 1970) is now, `trace_id` and `span_id` are those of the active span, and
 * `service` is the emitter's, unless told otherwise. Tenant and vantage (`agent`) are not the caller's to say.
 */
export type AgentAction = Pick<ActionEvent, 'kind' | 'name'> &
  Partial<Omit<ActionEvent, 'kind' | 'name' | 'tenant_id' | 'vantage' | 'egress' | 'data' | 'secret' | 'approval'>> & {
    readonly egress?: Told<ActionEvent['egress'], 'host'>;
    readonly data?: Told<ActionEvent['data'], 'namespace' | 'name'>;
    readonly secret?: Told<ActionEvent['secret'], 'name'>;
    readonly approval?: Told<ActionEvent['approval'], 'action'>;
  };

/** A part of an event of which only some fields must be told. */
type Told<T, Must extends keyof NonNullable<T>> =
  | (Pick<NonNullable<T>, Must> & Partial<Omit<NonNullable<T>, Must>>)
  | null;

/** The event as a record of `action_events`; refused with the fields that cannot be so. Never throws. */
export const actionRecord = (action: AgentAction, settings: Settings): Outcome<OutboundRecord> => {
  try {
    const outcome = parseActionEvent(
      { event_id: uuid(), ts: nowMs() * 1000, ...service(settings), ...activeSpan(action), ...action },
      { tenant_id: settings.tenant, vantage: 'agent' },
    );
    if (outcome.kind === 'refused') return outcome;
    const event = outcome.value;
    const headers = { [TENANT_HEADER]: settings.tenant };
    const value = encodeActionEvent(event);
    return ok({ topic: settings.topics.actions, key: actionKey(event), value, headers, items: 1 });
  } catch (error) {
    return refused('malformed_json', reasonOf(error));
  }
};

const service = ({ service: name }: Settings): object => (name === '' ? {} : { service: name });

/** Only where the event names no run of its own. */
const activeSpan = ({ trace_id, run_id }: AgentAction): object => {
  if (trace_id !== undefined || (run_id ?? null) !== null) return {};
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
};

/** The record under the id that its schema has elsewhere; null: under ours. */
export const underSchemaId = (record: OutboundRecord, schemaId: number | null): OutboundRecord => {
  const { value } = record;
  if (schemaId !== null) new DataView(value.buffer, value.byteOffset, ID_FRAME_BYTES).setUint32(1, schemaId);
  return record;
};
