import { AttributeList } from './attribute-list.ts';
import { contentHash } from './content-hash.ts';
import { SPAN_ID_BYTES, TRACE_ID_BYTES } from './read-span.ts';
import { readAnyValue, readAttribute } from './read-values.ts';
import type { AnyValue, OtlpLogRecord } from './types.ts';
import type { WireReader } from './wire-reader.ts';

const bytesTag = (field: number): number => (field << 3) | 2;
const fixed64Tag = (field: number): number => (field << 3) | 1;

// opentelemetry.proto.logs.v1.LogRecord
const TIME = fixed64Tag(1);
const SEVERITY_NUMBER = 2 << 3;
const SEVERITY_TEXT = bytesTag(3);
const BODY = bytesTag(5);
const ATTRIBUTES = bytesTag(6);
const TRACE_ID = bytesTag(9);
const SPAN_ID = bytesTag(10);
const OBSERVED = fixed64Tag(11);
const EVENT_NAME = bytesTag(12);

interface LogDraft {
  timeUnixNano: bigint;
  observedUnixNano: bigint;
  severityNumber: number;
  severityText: string;
  eventName: string;
  body: AnyValue;
  readonly attributes: AttributeList;
  traceId: string | null;
  spanId: string | null;
}

/** Content of a LogRecord message; null with the reader's fault set when it cannot be taken. Ids may be absent. */
export const readLogRecord = (reader: WireReader): OtlpLogRecord | null => {
  const draft: LogDraft = {
    timeUnixNano: 0n,
    observedUnixNano: 0n,
    severityNumber: 0,
    severityText: '',
    eventName: '',
    body: undefined,
    attributes: new AttributeList(),
    traceId: '',
    spanId: '',
  };
  while (reader.more()) readLogField(reader, draft, reader.tag());
  const { traceId, spanId } = draft;
  if (reader.fault === null) {
    const problem = logIdProblem(traceId, spanId);
    if (problem !== null) reader.fail('missing_ids', problem);
  }
  if (reader.fault !== null || traceId === null || spanId === null) return null;
  const record = { ...draft, traceId, spanId };
  return { ...record, contentHash: contentHash(record) };
};

/** What is wrong with the ids of a log record (null: of another length than an id has), or null. */
export const logIdProblem = (traceId: string | null, spanId: string | null): string | null => {
  if (traceId === null) return `the trace id is not ${TRACE_ID_BYTES} bytes`;
  return spanId === null ? `the span id is not ${SPAN_ID_BYTES} bytes` : null;
};

const readLogField = (reader: WireReader, draft: LogDraft, tag: number): void => {
  switch (tag) {
    case ATTRIBUTES:
      readAttribute(reader, draft.attributes);
      return;
    case TIME:
      draft.timeUnixNano = reader.fixed64();
      return;
    case OBSERVED:
      draft.observedUnixNano = reader.fixed64();
      return;
    case SEVERITY_NUMBER:
      draft.severityNumber = reader.int32();
      return;
    case SEVERITY_TEXT:
      draft.severityText = reader.string();
      return;
    case EVENT_NAME:
      draft.eventName = reader.string();
      return;
    case BODY: {
      const outer = reader.enter();
      draft.body = readAnyValue(reader, 1);
      reader.leave(outer);
      return;
    }
    case TRACE_ID:
      draft.traceId = reader.id(TRACE_ID_BYTES);
      return;
    case SPAN_ID:
      draft.spanId = reader.id(SPAN_ID_BYTES);
      return;
    default:
      reader.skip(tag);
  }
};
