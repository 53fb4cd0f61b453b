import { type Outcome, ok, refused } from '../outcome.ts';
import { readJsonLogRecord, readJsonSpan } from './json-items.ts';
import { fieldOf, isJsonObject, type JsonObject, JsonReader } from './json-reader.ts';
import { parseJson } from './json-text.ts';
import { readJsonResource, readJsonScope } from './json-values.ts';
import { ITEMS_MAX } from './limits.ts';
import type { OtlpItem, OtlpLogRecord, OtlpRefusal, OtlpRequest, OtlpSpan } from './types.ts';

/** Names of the three levels of a request, camel and snake. */
export interface JsonLevels {
  readonly resources: readonly [string, string];
  readonly scopes: readonly [string, string];
  readonly items: readonly [string, string];
}

const TRACES: JsonLevels = {
  resources: ['resourceSpans', 'resource_spans'],
  scopes: ['scopeSpans', 'scope_spans'],
  items: ['spans', 'spans'],
};
const LOGS: JsonLevels = {
  resources: ['resourceLogs', 'resource_logs'],
  scopes: ['scopeLogs', 'scope_logs'],
  items: ['logRecords', 'log_records'],
};
const METRICS: JsonLevels = {
  resources: ['resourceMetrics', 'resource_metrics'],
  scopes: ['scopeMetrics', 'scope_metrics'],
  items: ['metrics', 'metrics'],
};
const LEVELS = [TRACES, LOGS, METRICS];

/** OTLP/JSON traces; as `decodeTraces`. */
export const decodeTracesJson = (bytes: Uint8Array): Outcome<OtlpRequest<OtlpSpan>> =>
  decodeJson(bytes, TRACES, readJsonSpan);

/** OTLP/JSON logs; as `decodeLogs`. */
export const decodeLogsJson = (bytes: Uint8Array): Outcome<OtlpRequest<OtlpLogRecord>> =>
  decodeJson(bytes, LOGS, readJsonLogRecord);

/** The metrics of an OTLP/JSON request, as parsed. */
export const metricsOfJson = (bytes: Uint8Array): Outcome<readonly unknown[]> => {
  const reader = new JsonReader();
  const root = rootOf(bytes, METRICS);
  if (root.kind === 'refused') return root;
  const metrics = placesOf(reader, root.value, METRICS).flatMap((place) => place.items);
  return reader.fault === null ? ok(metrics) : refused(reader.fault.reason, reader.fault.detail);
};

interface Place {
  readonly resource: unknown;
  readonly scope: unknown;
  readonly items: readonly unknown[];
}

type Read<T> = (reader: JsonReader, value: unknown) => T | null;

const decodeJson = <T>(bytes: Uint8Array, levels: JsonLevels, read: Read<T>): Outcome<OtlpRequest<T>> => {
  const root = rootOf(bytes, levels);
  if (root.kind === 'refused') return root;
  const reader = new JsonReader();
  const places = placesOf(reader, root.value, levels);
  if (reader.fault !== null) return refused(reader.fault.reason, reader.fault.detail);
  if (places.reduce((sum, place) => sum + place.items.length, 0) > ITEMS_MAX) {
    return refused('too_large', `more than ${ITEMS_MAX} items in one request`);
  }
  const items: OtlpItem<T>[] = [];
  const refusals: OtlpRefusal[] = [];
  let index = 0;
  for (const place of places) {
    const resource = readJsonResource(reader, place.resource);
    const scope = readJsonScope(reader, place.scope);
    const around = reader.restart();
    for (const value of place.items) {
      const item = read(reader, value);
      const fault = around ?? reader.fault;
      reader.restart();
      if (fault !== null) refusals.push({ index, reason: fault.reason, detail: fault.detail });
      else if (item !== null) items.push({ index, resource, scope, item });
      index += 1;
    }
  }
  return ok({ items, refusals });
};

/** The request object. An object with none of the three signals in it is OTLP only when it is empty. */
const rootOf = (bytes: Uint8Array, levels: JsonLevels): Outcome<JsonObject> => {
  const parsed = parseJson(bytes);
  if (parsed.kind === 'refused') return parsed;
  const root = parsed.value;
  if (!isJsonObject(root)) return refused('malformed_json', 'JSON, but not an OTLP request');
  const told = LEVELS.find(({ resources: [camel, snake] }) => camel in root || snake in root);
  if (told === levels || Object.keys(root).length === 0) return ok(root);
  if (told === undefined)
    return refused('malformed_json', `JSON, but not an OTLP request: ${levels.resources[0]} is absent`);
  return refused('unsupported_signal', `${told.resources[0]} where ${levels.resources[0]} belong`);
};

/** Every scope with its resource. A level of the wrong JSON type faults the request: nothing below it can be read. */
const placesOf = (reader: JsonReader, root: JsonObject, levels: JsonLevels): readonly Place[] =>
  reader.array(fieldOf(root, ...levels.resources), levels.resources[0]).flatMap((entry) => {
    const around = reader.object(entry, `an entry of ${levels.resources[0]}`);
    return reader.array(fieldOf(around, ...levels.scopes), levels.scopes[0]).map((within) => {
      const scoped = reader.object(within, `an entry of ${levels.scopes[0]}`);
      const items = reader.array(fieldOf(scoped, ...levels.items), levels.items[0]);
      return { resource: around['resource'], scope: scoped['scope'], items };
    });
  });
