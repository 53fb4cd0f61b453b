import { type Outcome, ok, refused } from '../outcome.ts';
import { ITEMS_MAX } from './limits.ts';
import { WireReader } from './wire-reader.ts';

/** Byte ranges, flat: start, end, start, end … */
export type Ranges = readonly number[];

/** A ScopeSpans or ScopeLogs. */
export interface ScopeFrame {
  /** Contents of field 1, the scope (protobuf merges repetitions). */
  readonly scope: Ranges;
  /** Whole fields (with tag) other than the items: scope, schema_url, unknown ones. */
  readonly rest: Ranges;
  /** Contents of field 2, the spans, log records or metrics. */
  readonly items: Ranges;
}

/** A ResourceSpans or ResourceLogs. */
export interface ResourceFrame {
  readonly resource: Ranges;
  readonly rest: Ranges;
  readonly scopes: readonly ScopeFrame[];
}

/** Tag of field 1, length-delimited: resource_spans, resource, scope. */
const FIRST = (1 << 3) | 2;
/** Tag of field 2, length-delimited: scope_spans, spans. */
const SECOND = (2 << 3) | 2;

/**
 * Finds where everything stands in an Export…ServiceRequest, without decoding: the three signals share this frame
 * (opentelemetry-proto collector/*\/v1). Refused as a whole when the frame itself is broken; what is inside an item
 * is not looked at. Unknown fields are kept in `rest`.
 */
export const scanFrames = (bytes: Uint8Array): Outcome<readonly ResourceFrame[]> => {
  const reader = new WireReader(bytes);
  const frames: ResourceFrame[] = [];
  const budget = { items: ITEMS_MAX };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag !== FIRST) {
      reader.skip(tag);
      continue;
    }
    const outer = reader.enter();
    frames.push(scanResource(reader, budget));
    reader.leave(outer);
  }
  if (reader.fault !== null) return refused(reader.fault.reason, reader.fault.detail);
  return ok(frames);
};

const scanResource = (reader: WireReader, budget: { items: number }): ResourceFrame => {
  const resource: number[] = [];
  const rest: number[] = [];
  const scopes: ScopeFrame[] = [];
  while (reader.more()) {
    const start = reader.pos;
    const tag = reader.tag();
    if (tag === SECOND) {
      const outer = reader.enter();
      scopes.push(scanScope(reader, budget));
      reader.leave(outer);
      continue;
    }
    if (tag === FIRST) markContent(reader, resource);
    else reader.skip(tag);
    rest.push(start, reader.pos);
  }
  return { resource, rest, scopes };
};

const scanScope = (reader: WireReader, budget: { items: number }): ScopeFrame => {
  const scope: number[] = [];
  const rest: number[] = [];
  const items: number[] = [];
  while (reader.more()) {
    const start = reader.pos;
    const tag = reader.tag();
    if (tag === SECOND) {
      markContent(reader, items);
      if (--budget.items < 0) reader.fail('too_large', `more than ${ITEMS_MAX} items in one request`);
      continue;
    }
    if (tag === FIRST) markContent(reader, scope);
    else reader.skip(tag);
    rest.push(start, reader.pos);
  }
  return { scope, rest, items };
};

/** Notes where the content of a length-delimited field stands and steps over it. */
const markContent = (reader: WireReader, into: number[]): void => {
  const outer = reader.enter();
  into.push(reader.pos, reader.limit);
  reader.leave(outer);
};
