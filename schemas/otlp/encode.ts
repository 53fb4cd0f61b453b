import type { AnyMap, AnyValue, OtlpEvent, OtlpItem, OtlpLink, OtlpLogRecord, OtlpSpan } from './types.ts';
import { WireWriter } from './wire-writer.ts';

/** What an item is encoded with; its place in the list is its place in the request. */
export type Encodable<T> = Omit<OtlpItem<T>, 'index'>;

/** ExportTraceServiceRequest. Neighbours that share the resource or scope object share its frame. */
export const encodeTraces = (items: readonly Encodable<OtlpSpan>[]): Uint8Array => encodeRequest(items, writeSpan);

/** ExportLogsServiceRequest; as `encodeTraces`. */
export const encodeLogs = (items: readonly Encodable<OtlpLogRecord>[]): Uint8Array =>
  encodeRequest(items, writeLogRecord);

const encodeRequest = <T>(items: readonly Encodable<T>[], write: (out: WireWriter, item: T) => void): Uint8Array => {
  const out = new WireWriter();
  let last: Encodable<T> | null = null;
  let resourceMark = 0;
  let scopeMark = 0;
  for (const item of items) {
    const isNewResource = last?.resource !== item.resource;
    const isNewScope = isNewResource || last?.scope !== item.scope;
    if (last !== null && isNewScope) out.close(scopeMark);
    if (last !== null && isNewResource) out.close(resourceMark);
    if (isNewResource) {
      resourceMark = out.open(1);
      const mark = out.open(1);
      writeMap(out, 1, item.resource.attributes);
      out.close(mark);
    }
    if (isNewScope) {
      scopeMark = out.open(2);
      const mark = out.open(1);
      writeText(out, 1, item.scope.name);
      writeText(out, 2, item.scope.version);
      writeMap(out, 3, item.scope.attributes);
      out.close(mark);
    }
    const mark = out.open(2);
    write(out, item.item);
    out.close(mark);
    last = item;
  }
  if (last !== null) {
    out.close(scopeMark);
    out.close(resourceMark);
  }
  return out.finish();
};

const writeSpan = (out: WireWriter, span: OtlpSpan): void => {
  writeId(out, 1, span.traceId);
  writeId(out, 2, span.spanId);
  writeId(out, 4, span.parentSpanId);
  writeText(out, 5, span.name);
  writeInteger(out, 6, span.kind);
  writeTime(out, 7, span.startUnixNano);
  writeTime(out, 8, span.endUnixNano);
  writeMap(out, 9, span.attributes);
  for (const event of span.events) writeEvent(out, event);
  for (const link of span.links) writeLink(out, link);
  if (span.statusCode === 0 && span.statusMessage === '') return;
  const mark = out.open(15);
  writeText(out, 2, span.statusMessage);
  writeInteger(out, 3, span.statusCode);
  out.close(mark);
};

const writeEvent = (out: WireWriter, event: OtlpEvent): void => {
  const mark = out.open(11);
  writeTime(out, 1, event.timeUnixNano);
  writeText(out, 2, event.name);
  writeMap(out, 3, event.attributes);
  out.close(mark);
};

const writeLink = (out: WireWriter, link: OtlpLink): void => {
  const mark = out.open(13);
  writeId(out, 1, link.traceId);
  writeId(out, 2, link.spanId);
  writeMap(out, 4, link.attributes);
  out.close(mark);
};

const writeLogRecord = (out: WireWriter, log: OtlpLogRecord): void => {
  writeTime(out, 1, log.timeUnixNano);
  writeInteger(out, 2, log.severityNumber);
  writeText(out, 3, log.severityText);
  if (log.body !== undefined) writeAnyValue(out, 5, log.body);
  writeMap(out, 6, log.attributes);
  writeId(out, 9, log.traceId);
  writeId(out, 10, log.spanId);
  writeTime(out, 11, log.observedUnixNano);
  writeText(out, 12, log.eventName);
};

// proto3: a field with its zero value is not written.
const writeText = (out: WireWriter, field: number, text: string): void => {
  if (text !== '') out.string(field, text);
};
const writeTime = (out: WireWriter, field: number, nanos: bigint): void => {
  if (nanos !== 0n) out.fixed64(field, nanos);
};
const writeInteger = (out: WireWriter, field: number, value: number): void => {
  if (value === 0) return;
  out.tag(field, 0);
  out.int64(value);
};
const writeId = (out: WireWriter, field: number, hex: string): void => {
  if (hex !== '') out.blob(field, Buffer.from(hex, 'hex'));
};

const writeMap = (out: WireWriter, field: number, map: AnyMap): void => {
  for (const [key, value] of map) {
    const mark = out.open(field);
    writeText(out, 1, key);
    if (value !== undefined) writeAnyValue(out, 2, value);
    out.close(mark);
  }
};

/** Members of a oneof are written even when zero: '' and 0 are values, absent is not. */
const writeAnyValue = (out: WireWriter, field: number, value: AnyValue): void => {
  const mark = out.open(field);
  if (typeof value === 'string') out.string(1, value);
  else if (typeof value === 'boolean') {
    out.tag(2, 0);
    out.varint(value ? 1 : 0);
  } else if (typeof value === 'bigint') {
    out.tag(3, 0);
    out.int64(value);
  } else if (typeof value === 'number') writeNumber(out, value);
  else if (value instanceof Uint8Array) out.blob(7, value);
  else if (value !== undefined) writeNested(out, value);
  out.close(mark);
};

/** Integers that are exact become int_value; the decoder gives the same number for either member. */
const writeNumber = (out: WireWriter, value: number): void => {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    out.tag(3, 0);
    out.int64(value);
  } else out.double(4, value);
};

const writeNested = (out: WireWriter, value: readonly AnyValue[] | AnyMap): void => {
  const isList = isValueList(value);
  const mark = out.open(isList ? 5 : 6);
  if (isList) for (const element of value) writeAnyValue(out, 1, element);
  else writeMap(out, 1, value);
  out.close(mark);
};

const isValueList = (value: readonly AnyValue[] | AnyMap): value is readonly AnyValue[] => Array.isArray(value);
