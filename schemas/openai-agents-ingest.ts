import { hash128 } from './identity.ts';
import type { Encodable } from './otlp/encode.ts';
import { isJsonObject, type JsonObject } from './otlp/json-reader.ts';
import { parseJson } from './otlp/json-text.ts';
import { ANY_VALUE_DEPTH_MAX, ITEMS_MAX, NODES_MAX } from './otlp/limits.ts';
import type { AnyMap, AnyValue, OtlpLogRecord, OtlpRefusal, OtlpResource, OtlpScope, OtlpSpan } from './otlp/types.ts';
import { type Outcome, ok, refused } from './outcome.ts';

/**
 * The tracing export of the OpenAI Agents SDK (Python `agents.tracing.processors.BackendSpanExporter`, JavaScript
 * `OpenAITracingExporter`), which posts `{"data": [item …]}` to `…/v1/traces/ingest`, as OTLP. Everything an item says
 * is kept under the sender's own names behind one prefix; what it means is for the convention to say.
 *
 * | item | becomes |
 * |---|---|
 * | `trace.span` | a span; `span_data.<key>` → attribute `openai_agents.<key>`, `error` → status and `openai_agents.error` |
 * | `trace` (workflow, group, metadata; it has no times) | a log record `openai_agents.trace` of the same trace |
 */
export interface IngestedTraces {
  readonly spans: readonly Encodable<OtlpSpan>[];
  readonly logs: readonly Encodable<OtlpLogRecord>[];
  /** Items that could not be taken; the others are. */
  readonly refusals: readonly OtlpRefusal[];
}

/** Scope of everything that came this way. */
export const OPENAI_AGENTS_SCOPE = 'openai-agents';
/** Before every attribute. */
export const OPENAI_AGENTS_PREFIX = 'openai_agents.';
/** Event name of a `trace` item. */
export const OPENAI_AGENTS_TRACE_EVENT = 'openai_agents.trace';

const RESOURCE: OtlpResource = { attributes: new Map([['telemetry.sdk.name', OPENAI_AGENTS_SCOPE]]) };
const SCOPE: OtlpScope = { name: OPENAI_AGENTS_SCOPE, version: '', attributes: new Map() };
const STATUS_ERROR = 2;

/** The body of one request. Refused as a whole when it is not JSON of that form; no item at all is an empty request. */
export const decodeOpenaiAgentsIngest = (bytes: Uint8Array): Outcome<IngestedTraces> => {
  const parsed = parseJson(bytes);
  if (parsed.kind === 'refused') return parsed;
  const root = parsed.value;
  const items = isJsonObject(root) ? (root['data'] ?? (Object.keys(root).length === 0 ? [] : undefined)) : undefined;
  if (!Array.isArray(items)) return refused('malformed_json', 'JSON, but no list of traces and spans under "data"');
  if (items.length > ITEMS_MAX) return refused('too_large', `more than ${ITEMS_MAX} items in one request`);
  const spans: Encodable<OtlpSpan>[] = [];
  const logs: Encodable<OtlpLogRecord>[] = [];
  const refusals: OtlpRefusal[] = [];
  for (const [index, item] of items.entries()) {
    const read = readItem(item);
    if (read.kind === 'span') spans.push({ resource: RESOURCE, scope: SCOPE, item: read.span });
    else if (read.kind === 'log') logs.push({ resource: RESOURCE, scope: SCOPE, item: read.log });
    else refusals.push({ index, reason: read.reason, detail: read.detail });
  }
  const starts = startsOf(spans);
  const timed = logs.map((log) => ({
    ...log,
    item: { ...log.item, timeUnixNano: starts.get(log.item.traceId) ?? 0n },
  }));
  return ok({ spans, logs: timed, refusals });
};

/** A trace has no time of its own: it is given that of its first span in the same body; without one it stays 0. */
const startsOf = (spans: readonly Encodable<OtlpSpan>[]): ReadonlyMap<string, bigint> => {
  const starts = new Map<string, bigint>();
  for (const { item } of spans) {
    const known = starts.get(item.traceId);
    const isEarlier = known === undefined || item.startUnixNano < known;
    if (item.startUnixNano !== 0n && isEarlier) starts.set(item.traceId, item.startUnixNano);
  }
  return starts;
};

type Refusal = { readonly kind: 'refusal' } & Pick<OtlpRefusal, 'reason' | 'detail'>;
type Read =
  | { readonly kind: 'span'; readonly span: OtlpSpan }
  | { readonly kind: 'log'; readonly log: OtlpLogRecord }
  | Refusal;

const refusal = (reason: OtlpRefusal['reason'], detail: string): Refusal => ({ kind: 'refusal', reason, detail });

const readItem = (item: unknown): Read => {
  if (!isJsonObject(item)) return refusal('malformed_json', 'an item is not an object');
  const kind = item['object'];
  if (kind !== 'trace' && kind !== 'trace.span') return refusal('malformed_json', 'neither a trace nor a trace.span');
  const id = textOf(item['id']);
  const traceId = kind === 'trace' ? id : textOf(item['trace_id']);
  if (id === '' || traceId === '') return refusal('missing_ids', 'the id or the trace id is absent');
  const values = new Values();
  const read: Read =
    kind === 'trace'
      ? { kind: 'log', log: readTrace(item, traceId, values) }
      : { kind: 'span', span: readSpan(item, traceId, id, values) };
  return values.fault ?? read;
};

/** Members read for themselves; whatever else an item has is kept under its own name. */
const SPAN_MEMBERS = new Set(['object', 'id', 'trace_id', 'parent_id', 'started_at', 'ended_at', 'span_data', 'error']);
const TRACE_MEMBERS = new Set(['object', 'id']);

const readSpan = (item: JsonObject, traceId: string, id: string, values: Values): OtlpSpan => {
  const data = isJsonObject(item['span_data']) ? item['span_data'] : {};
  const parent = textOf(item['parent_id']);
  const error = item['error'];
  const attributes = new Map<string, AnyValue>([
    ['openai_agents.trace_id', traceId],
    ['openai_agents.span_id', id],
  ]);
  if (parent !== '') attributes.set('openai_agents.parent_id', parent);
  keepOthers(item, SPAN_MEMBERS, 'openai_agents.item.', attributes, values);
  keepOthers(data, NONE, OPENAI_AGENTS_PREFIX, attributes, values);
  if (isTold(error)) attributes.set('openai_agents.error', values.read(error, 1));
  return {
    traceId: traceIdOf(traceId),
    spanId: spanIdOf(traceId, id),
    parentSpanId: parent === '' ? '' : spanIdOf(traceId, parent),
    name: textOf(data['name']) || textOf(data['type']),
    kind: 0,
    startUnixNano: nanosOf(item['started_at']),
    endUnixNano: nanosOf(item['ended_at']),
    attributes,
    events: [],
    links: [],
    statusCode: isTold(error) ? STATUS_ERROR : 0,
    statusMessage: isJsonObject(error) ? textOf(error['message']) : textOf(error),
  };
};

const readTrace = (item: JsonObject, traceId: string, values: Values): OtlpLogRecord => {
  const attributes = new Map<string, AnyValue>([['openai_agents.trace_id', traceId]]);
  keepOthers(item, TRACE_MEMBERS, OPENAI_AGENTS_PREFIX, attributes, values);
  return {
    timeUnixNano: 0n,
    observedUnixNano: 0n,
    severityNumber: 0,
    severityText: '',
    eventName: OPENAI_AGENTS_TRACE_EVENT,
    body: undefined,
    attributes,
    traceId: traceIdOf(traceId),
    spanId: '',
    contentHash: '', // not written; whoever decodes makes it
  };
};

const NONE: ReadonlySet<string> = new Set();

const keepOthers = (
  from: JsonObject,
  known: ReadonlySet<string>,
  prefix: string,
  into: Map<string, AnyValue>,
  values: Values,
): void => {
  for (const [key, value] of Object.entries(from)) {
    const name = `${prefix}${key.toWellFormed()}`;
    // The ids of the item win over a member of the same name.
    if (!known.has(key) && isTold(value) && !into.has(name)) into.set(name, values.read(value, 1));
  }
};

const isTold = (value: unknown): boolean => value !== undefined && value !== null;
const textOf = (value: unknown): string => (typeof value === 'string' ? value.toWellFormed() : '');

// ------------------------------------------------------------------------- ids

/** `trace_<32 hex digits>`, as the SDKs make them. Applications may choose another text: then its hash. */
const TRACE_ID = /^trace_([0-9a-f]{32})$/i;
const ALL_ZERO = /^0+$/;

const traceIdOf = (id: string): string => {
  const hex = TRACE_ID.exec(id)?.[1]?.toLowerCase();
  return hex === undefined || ALL_ZERO.test(hex) ? hash128(['openai-agents', id]) : hex;
};

/** `span_<24 hex digits>` is longer than a span id of OTLP: 64 bits of the hash over it and its trace. */
const spanIdOf = (traceId: string, id: string): string => hash128(['openai-agents', traceId, id]).slice(0, 16);

// ----------------------------------------------------------------------- times

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d{0,9})?(Z|[+-]\d\d:\d\d)?$/;

/** A later time does not fit OTLP's 64 bits of nanoseconds: the year 2554. */
const NANOS_MAX = 2n ** 64n - 1n;

/** ISO 8601 → nanoseconds since 1970; 0 when it was not told, is none or does not fit. Without a zone it is UTC. */
const nanosOf = (value: unknown): bigint => {
  const match = typeof value === 'string' ? TIME.exec(value) : null;
  if (match === null) return 0n;
  const [, day, clock, fraction = '', zone = 'Z'] = match;
  const millis = Date.parse(`${day}T${clock}${zone}`);
  const nanos = Number.isNaN(millis) ? 0n : BigInt(millis) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  return nanos < 0n || nanos > NANOS_MAX ? 0n : nanos;
};

// ---------------------------------------------------------------------- values

/** JSON values → AnyValues, with a bound on depth and number. The first fault sticks. */
class Values {
  fault: Refusal | null = null;
  #left: number = NODES_MAX;

  read(value: unknown, depth: number): AnyValue {
    if (this.fault !== null) return undefined;
    if (depth > ANY_VALUE_DEPTH_MAX) {
      this.fault = refusal('too_deep', `a value nested beyond ${ANY_VALUE_DEPTH_MAX} levels`);
      return undefined;
    }
    this.#left -= 1;
    if (this.#left < 0) {
      this.fault = refusal('too_large', 'more values than one item may hold');
      return undefined;
    }
    if (typeof value === 'string') return value.toWellFormed();
    if (typeof value === 'number' || typeof value === 'boolean') return value;
    if (Array.isArray(value)) return value.map((entry) => this.read(entry, depth + 1));
    return isJsonObject(value) ? this.#readMap(value, depth + 1) : undefined;
  }

  #readMap(object: JsonObject, depth: number): AnyMap {
    return new Map(Object.entries(object).map(([key, value]) => [key.toWellFormed(), this.read(value, depth)]));
  }
}
