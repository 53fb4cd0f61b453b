import { ProtobufLogsSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { splitRequest } from '../../schemas/otlp/split.ts';
import { TENANT_HEADER } from '../../schemas/tenant.ts';
import { PART_HEADER, RECORD_BYTES_TARGET } from '../../schemas/topics.ts';
import type { OutboundRecord } from './outbound.ts';

/** A batch of the SDK as records, one trace each, and how many items could not be written as any. */
export interface OtlpRecords {
  readonly records: readonly OutboundRecord[];
  readonly refused: number;
}

export interface RecordPlace {
  readonly topic: string;
  readonly tenant: string;
}

/** Each trace repeats the resource; batches of the SDK are small, so this is only a guard. */
const SPLIT_BYTES_MAX = 256 * 1024 * 1024;

/** Spans as records of `otlp_spans`: keys, splitting and headers as our receiver writes them. Never throws. */
export const spanRecords = (spans: readonly ReadableSpan[], place: RecordPlace): OtlpRecords =>
  recordsOf(spans, 'spans', place, (some) => ProtobufTraceSerializer.serializeRequest([...some]));

/** Log records as records of `otlp_logs`. Never throws. */
export const logRecords = (logs: readonly ReadableLogRecord[], place: RecordPlace): OtlpRecords =>
  recordsOf(logs, 'logs', place, (some) => ProtobufLogsSerializer.serializeRequest([...some]));

/** One item that cannot be written, whatever an agent put into it, must not cost the others of its batch: halved. */
const recordsOf = <T>(
  items: readonly T[],
  signal: 'spans' | 'logs',
  place: RecordPlace,
  serialize: (items: readonly T[]) => Uint8Array | undefined,
): OtlpRecords => {
  if (items.length === 0) return { records: [], refused: 0 };
  const whole = tryRecords(items, signal, place, serialize);
  if (whole !== null) return whole;
  if (items.length === 1) return { records: [], refused: 1 };
  const middle = Math.ceil(items.length / 2);
  const [first, second] = [items.slice(0, middle), items.slice(middle)].map((half) =>
    recordsOf(half, signal, place, serialize),
  );
  return {
    records: [...(first?.records ?? []), ...(second?.records ?? [])],
    refused: (first?.refused ?? 0) + (second?.refused ?? 0),
  };
};

const tryRecords = <T>(
  items: readonly T[],
  signal: 'spans' | 'logs',
  { topic, tenant }: RecordPlace,
  serialize: (items: readonly T[]) => Uint8Array | undefined,
): OtlpRecords | null => {
  const bytes = serializedOf(items, serialize);
  if (bytes === null) return null;
  const split = splitRequest(bytes, {
    ...{ signal, tenant, targetBytes: RECORD_BYTES_TARGET, outputBytesMax: SPLIT_BYTES_MAX },
  });
  if (split.kind === 'refused') return null;
  const { parts, accepted } = split.value;
  const records = parts.map(({ runKey, part, value, items: count }) => ({
    topic,
    key: runKey,
    value,
    headers: { [TENANT_HEADER]: tenant, ...(part === 0 ? {} : { [PART_HEADER]: String(part) }) },
    items: count,
  }));
  return { records, refused: items.length - accepted };
};

/** null: something in the batch cannot be written (a getter that throws, a value nested without end). */
const serializedOf = <T>(
  items: readonly T[],
  serialize: (items: readonly T[]) => Uint8Array | undefined,
): Uint8Array | null => {
  try {
    return serialize(items) ?? null;
  } catch {
    return null;
  }
};
