import { decodeLogs, decodeTraces, type OtlpEncoding } from '../../schemas/otlp/decode.ts';
import { encodeLogs, encodeTraces } from '../../schemas/otlp/encode.ts';
import { type SplitRequest, splitRequest } from '../../schemas/otlp/split.ts';
import { type Outcome, ok } from '../../schemas/outcome.ts';
import type { Vantage } from '../../schemas/step-kinds.ts';
import { TENANT_HEADER, TIME_SHIFT_HEADER, VANTAGE_HEADER } from '../../schemas/tenant.ts';
import { PART_HEADER, RECORD_BYTES_TARGET, TOPICS } from '../../schemas/topics.ts';
import type { OutgoingRecord, RecordPosition } from '../runtime/ports.ts';
import type { ExportSignal } from './answers.ts';

/** Each trace repeats the resource; a request of thousands of traces with a large one could multiply without end. */
const SPLIT_BYTES_MAX = 64 * 1024 * 1024;

const PATHS: readonly (readonly [RegExp, ExportSignal])[] = [
  [/\/v1\/traces\/?$/, 'spans'],
  [/\/v1\/logs\/?$/, 'logs'],
  [/\/v1\/metrics\/?$/, 'metrics'],
];

/** The signal of a path that ends in `/v1/traces`, `/v1/logs` or `/v1/metrics` (emitters put prefixes before it). */
export const signalOf = (url: string): ExportSignal | null => {
  const path = url.split('?', 1)[0] ?? '';
  return PATHS.find(([pattern]) => pattern.test(path))?.[1] ?? null;
};

/** The encoding a Content-Type names, parameters aside; null when OTLP/HTTP does not know it. */
export const encodingOfContentType = (contentType: string): OtlpEncoding | null => {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-protobuf' || type === 'application/protobuf') return 'protobuf';
  return type === 'application/json' ? 'json' : null;
};

export interface SenderFacts {
  readonly tenant: string;
  readonly vantage: Vantage;
  /** Milliseconds to add to every time of the rows, as the sender wrote it; '' for none. */
  readonly timeShiftMs: string;
}

/** A body as records for the log: deterministic, so that a retry of the sender writes the same bytes again. */
export interface ExportRecords {
  readonly records: readonly OutgoingRecord[];
  readonly accepted: number;
  readonly refusals: SplitRequest['refusals'];
}

/** Decodes as far as needed, checks each item, splits by run. JSON goes into the log as protobuf. */
export const buildRecords = (
  bytes: Uint8Array,
  encoding: OtlpEncoding,
  signal: 'spans' | 'logs',
  sender: SenderFacts,
): Outcome<ExportRecords> => {
  const protobuf = encoding === 'protobuf' ? ok({ bytes, refusals: [] }) : transcode(bytes, signal);
  if (protobuf.kind === 'refused') return protobuf;
  const split = splitRequest(protobuf.value.bytes, {
    signal,
    tenant: sender.tenant,
    targetBytes: RECORD_BYTES_TARGET,
    outputBytesMax: SPLIT_BYTES_MAX,
  });
  if (split.kind === 'refused') return split;
  const headers: Readonly<Record<string, string>> = {
    [TENANT_HEADER]: sender.tenant,
    [VANTAGE_HEADER]: sender.vantage,
    ...(sender.timeShiftMs === '' ? {} : { [TIME_SHIFT_HEADER]: sender.timeShiftMs }),
  };
  const records = split.value.parts.map(({ runKey, part, value }) => ({
    topic: TOPICS[signal],
    key: runKey,
    value,
    headers: part === 0 ? headers : { ...headers, [PART_HEADER]: String(part) },
  }));
  const refusals = [...protobuf.value.refusals, ...split.value.refusals];
  return ok({ records, accepted: split.value.accepted, refusals });
};

const transcode = (
  bytes: Uint8Array,
  signal: 'spans' | 'logs',
): Outcome<{ readonly bytes: Uint8Array; readonly refusals: SplitRequest['refusals'] }> => {
  if (signal === 'spans') {
    const request = decodeTraces(bytes, 'json');
    if (request.kind === 'refused') return request;
    return ok({ bytes: encodeTraces(request.value.items), refusals: request.value.refusals });
  }
  const request = decodeLogs(bytes, 'json');
  if (request.kind === 'refused') return request;
  return ok({ bytes: encodeLogs(request.value.items), refusals: request.value.refusals });
};

/** `topic/partition/offset` of the last record in each partition, comma-separated: value of `x-tacho-position`. */
export const positionText = (positions: readonly RecordPosition[]): string => {
  const last = new Map<string, number>();
  for (const { topic, partition, offset } of positions) {
    const place = `${topic}/${partition}`;
    last.set(place, Math.max(offset, last.get(place) ?? 0));
  }
  return [...last].map(([place, offset]) => `${place}/${offset}`).join(',');
};
