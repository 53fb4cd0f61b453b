import { decodeOpenaiAgentsIngest } from '../../schemas/openai-agents-ingest.ts';
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

/** What a body is written in: OTLP, or the own export of the OpenAI Agents SDK, which becomes OTLP here. */
export type BodyFormat = 'otlp' | 'openai-agents';

/** What a path takes. */
export interface Route {
  readonly signal: ExportSignal;
  readonly format: BodyFormat;
}

const PATHS: readonly (readonly [RegExp, Route])[] = [
  [/\/v1\/traces\/?$/, { signal: 'spans', format: 'otlp' }],
  [/\/v1\/logs\/?$/, { signal: 'logs', format: 'otlp' }],
  [/\/v1\/metrics\/?$/, { signal: 'metrics', format: 'otlp' }],
  [/\/v1\/traces\/ingest\/?$/, { signal: 'spans', format: 'openai-agents' }],
];

/** What a path takes, by its end (emitters put prefixes before it); null for a path nothing is taken at. */
export const routeOf = (url: string): Route | null => {
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
  return splitByRun(protobuf.value.bytes, signal, sender, protobuf.value.refusals);
};

/** As `buildRecords`, of a body in the format of the OpenAI Agents SDK: its spans, and its traces as log records. */
export const buildIngestRecords = (bytes: Uint8Array, sender: SenderFacts): Outcome<ExportRecords> => {
  const request = decodeOpenaiAgentsIngest(bytes);
  if (request.kind === 'refused') return request;
  const { spans, logs, refusals } = request.value;
  const ofSpans = splitByRun(encodeTraces(spans), 'spans', sender, refusals);
  if (ofSpans.kind === 'refused') return ofSpans;
  const ofLogs = splitByRun(encodeLogs(logs), 'logs', sender, []);
  if (ofLogs.kind === 'refused') return ofLogs;
  return ok({
    records: [...ofSpans.value.records, ...ofLogs.value.records],
    accepted: ofSpans.value.accepted + ofLogs.value.accepted,
    refusals: [...ofSpans.value.refusals, ...ofLogs.value.refusals],
  });
};

const splitByRun = (
  protobuf: Uint8Array,
  signal: 'spans' | 'logs',
  sender: SenderFacts,
  refusals: SplitRequest['refusals'],
): Outcome<ExportRecords> => {
  const split = splitRequest(protobuf, {
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
  return ok({ records, accepted: split.value.accepted, refusals: [...refusals, ...split.value.refusals] });
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
