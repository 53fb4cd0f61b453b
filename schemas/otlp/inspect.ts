/**
 * Looks into spans and log records without building them: is the item sound, and to which run does it belong. Refuses
 * exactly what the decoder refuses (a property test holds the two together), several times faster.
 */
import { ANY_VALUE_DEPTH_MAX } from './limits.ts';
import { logIdProblem } from './read-log.ts';
import { SPAN_ID_BYTES, spanIdProblem, TRACE_ID_BYTES } from './read-span.ts';
import type { WireReader } from './wire-reader.ts';

/** What stands in a length-delimited field of a message: how to check what is inside. */
type Check = (reader: WireReader, depth: number) => void;
type Layout = ReadonlyMap<number, Check>;

const bytesTag = (field: number): number => (field << 3) | 2;

const checkMessage = (reader: WireReader, layout: Layout, depth: number): void => {
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    const check = layout.get(tag);
    if (check === undefined) reader.skip(tag);
    else check(reader, depth);
  }
  reader.leave(outer);
};

const checkAnyValue: Check = (reader, depth) => {
  if (depth > ANY_VALUE_DEPTH_MAX) reader.fail('too_deep', `a value nested beyond ${ANY_VALUE_DEPTH_MAX} levels`);
  reader.node();
  checkMessage(reader, ANY_VALUE, depth);
};
const checkKeyValue: Check = (reader, depth) => {
  reader.node();
  checkMessage(reader, KEY_VALUE, depth);
};
const checkEvent: Check = (reader) => {
  reader.node();
  checkMessage(reader, EVENT, 1);
};
const checkLink: Check = (reader) => {
  reader.node();
  checkMessage(reader, LINK, 1);
};
const checkInt: Check = (reader) => {
  reader.int64();
};

const ANY_VALUE: Layout = new Map([
  [bytesTag(5), (reader: WireReader, depth: number) => checkMessage(reader, ARRAY, depth + 1)],
  [bytesTag(6), (reader: WireReader, depth: number) => checkMessage(reader, KVLIST, depth + 1)],
]);
const ARRAY: Layout = new Map([[bytesTag(1), checkAnyValue]]);
const KVLIST: Layout = new Map([[bytesTag(1), checkKeyValue]]);
const KEY_VALUE: Layout = new Map([[bytesTag(2), checkAnyValue]]);
const EVENT: Layout = new Map([[bytesTag(3), checkKeyValue]]);
const LINK: Layout = new Map([[bytesTag(4), checkKeyValue]]);
const NOTHING: Layout = new Map();
const SPAN: Layout = new Map([
  [bytesTag(9), checkKeyValue],
  [bytesTag(11), checkEvent],
  [bytesTag(13), checkLink],
  [bytesTag(15), (reader: WireReader) => checkMessage(reader, NOTHING, 0)],
]);
const LOG: Layout = new Map([
  [2 << 3, checkInt],
  [bytesTag(5), checkAnyValue],
  [bytesTag(6), checkKeyValue],
]);

/** The trace id of the Span at the reader; the reader's fault is set when the span cannot be taken. */
export const inspectSpan = (reader: WireReader): string => {
  let traceId: string | null = '';
  let spanId: string | null = '';
  let parentSpanId: string | null = '';
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === bytesTag(1)) traceId = reader.id(TRACE_ID_BYTES);
    else if (tag === bytesTag(2)) spanId = reader.id(SPAN_ID_BYTES);
    else if (tag === bytesTag(4)) parentSpanId = reader.id(SPAN_ID_BYTES);
    else inspectField(reader, SPAN, tag);
  }
  const problem = reader.fault === null ? spanIdProblem(traceId, spanId, parentSpanId) : null;
  if (problem !== null) reader.fail('missing_ids', problem);
  return traceId ?? '';
};

/** The trace id of the LogRecord at the reader, '' when it has none; as `inspectSpan`. */
export const inspectLogRecord = (reader: WireReader): string => {
  let traceId: string | null = '';
  let spanId: string | null = '';
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === bytesTag(9)) traceId = reader.id(TRACE_ID_BYTES);
    else if (tag === bytesTag(10)) spanId = reader.id(SPAN_ID_BYTES);
    else inspectField(reader, LOG, tag);
  }
  const problem = reader.fault === null ? logIdProblem(traceId, spanId) : null;
  if (problem !== null) reader.fail('missing_ids', problem);
  return traceId ?? '';
};

const inspectField = (reader: WireReader, layout: Layout, tag: number): void => {
  const check = layout.get(tag);
  if (check === undefined) reader.skip(tag);
  else check(reader, 1);
};
