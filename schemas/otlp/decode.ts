import { type Outcome, ok } from '../outcome.ts';
import { type Ranges, scanFrames } from './frames.ts';
import { decodeLogsJson, decodeTracesJson } from './json-decode.ts';
import { NODES_MAX } from './limits.ts';
import { readLogRecord } from './read-log.ts';
import { readSpan } from './read-span.ts';
import { readResource, readScope } from './read-values.ts';
import type { OtlpItem, OtlpLogRecord, OtlpRefusal, OtlpRequest, OtlpResource, OtlpScope, OtlpSpan } from './types.ts';
import { type WireFault, WireReader } from './wire-reader.ts';

/** How a request is written. */
export type OtlpEncoding = 'protobuf' | 'json';

/**
 * Told by the first byte: `{`, white space or a byte order mark begin JSON, all else is protobuf. A line feed (0x0a)
 * is also the tag every protobuf request begins with, so it means protobuf.
 */
export const encodingOf = (bytes: Uint8Array): OtlpEncoding => {
  const first = bytes[0];
  return first === 0x7b || first === 0x20 || first === 0x09 || first === 0x0d || first === 0xef ? 'json' : 'protobuf';
};

/**
 * ExportTraceServiceRequest, flattened. Refused as a whole only when its frame is broken; a bad span is a refusal
 * beside the good ones. No bytes at all are an empty request.
 */
export const decodeTraces = (
  bytes: Uint8Array,
  encoding: OtlpEncoding = encodingOf(bytes),
): Outcome<OtlpRequest<OtlpSpan>> => (encoding === 'json' ? decodeTracesJson(bytes) : decodeProtobuf(bytes, readSpan));

/** ExportLogsServiceRequest, flattened; as `decodeTraces`. */
export const decodeLogs = (
  bytes: Uint8Array,
  encoding: OtlpEncoding = encodingOf(bytes),
): Outcome<OtlpRequest<OtlpLogRecord>> =>
  encoding === 'json' ? decodeLogsJson(bytes) : decodeProtobuf(bytes, readLogRecord);

type Read<T> = (reader: WireReader) => T | null;

const decodeProtobuf = <T>(bytes: Uint8Array, read: Read<T>): Outcome<OtlpRequest<T>> => {
  const frames = scanFrames(bytes);
  if (frames.kind === 'refused') return frames;
  const reader = new WireReader(bytes);
  const into: Draft<T> = { items: [], refusals: [], index: 0 };
  for (const frame of frames.value) {
    const resource = readPart(reader, () => readResource(reader, frame.resource));
    for (const { scope: ranges, items } of frame.scopes) {
      const scope = readPart(reader, () => readScope(reader, ranges));
      const around = { resource: resource.value, scope: scope.value, fault: resource.fault ?? scope.fault };
      readItems(reader, items, read, around, into);
    }
  }
  return ok({ items: into.items, refusals: into.refusals });
};

interface Draft<T> {
  readonly items: OtlpItem<T>[];
  readonly refusals: OtlpRefusal[];
  index: number;
}

/** Where items stand. A resource or scope that cannot be read takes its items with it. */
interface Around {
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
  readonly fault: WireFault | null;
}

const readItems = <T>(reader: WireReader, ranges: Ranges, read: Read<T>, around: Around, into: Draft<T>): void => {
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const index = into.index++;
    const { value, fault: own } = readPart(reader, () => {
      reader.reset(ranges[i] ?? 0, ranges[i + 1] ?? 0);
      return read(reader);
    });
    const fault = around.fault ?? own;
    if (fault !== null) into.refusals.push({ index, reason: fault.reason, detail: fault.detail });
    else if (value !== null) into.items.push({ index, resource: around.resource, scope: around.scope, item: value });
  }
};

/** Reads one part with a fresh budget and takes its fault off the reader. */
const readPart = <T>(reader: WireReader, read: () => T): { readonly value: T; readonly fault: WireFault | null } => {
  reader.nodesLeft = NODES_MAX;
  const value = read();
  const fault = reader.fault;
  reader.reset(0, 0);
  return { value, fault };
};
