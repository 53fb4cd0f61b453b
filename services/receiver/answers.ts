import type { OtlpRefusal } from '../../schemas/otlp/types.ts';
import { WireWriter } from '../../schemas/otlp/wire-writer.ts';
import { GRPC_STATUS } from '../runtime/grpc/server.ts';

export type ExportSignal = 'spans' | 'logs' | 'metrics';

/** Every way to say no, with what it is called over HTTP and in google.rpc.Status, which both transports carry. */
export const REFUSALS = {
  malformed: { httpStatus: 400, rpcCode: GRPC_STATUS.INVALID_ARGUMENT },
  unauthenticated: { httpStatus: 401, rpcCode: GRPC_STATUS.UNAUTHENTICATED },
  forbidden: { httpStatus: 403, rpcCode: GRPC_STATUS.PERMISSION_DENIED },
  not_found: { httpStatus: 404, rpcCode: GRPC_STATUS.NOT_FOUND },
  not_a_post: { httpStatus: 405, rpcCode: GRPC_STATUS.UNIMPLEMENTED },
  /** RESOURCE_EXHAUSTED would invite senders that know no RetryInfo to try again. */
  too_large: { httpStatus: 413, rpcCode: GRPC_STATUS.INVALID_ARGUMENT },
  unsupported: { httpStatus: 415, rpcCode: GRPC_STATUS.UNIMPLEMENTED },
  internal: { httpStatus: 500, rpcCode: GRPC_STATUS.INTERNAL },
  unavailable: { httpStatus: 503, rpcCode: GRPC_STATUS.UNAVAILABLE },
} as const;
export type RefusalKind = keyof typeof REFUSALS;

/** No, decided once: each transport writes it in its own words. */
export interface Refusal {
  readonly kind: 'refused';
  readonly why: RefusalKind;
  readonly message: string;
  /** The sender keeps the data and sends it again after this; null: sending it again would not help. */
  readonly retrySeconds: number | null;
}

/** Taken, but for the items refused. */
export interface Exported {
  readonly kind: 'exported';
  readonly signal: ExportSignal;
  readonly refusals: readonly OtlpRefusal[];
  /** What the sender ought to know though all was taken; '' for nothing. OTLP: a partial success that rejects none. */
  readonly hint: string;
  /** Where the records came to stand (`positionText`); '' when none were written. */
  readonly position: string;
}

/** What goes back to the sender, whatever the transport. */
export type Answer = Exported | Refusal;

/** Metadata or header of the answer that says where the records came to stand. */
export const POSITION_HEADER = 'x-tacho-position';

/** A no for good. */
export const refusal = (why: RefusalKind, message: string): Refusal => ({
  kind: 'refused',
  why,
  message,
  retrySeconds: null,
});

/** The kind of a decision that was made in HTTP terms. */
export const kindOfStatus = (status: 400 | 401 | 403): RefusalKind =>
  status === 400 ? 'malformed' : status === 401 ? 'unauthenticated' : 'forbidden';

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
export const exportedBytes = ({ refusals, hint }: Exported): Uint8Array => {
  const out = new WireWriter(64);
  if (refusals.length > 0 || hint !== '') {
    const mark = out.open(1);
    if (refusals.length > 0) {
      out.tag(1, 0);
      out.varint(refusals.length);
    }
    out.string(2, refusals.length > 0 ? refusalsText(refusals) : hint);
    out.close(mark);
  }
  return out.finish();
};

/** Type of the one detail a refusal may carry. */
export const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/** google.rpc.Status (code 1, message 2, details 3) with google.rpc.RetryInfo when the sender shall come back. */
export const statusBytes = ({ why, message, retrySeconds }: Refusal): Uint8Array => {
  const out = new WireWriter(64 + message.length);
  out.tag(1, 0);
  out.varint(REFUSALS[why].rpcCode);
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
