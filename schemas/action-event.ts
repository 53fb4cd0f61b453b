import { z } from 'zod';
import { hash128, runKeyOf } from './identity.ts';
import { type Outcome, ok, refused } from './outcome.ts';
import { STATUSES, STEP_KINDS, VANTAGES } from './step-kinds.ts';
import { DEFAULT_TENANT, isTenant } from './tenant.ts';

/** Longest string an action event carries in one field: names, hosts and ids, not contents. */
export const ACTION_TEXT_MAX = 4096;
/** Entries of `labels` and `attributes`, each. */
export const ACTION_ENTRIES_MAX = 256;
/** Largest whole number whose zigzag form a double holds exactly: what `avro/guard.ts` reads back, and the year 2112 for `ts`. */
export const ACTION_LONG_MAX = 4_503_599_627_370_495;

const text = () => z.string().max(ACTION_TEXT_MAX);
const name = () => text().min(1);
const told = <T extends z.ZodType>(type: T) => type.nullable().default(null);
const count = () => told(z.int().min(0).max(ACTION_LONG_MAX));
const hex = (digits: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`), `${digits} lower-case hex digits`);
const entries = () =>
  z
    .record(name(), text())
    .refine((map) => Object.keys(map).length <= ACTION_ENTRIES_MAX, `at most ${ACTION_ENTRIES_MAX} entries`)
    .default({});

const EGRESS = z.strictObject({
  host: name(),
  port: told(z.int().min(0).max(65_535)),
  bytes_out: count(),
  bytes_in: count(),
  zone: told(text()),
  method: told(text()),
  path: told(text()),
});
const DATA = z.strictObject({
  namespace: text(),
  name: name(),
  operation: told(text()),
  rows: count(),
  bytes: count(),
  sensitivity: told(z.number()),
  labels: z.array(name()).max(ACTION_ENTRIES_MAX).default([]),
});
const SECRET = z.strictObject({ name: name(), destination: told(text()) });
const APPROVAL = z.strictObject({ action: name(), decision: told(text()), approver: told(text()) });
const CONTROL = z.strictObject({ action: name(), target: name() });

const ACTION_EVENT = z.strictObject({
  tenant_id: z.string().refine(isTenant, 'letters, digits and .@_-, 64 at most'),
  event_id: text(),
  ts: z.int().min(-ACTION_LONG_MAX).max(ACTION_LONG_MAX),
  kind: z.enum(STEP_KINDS),
  name: name(),
  vantage: z.enum(VANTAGES),
  trace_id: z.union([hex(32), z.literal('')]).default(''),
  span_id: z.union([hex(16), z.literal('')]).default(''),
  parent_span_id: z.union([hex(16), z.literal('')]).default(''),
  run_id: told(hex(32)),
  session_id: told(text()),
  agent_name: told(text()),
  user_id: told(text()),
  on_behalf_of: told(text()),
  service: text().default(''),
  workflow: told(text()),
  tool_name: told(text()),
  tool_call_id: told(text()),
  status: z.enum(STATUSES).default('unset'),
  error_type: told(text()),
  egress: told(EGRESS),
  data: told(DATA),
  secret: told(SECRET),
  approval: told(APPROVAL),
  control: told(CONTROL),
  labels: entries(),
  attributes: entries(),
});

/** What the sender of the JSON form may leave out: the caller's token says tenant and vantage, the content the id. */
const POSTED = ACTION_EVENT.extend({
  tenant_id: ACTION_EVENT.shape.tenant_id.default(DEFAULT_TENANT),
  event_id: ACTION_EVENT.shape.event_id.default(''),
  vantage: ACTION_EVENT.shape.vantage.default('agent'),
});

/**
 * What a gateway, proxy, operator or agent reports outside tracing. Record of topic `action_events`, Avro
 * `avro/action-event.avsc`. `ts` in microseconds since 1970; null = not told; ids are lower-case hex, '' when absent.
 */
export type ActionEvent = Readonly<z.output<typeof ACTION_EVENT>>;

/** Who the caller is overrides who the event says it is (design 4). */
export interface ActionSender {
  readonly tenant_id: string;
  readonly vantage: ActionEvent['vantage'];
}

/** An event as decoded from bytes; refused as malformed_avro with the path of what is wrong. */
export const checkActionEvent = (value: unknown): Outcome<ActionEvent> => {
  const parsed = ACTION_EVENT.safeParse(value);
  return parsed.success ? ok(withEventId(parsed.data)) : refused('malformed_avro', problemsOf(parsed.error));
};

/**
 * The JSON form of `POST /api/v1/actions`. Unknown fields are refused by their path. With a sender, its tenant and
 * vantage stand in the event whatever the JSON claims. Without `event_id` one is derived, so that a retry is one event.
 */
export const parseActionEvent = (json: unknown, sender?: ActionSender): Outcome<ActionEvent> => {
  const parsed = POSTED.safeParse(json);
  if (!parsed.success) return refused('malformed_json', problemsOf(parsed.error));
  return ok(withEventId(sender === undefined ? parsed.data : { ...parsed.data, ...sender }));
};

const problemsOf = (error: z.ZodError): string =>
  error.issues
    .slice(0, 10)
    .flatMap((issue) => {
      const keys = issue.code === 'unrecognized_keys' ? issue.keys : [null];
      return keys.map((key) => {
        const path = [...issue.path, ...(key === null ? [] : [key])].join('.') || 'the event';
        return `${path}: ${key === null ? issue.message : 'unknown field'}`;
      });
    })
    .join('; ');

const withEventId = (event: ActionEvent): ActionEvent =>
  event.event_id === '' ? { ...event, event_id: hash128([canonicalJson(event)]) } : event;

/** JSON with sorted keys. */
const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(',')}}`;
};

/** The run an event belongs to: its trace, else the run it names, else its conversation. */
export const actionRunKey = (event: ActionEvent): string =>
  event.trace_id === '' && event.run_id !== null
    ? event.run_id
    : runKeyOf(event.tenant_id, event.trace_id, event.service, event.session_id);

/** Key in `action_events`: `tenant|run_key`. */
export const actionKey = (event: ActionEvent): string => `${event.tenant_id}|${actionRunKey(event)}`;
