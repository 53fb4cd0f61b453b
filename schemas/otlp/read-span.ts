import { AttributeList } from './attribute-list.ts';
import { NO_ATTRIBUTES, readAttribute, readKeyValue } from './read-values.ts';
import type { AnyValue, OtlpEvent, OtlpLink, OtlpSpan } from './types.ts';
import type { WireReader } from './wire-reader.ts';

/** Bytes of a trace id and of a span id. */
export const TRACE_ID_BYTES = 16;
export const SPAN_ID_BYTES = 8;

const bytesTag = (field: number): number => (field << 3) | 2;
const varintTag = (field: number): number => field << 3;
const fixed64Tag = (field: number): number => (field << 3) | 1;

// opentelemetry.proto.trace.v1.Span
const TRACE_ID = bytesTag(1);
const SPAN_ID = bytesTag(2);
const PARENT_SPAN_ID = bytesTag(4);
const NAME = bytesTag(5);
const KIND = varintTag(6);
const START = fixed64Tag(7);
const END = fixed64Tag(8);
const ATTRIBUTES = bytesTag(9);
const EVENTS = bytesTag(11);
const LINKS = bytesTag(13);
const STATUS = bytesTag(15);

interface SpanDraft {
  traceId: string | null;
  spanId: string | null;
  parentSpanId: string | null;
  name: string;
  kind: number;
  startUnixNano: bigint;
  endUnixNano: bigint;
  readonly attributes: AttributeList;
  readonly events: OtlpEvent[];
  readonly links: OtlpLink[];
  statusCode: number;
  statusMessage: string;
}

/** Content of a Span message; null with the reader's fault set when it cannot be taken. */
export const readSpan = (reader: WireReader): OtlpSpan | null => {
  const span: SpanDraft = {
    traceId: '',
    spanId: '',
    parentSpanId: '',
    name: '',
    kind: 0,
    startUnixNano: 0n,
    endUnixNano: 0n,
    attributes: new AttributeList(),
    events: [],
    links: [],
    statusCode: 0,
    statusMessage: '',
  };
  while (reader.more()) readSpanField(reader, span, reader.tag());
  const { traceId, spanId, parentSpanId } = span;
  if (reader.fault === null) {
    const problem = spanIdProblem(traceId, spanId, parentSpanId);
    if (problem !== null) reader.fail('missing_ids', problem);
  }
  if (reader.fault !== null || traceId === null || spanId === null || parentSpanId === null) return null;
  return {
    traceId,
    spanId,
    parentSpanId,
    name: span.name,
    kind: span.kind,
    startUnixNano: span.startUnixNano,
    endUnixNano: span.endUnixNano,
    attributes: span.attributes,
    events: span.events,
    links: span.links,
    statusCode: span.statusCode,
    statusMessage: span.statusMessage,
  };
};

/** What is wrong with the ids of a span ('' absent or zero, null of another length), or null. */
export const spanIdProblem = (
  traceId: string | null,
  spanId: string | null,
  parentSpanId: string | null,
): string | null => {
  if (!traceId) return `the trace id is ${traceId === '' ? 'absent' : `not ${TRACE_ID_BYTES} bytes`}`;
  if (!spanId) return `the span id is ${spanId === '' ? 'absent' : `not ${SPAN_ID_BYTES} bytes`}`;
  return parentSpanId === null ? `the parent span id is not ${SPAN_ID_BYTES} bytes` : null;
};

const readSpanField = (reader: WireReader, span: SpanDraft, tag: number): void => {
  switch (tag) {
    case ATTRIBUTES:
      readAttribute(reader, span.attributes);
      return;
    case TRACE_ID:
      span.traceId = reader.id(TRACE_ID_BYTES);
      return;
    case SPAN_ID:
      span.spanId = reader.id(SPAN_ID_BYTES);
      return;
    case PARENT_SPAN_ID:
      span.parentSpanId = reader.id(SPAN_ID_BYTES);
      return;
    case NAME:
      span.name = reader.string();
      return;
    case KIND:
      span.kind = reader.int32();
      return;
    case START:
      span.startUnixNano = reader.fixed64();
      return;
    case END:
      span.endUnixNano = reader.fixed64();
      return;
    case EVENTS:
      span.events.push(readEvent(reader));
      return;
    case LINKS:
      span.links.push(readLink(reader));
      return;
    case STATUS:
      readStatus(reader, span);
      return;
    default:
      reader.skip(tag);
  }
};

/** Span.Event: time_unix_nano 1, name 2, attributes 3. */
const readEvent = (reader: WireReader): OtlpEvent => {
  const outer = reader.enter();
  reader.node();
  let timeUnixNano = 0n;
  let name = '';
  let attributes: Map<string, AnyValue> | null = null;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === fixed64Tag(1)) timeUnixNano = reader.fixed64();
    else if (tag === bytesTag(2)) name = reader.string();
    else if (tag === bytesTag(3)) {
      attributes ??= new Map();
      readKeyValue(reader, attributes);
    } else reader.skip(tag);
  }
  reader.leave(outer);
  return { timeUnixNano, name, attributes: attributes ?? NO_ATTRIBUTES };
};

/** Span.Link: trace_id 1, span_id 2, attributes 4. An id of another length points nowhere and reads as ''. */
const readLink = (reader: WireReader): OtlpLink => {
  const outer = reader.enter();
  reader.node();
  let traceId = '';
  let spanId = '';
  let attributes: Map<string, AnyValue> | null = null;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === bytesTag(1)) traceId = reader.id(TRACE_ID_BYTES) ?? '';
    else if (tag === bytesTag(2)) spanId = reader.id(SPAN_ID_BYTES) ?? '';
    else if (tag === bytesTag(4)) {
      attributes ??= new Map();
      readKeyValue(reader, attributes);
    } else reader.skip(tag);
  }
  reader.leave(outer);
  return { traceId, spanId, attributes: attributes ?? NO_ATTRIBUTES };
};

/** Status: message 2, code 3. */
const readStatus = (reader: WireReader, span: SpanDraft): void => {
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === bytesTag(2)) span.statusMessage = reader.string();
    else if (tag === varintTag(3)) span.statusCode = reader.int32();
    else reader.skip(tag);
  }
  reader.leave(outer);
};
