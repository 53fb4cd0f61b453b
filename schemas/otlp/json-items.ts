import { AttributeList } from './attribute-list.ts';
import { contentHash } from './content-hash.ts';
import { fieldOf, type JsonReader } from './json-reader.ts';
import { readJsonMap, readJsonValue } from './json-values.ts';
import { logIdProblem } from './read-log.ts';
import { SPAN_ID_BYTES, spanIdProblem, TRACE_ID_BYTES } from './read-span.ts';
import type { OtlpEvent, OtlpLink, OtlpLogRecord, OtlpSpan } from './types.ts';

// Enum values by name (opentelemetry-proto trace.proto, logs.proto).
const SPAN_KINDS: ReadonlyMap<string, number> = new Map(
  ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'].map((name, i) => [`SPAN_KIND_${name}`, i]),
);
const STATUS_CODES: ReadonlyMap<string, number> = new Map(
  ['UNSET', 'OK', 'ERROR'].map((name, i) => [`STATUS_CODE_${name}`, i]),
);
const SEVERITIES: ReadonlyMap<string, number> = new Map([
  ['SEVERITY_NUMBER_UNSPECIFIED', 0],
  ...['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].flatMap((name, level) =>
    ['', '2', '3', '4'].map((suffix, i): [string, number] => [`SEVERITY_NUMBER_${name}${suffix}`, level * 4 + i + 1]),
  ),
]);

/** A span object; null with the reader's fault set when it cannot be taken. */
export const readJsonSpan = (reader: JsonReader, value: unknown): OtlpSpan | null => {
  const span = reader.object(value, 'a span');
  const status = reader.object(span['status'], 'status');
  const traceId = reader.id(fieldOf(span, 'traceId', 'trace_id'), TRACE_ID_BYTES);
  const spanId = reader.id(fieldOf(span, 'spanId', 'span_id'), SPAN_ID_BYTES);
  const parentSpanId = reader.id(fieldOf(span, 'parentSpanId', 'parent_span_id'), SPAN_ID_BYTES);
  const read = {
    name: reader.text(span['name'], 'name'),
    kind: reader.enumeration(span['kind'], SPAN_KINDS, 'kind'),
    startUnixNano: reader.uint64(fieldOf(span, 'startTimeUnixNano', 'start_time_unix_nano'), 'startTimeUnixNano'),
    endUnixNano: reader.uint64(fieldOf(span, 'endTimeUnixNano', 'end_time_unix_nano'), 'endTimeUnixNano'),
    attributes: AttributeList.from(readJsonMap(reader, span['attributes'])),
    events: reader.array(span['events'], 'events').map((event) => readJsonEvent(reader, event)),
    links: reader.array(span['links'], 'links').map((link) => readJsonLink(reader, link)),
    statusCode: reader.enumeration(status['code'], STATUS_CODES, 'status.code'),
    statusMessage: reader.text(status['message'], 'status.message'),
  };
  const problem = spanIdProblem(traceId, spanId, parentSpanId);
  if (problem !== null) reader.fail('missing_ids', problem);
  if (reader.fault !== null || traceId === null || spanId === null || parentSpanId === null) return null;
  return { traceId, spanId, parentSpanId, ...read };
};

const readJsonEvent = (reader: JsonReader, value: unknown): OtlpEvent => {
  reader.node();
  const event = reader.object(value, 'an event');
  return {
    timeUnixNano: reader.uint64(fieldOf(event, 'timeUnixNano', 'time_unix_nano'), 'event.timeUnixNano'),
    name: reader.text(event['name'], 'event.name'),
    attributes: readJsonMap(reader, event['attributes']),
  };
};

const readJsonLink = (reader: JsonReader, value: unknown): OtlpLink => {
  reader.node();
  const link = reader.object(value, 'a link');
  return {
    traceId: reader.id(fieldOf(link, 'traceId', 'trace_id'), TRACE_ID_BYTES) ?? '',
    spanId: reader.id(fieldOf(link, 'spanId', 'span_id'), SPAN_ID_BYTES) ?? '',
    attributes: readJsonMap(reader, link['attributes']),
  };
};

/** A log record object; null with the reader's fault set when it cannot be taken. */
export const readJsonLogRecord = (reader: JsonReader, value: unknown): OtlpLogRecord | null => {
  const log = reader.object(value, 'a log record');
  const traceId = reader.id(fieldOf(log, 'traceId', 'trace_id'), TRACE_ID_BYTES);
  const spanId = reader.id(fieldOf(log, 'spanId', 'span_id'), SPAN_ID_BYTES);
  const read = {
    timeUnixNano: reader.uint64(fieldOf(log, 'timeUnixNano', 'time_unix_nano'), 'timeUnixNano'),
    observedUnixNano: reader.uint64(
      fieldOf(log, 'observedTimeUnixNano', 'observed_time_unix_nano'),
      'observedTimeUnixNano',
    ),
    severityNumber: reader.enumeration(fieldOf(log, 'severityNumber', 'severity_number'), SEVERITIES, 'severityNumber'),
    severityText: reader.text(fieldOf(log, 'severityText', 'severity_text'), 'severityText'),
    eventName: reader.text(fieldOf(log, 'eventName', 'event_name'), 'eventName'),
    body: readJsonValue(reader, log['body'], 1),
    attributes: AttributeList.from(readJsonMap(reader, log['attributes'])),
  };
  const problem = logIdProblem(traceId, spanId);
  if (problem !== null) reader.fail('missing_ids', problem);
  if (reader.fault !== null || traceId === null || spanId === null) return null;
  const record = { ...read, traceId, spanId };
  return { ...record, contentHash: contentHash(record) };
};
