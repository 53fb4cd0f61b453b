import type { IncomingMessage } from 'node:http';
import type { OtlpEncoding } from '../../schemas/otlp/decode.ts';
import { isTimeShift, TENANT_HEADER, TIME_SHIFT_HEADER } from '../../schemas/tenant.ts';
import type { Access, Caller } from '../runtime/access.ts';
import { CONTENT_ENCODINGS, type ContentEncoding } from '../runtime/http/body.ts';
import { tenantOf } from '../runtime/http/tenant.ts';
import { type Answer, type ExportSignal, failed } from './answers.ts';
import { encodingOfContentType, type SenderFacts } from './export-request.ts';

/** What is known of a request once its head was read. */
export interface Head extends SenderFacts {
  readonly signal: ExportSignal;
  readonly encoding: OtlpEncoding;
  readonly compression: ContentEncoding;
}

export type HeadOutcome =
  | { readonly kind: 'head'; readonly head: Head }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** Judges a request by its head, before a byte of its body is read. Errors in an unknown encoding are JSON. */
export const headOf = (request: IncomingMessage, signal: ExportSignal | null, access: Access): HeadOutcome => {
  const { headers } = request;
  const encoding = encodingOfContentType(headers['content-type'] ?? '');
  const refuse = (status: number, detail: string): HeadOutcome => {
    const answer = failed(encoding ?? 'json', status, detail);
    const extra = status === 405 ? { allow: 'POST' } : status === 401 ? { 'www-authenticate': 'Bearer' } : {};
    return { kind: 'refused', answer: { ...answer, headers: { ...answer.headers, ...extra } } };
  };
  const decision = access.decide({ headers, remoteAddress: request.socket.remoteAddress ?? '', needs: 'ingest' });
  if (decision.kind === 'denied') return refuse(decision.status, decision.detail);
  if (signal === null) return refuse(404, 'OTLP is taken at /v1/traces, /v1/logs and /v1/metrics');
  if (request.method !== 'POST') return refuse(405, 'OTLP is sent with POST');
  if (encoding === null) return refuse(415, 'Content-Type must be application/x-protobuf or application/json');
  const compression = compressionOf(headers['content-encoding']);
  if (compression === null) return refuse(415, `Content-Encoding must be one of ${CONTENT_ENCODINGS.join(', ')}`);
  const timeShiftMs = String(headers[TIME_SHIFT_HEADER] ?? '');
  if (timeShiftMs !== '' && !isTimeShift(timeShiftMs))
    return refuse(400, `${TIME_SHIFT_HEADER} must be whole milliseconds`);
  return withTenant(headers[TENANT_HEADER], decision.caller, refuse, { signal, encoding, compression, timeShiftMs });
};

const withTenant = (
  header: string | string[] | undefined,
  caller: Caller,
  refuse: (status: number, detail: string) => HeadOutcome,
  rest: Omit<Head, 'tenant' | 'vantage'>,
): HeadOutcome => {
  const decision = tenantOf(header, caller);
  if (decision.kind === 'denied') return refuse(decision.status, decision.detail);
  return { kind: 'head', head: { ...rest, tenant: decision.tenant, vantage: caller.vantage } };
};

const compressionOf = (header: string | undefined): ContentEncoding | null => {
  const name = (header ?? '').trim().toLowerCase() || 'identity';
  return CONTENT_ENCODINGS.find((known) => known === name) ?? null;
};
