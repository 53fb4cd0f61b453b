import { runKeyOf } from '../identity.ts';
import { type Outcome, ok, refused } from '../outcome.ts';
import { type Ranges, type ResourceFrame, type ScopeFrame, scanFrames } from './frames.ts';
import { inspectLogRecord, inspectSpan } from './inspect.ts';
import { NODES_MAX } from './limits.ts';
import { readLogRecord } from './read-log.ts';
import { readResource, readScope } from './read-values.ts';
import { conversationOf, serviceOf } from './run-key.ts';
import type { OtlpRefusal } from './types.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

/** One record for the log: a request with items of one run. `part` counts the records one request gave of this run. */
export interface RunPart {
  readonly runKey: string;
  readonly part: number;
  readonly value: Uint8Array;
  readonly items: number;
}

export interface SplitRequest {
  readonly parts: readonly RunPart[];
  readonly accepted: number;
  readonly refusals: readonly OtlpRefusal[];
}

export interface SplitOptions {
  readonly signal: 'spans' | 'logs';
  readonly tenant: string;
  /** A record closes before it grows beyond this; a single larger item stands alone. */
  readonly targetBytes: number;
  /** Each run repeats the resource: what all records together may take before the request is refused as too_large. */
  readonly outputBytesMax: number;
}

/**
 * Splits a protobuf Export…ServiceRequest by run, in the sender's own bytes: unknown fields survive, the order inside
 * a run is kept, and the same request always gives the same records (a retry meets its first attempt). Runs stand in
 * the order of their first item. Items that cannot be taken are refusals; a broken frame refuses the whole.
 */
export const splitRequest = (bytes: Uint8Array, options: SplitOptions): Outcome<SplitRequest> => {
  const frames = scanFrames(bytes);
  if (frames.kind === 'refused') return frames;
  const reader = new WireReader(bytes);
  const runs = new Map<string, Run>();
  const refusals: OtlpRefusal[] = [];
  let index = 0;
  for (const place of placesOf(reader, frames.value)) {
    const { items } = place.scope;
    for (let i = 0; i + 1 < items.length; i += 2, index++) {
      const start = items[i] ?? 0;
      const end = items[i + 1] ?? 0;
      const runKey = inspectItem(reader, place, start, end, options);
      const fault = place.fault ?? reader.fault;
      if (fault !== null) refusals.push({ index, reason: fault.reason, detail: fault.detail });
      else addItem(runs, runKey, place, start, end, options.targetBytes);
    }
  }
  return buildParts(bytes, runs, index - refusals.length, refusals, options.outputBytesMax);
};

/** A scope in its resource, with what the items in it share. */
interface Place {
  readonly resource: ResourceFrame;
  readonly scope: ScopeFrame;
  readonly service: string;
  readonly fault: WireReader['fault'];
  readonly frameBytes: number;
}

interface Piece {
  readonly place: Place;
  readonly items: number[];
}

/** The records of one run: pieces in order, by record. `openBytes` is the size of the last record so far. */
interface Run {
  readonly records: Piece[][];
  openBytes: number;
}

/** Tag and length in front of an item or a frame, at most. */
const HEADER_BYTES = 6;

const placesOf = function* (reader: WireReader, frames: readonly ResourceFrame[]): Generator<Place> {
  for (const resource of frames) {
    startPart(reader);
    const { attributes } = readResource(reader, resource.resource);
    const resourceFault = reader.fault;
    const service = serviceOf(attributes);
    for (const scope of resource.scopes) {
      startPart(reader);
      readScope(reader, scope.scope);
      const fault = resourceFault ?? reader.fault;
      const frameBytes = lengthOf(resource.rest) + lengthOf(scope.rest) + 2 * HEADER_BYTES;
      yield { resource, scope, service, fault, frameBytes };
    }
  }
};

const startPart = (reader: WireReader): void => {
  reader.reset(0, 0);
  reader.nodesLeft = NODES_MAX;
};

const inspectItem = (reader: WireReader, place: Place, start: number, end: number, options: SplitOptions): string => {
  startPart(reader);
  reader.reset(start, end);
  const traceId = options.signal === 'spans' ? inspectSpan(reader) : inspectLogRecord(reader);
  if (traceId !== '' || reader.fault !== null) return traceId;
  startPart(reader);
  reader.reset(start, end);
  const record = readLogRecord(reader);
  const conversation = record === null ? '' : conversationOf(record.attributes);
  return runKeyOf(options.tenant, '', place.service, conversation);
};

const addItem = (
  runs: Map<string, Run>,
  runKey: string,
  place: Place,
  start: number,
  end: number,
  targetBytes: number,
): void => {
  let run = runs.get(runKey);
  if (run === undefined) {
    run = { records: [[]], openBytes: 0 };
    runs.set(runKey, run);
  }
  const itemBytes = end - start + HEADER_BYTES;
  let pieces = run.records.at(-1) ?? [];
  let piece = pieces.at(-1);
  const growth = itemBytes + (piece?.place === place ? 0 : place.frameBytes);
  if (piece !== undefined && run.openBytes + growth > targetBytes) {
    pieces = [];
    piece = undefined;
    run.records.push(pieces);
    run.openBytes = 0;
  }
  if (piece?.place === place) piece.items.push(start, end);
  else {
    pieces.push({ place, items: [start, end] });
    run.openBytes += place.frameBytes;
  }
  run.openBytes += itemBytes;
};

const buildParts = (
  bytes: Uint8Array,
  runs: ReadonlyMap<string, Run>,
  accepted: number,
  refusals: readonly OtlpRefusal[],
  outputBytesMax: number,
): Outcome<SplitRequest> => {
  let outputBytes = 0;
  for (const { records } of runs.values()) {
    for (const piece of records.flat()) {
      outputBytes += piece.place.frameBytes + lengthOf(piece.items) + (piece.items.length / 2) * HEADER_BYTES;
    }
  }
  if (outputBytes > outputBytesMax) {
    return refused(
      'too_large',
      `split by trace the request takes more than ${outputBytesMax} bytes: send smaller ones`,
    );
  }
  const parts: RunPart[] = [];
  for (const [runKey, { records }] of runs) {
    for (const [part, pieces] of records.entries()) {
      const items = pieces.reduce((sum, piece) => sum + piece.items.length / 2, 0);
      parts.push({ runKey, part, value: buildRequest(bytes, pieces), items });
    }
  }
  return ok({ parts, accepted, refusals });
};

const buildRequest = (bytes: Uint8Array, pieces: readonly Piece[]): Uint8Array => {
  const size = pieces.reduce((sum, piece) => sum + piece.place.frameBytes + lengthOf(piece.items), 64);
  const out = new WireWriter(size + pieces.reduce((sum, piece) => sum + piece.items.length * HEADER_BYTES, 0));
  for (let i = 0; i < pieces.length; ) {
    const resource = pieces[i]?.place.resource;
    const resourceMark = out.open(1);
    if (resource) copyRanges(out, bytes, resource.rest);
    for (let piece = pieces[i]; piece && piece.place.resource === resource; piece = pieces[++i]) {
      const scopeMark = out.open(2);
      copyRanges(out, bytes, piece.place.scope.rest);
      for (let at = 0; at + 1 < piece.items.length; at += 2) {
        out.blob(2, bytes.subarray(piece.items[at], piece.items[at + 1]));
      }
      out.close(scopeMark);
    }
    out.close(resourceMark);
  }
  return out.finish();
};

const copyRanges = (out: WireWriter, bytes: Uint8Array, ranges: Ranges): void => {
  for (let i = 0; i + 1 < ranges.length; i += 2) out.raw(bytes.subarray(ranges[i], ranges[i + 1]));
};

const lengthOf = (ranges: Ranges): number => {
  let length = 0;
  for (let i = 0; i + 1 < ranges.length; i += 2) length += (ranges[i + 1] ?? 0) - (ranges[i] ?? 0);
  return length;
};
