import type { OtlpEncoding } from '../../schemas/otlp/decode.ts';
import type { OtlpRefusal } from '../../schemas/otlp/types.ts';
import { WireWriter } from '../../schemas/otlp/wire-writer.ts';

/** What goes back to the sender. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type ExportSignal = 'spans' | 'logs' | 'metrics';

/** HTTP status → google.rpc.Code (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto). */
const RPC_CODES: ReadonlyMap<number, number> = new Map([
  [400, 3], // INVALID_ARGUMENT
  [401, 16], // UNAUTHENTICATED
  [403, 7], // PERMISSION_DENIED
  [404, 5], // NOT_FOUND
  [405, 12], // UNIMPLEMENTED
  [413, 3], // INVALID_ARGUMENT: RESOURCE_EXHAUSTED would invite a retry
  [415, 12], // UNIMPLEMENTED
  [500, 13], // INTERNAL
  [503, 14], // UNAVAILABLE
]);
const RPC_UNKNOWN = 2;

const CONTENT_TYPES: Readonly<Record<OtlpEncoding, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

/** JSON names of the rejected count in Export…PartialSuccess. */
const REJECTED: Readonly<Record<ExportSignal, string>> = {
  spans: 'rejectedSpans',
  logs: 'rejectedLogRecords',
  metrics: 'rejectedDataPoints',
};

/** Refusals spelled out in one answer; the rest is a count. */
const REFUSALS_TOLD_MAX = 5;

/** What is wrong with the refused items, in one text. */
export const refusalsText = (refusals: readonly OtlpRefusal[]): string => {
  const told = refusals
    .slice(0, REFUSALS_TOLD_MAX)
    .map(({ index, reason, detail }) => `item ${index}: ${reason}: ${detail}`);
  const rest = refusals.length - told.length;
  return told.join('; ') + (rest > 0 ? `; and ${rest} more` : '');
};

/** Export…ServiceResponse: empty when all was taken, else with partial_success (rejected 1, error_message 2). */
export const exported = (
  encoding: OtlpEncoding,
  signal: ExportSignal,
  refusals: readonly OtlpRefusal[],
  headers: Readonly<Record<string, string>> = {},
): Answer => {
  const isPartial = refusals.length > 0;
  const errorMessage = refusalsText(refusals);
  if (encoding === 'json') {
    const partialSuccess = { [REJECTED[signal]]: String(refusals.length), errorMessage };
    return answer(200, encoding, jsonBytes(isPartial ? { partialSuccess } : {}), headers);
  }
  const out = new WireWriter(64);
  if (isPartial) {
    const mark = out.open(1);
    out.tag(1, 0);
    out.varint(refusals.length);
    out.string(2, errorMessage);
    out.close(mark);
  }
  return answer(200, encoding, out.finish(), headers);
};

/** google.rpc.Status (code 1, message 2) with its HTTP status. */
export const failed = (encoding: OtlpEncoding, status: number, message: string): Answer =>
  answer(status, encoding, statusBytes(encoding, status, message, null), {});

/** 503: the sender keeps the data and sends it again after `retrySeconds` (Retry-After, google.rpc.RetryInfo). */
export const overloaded = (encoding: OtlpEncoding, message: string, retrySeconds: number): Answer =>
  answer(503, encoding, statusBytes(encoding, 503, message, retrySeconds), { 'retry-after': String(retrySeconds) });

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

const statusBytes = (
  encoding: OtlpEncoding,
  status: number,
  message: string,
  retrySeconds: number | null,
): Uint8Array => {
  const code = RPC_CODES.get(status) ?? RPC_UNKNOWN;
  if (encoding === 'json') {
    const details = retrySeconds === null ? [] : [{ '@type': RETRY_INFO, retryDelay: `${retrySeconds}s` }];
    return jsonBytes(details.length === 0 ? { code, message } : { code, message, details });
  }
  const out = new WireWriter(64 + message.length);
  out.tag(1, 0);
  out.varint(code);
  out.string(2, message);
  if (retrySeconds !== null) {
    const any = out.open(3);
    out.string(1, RETRY_INFO);
    const info = out.open(2);
    const delay = out.open(1);
    out.tag(1, 0);
    out.varint(retrySeconds);
    out.close(delay);
    out.close(info);
    out.close(any);
  }
  return out.finish();
};

const jsonBytes = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));

const answer = (
  status: number,
  encoding: OtlpEncoding,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Answer => ({ status, headers: { ...headers, 'content-type': CONTENT_TYPES[encoding] }, body });
