import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { OtlpEncoding } from '../../schemas/otlp/decode.ts';
import { isTimeShift, TENANT_HEADER, TIME_SHIFT_HEADER } from '../../schemas/tenant.ts';
import type { Access, Caller } from '../runtime/access.ts';
import type { GrpcCall } from '../runtime/grpc/server.ts';
import { CONTENT_ENCODINGS, type ContentEncoding } from '../runtime/http/body.ts';
import { tenantOf } from '../runtime/http/tenant.ts';
import { type ExportSignal, kindOfStatus, type Refusal, refusal } from './answers.ts';
import { type BodyFormat, encodingOfContentType, type Route, type SenderFacts } from './export-request.ts';

/** What is known of a request once its head was read. */
export interface Head extends SenderFacts {
  readonly kind: 'head';
  readonly signal: ExportSignal;
  readonly format: BodyFormat;
  readonly encoding: OtlpEncoding;
  readonly compression: ContentEncoding;
}

/** Judges an HTTP request by its head, before a byte of its body is read. */
export const httpHeadOf = (request: IncomingMessage, route: Route | null, access: Access): Head | Refusal => {
  const { headers } = request;
  const caller = httpCallerOf(request, route, access);
  if (caller.kind === 'refused') return caller;
  if (route === null) return refusal('not_found', 'OTLP is taken at /v1/traces, /v1/logs and /v1/metrics');
  if (request.method !== 'POST') return refusal('not_a_post', 'OTLP is sent with POST');
  const encoding = encodingOfContentType(headers['content-type'] ?? '');
  if (encoding === null)
    return refusal('unsupported', 'Content-Type must be application/x-protobuf or application/json');
  if (route.format !== 'otlp' && encoding !== 'json')
    return refusal('unsupported', 'Content-Type must be application/json at this path');
  const compression = compressionOf('Content-Encoding', headers['content-encoding']);
  if (typeof compression !== 'string') return compression;
  return headOf(headers, caller.caller, { ...route, encoding, compression });
};

const METHODS: ReadonlyMap<string, ExportSignal> = new Map([
  ['/opentelemetry.proto.collector.trace.v1.TraceService/Export', 'spans'],
  ['/opentelemetry.proto.collector.logs.v1.LogsService/Export', 'logs'],
  ['/opentelemetry.proto.collector.metrics.v1.MetricsService/Export', 'metrics'],
]);

/** The signal of a gRPC method; null for those we do not have. */
export const signalOfMethod = (path: string): ExportSignal | null => METHODS.get(path) ?? null;

/** Judges a gRPC call by its metadata, before a byte of its message is read. */
export const grpcHeadOf = (call: GrpcCall, signal: ExportSignal | null, access: Access): Head | Refusal => {
  const { headers } = call;
  const caller = callerOf(headers, call.remoteAddress, access);
  if (caller.kind === 'refused') return caller;
  if (signal === null)
    return refusal('unsupported', 'the methods are Export of the TraceService, LogsService and MetricsService of OTLP');
  const compression = compressionOf('grpc-encoding', headers['grpc-encoding']);
  if (typeof compression !== 'string') return compression;
  return headOf(headers, caller.caller, { signal, format: 'otlp', encoding: 'protobuf', compression });
};

/**
 * The OpenAI Agents SDK sends its OpenAI key with every request and cannot be told not to. A key that is no token of ours
 * makes its sender nobody: taken where nobody needs a token, refused elsewhere.
 */
const httpCallerOf = (request: IncomingMessage, route: Route | null, access: Access): ReturnType<typeof callerOf> => {
  const { headers, socket } = request;
  const caller = callerOf(headers, socket.remoteAddress, access);
  const isUnknown = caller.kind === 'refused' && caller.why === 'unauthenticated';
  if (!isUnknown || route?.format !== 'openai-agents') return caller;
  const { authorization: _key, ...others } = headers;
  const nobody = callerOf(others, socket.remoteAddress, access);
  return nobody.kind === 'caller' ? nobody : caller;
};

const callerOf = (
  headers: IncomingHttpHeaders,
  remoteAddress: string | undefined,
  access: Access,
): { readonly kind: 'caller'; readonly caller: Caller } | Refusal => {
  const decision = access.decide({ headers, remoteAddress: remoteAddress ?? '', needs: 'ingest' });
  return decision.kind === 'caller' ? decision : refusal(kindOfStatus(decision.status), decision.detail);
};

/** What both transports say in headers of the same name. */
const headOf = (
  headers: IncomingHttpHeaders,
  caller: Caller,
  rest: Pick<Head, 'signal' | 'format' | 'encoding' | 'compression'>,
): Head | Refusal => {
  const timeShiftMs = String(headers[TIME_SHIFT_HEADER] ?? '');
  if (timeShiftMs !== '' && !isTimeShift(timeShiftMs))
    return refusal('malformed', `${TIME_SHIFT_HEADER} must be whole milliseconds`);
  const decision = tenantOf(headers[TENANT_HEADER], caller);
  if (decision.kind === 'denied') return refusal(kindOfStatus(decision.status), decision.detail);
  return { kind: 'head', ...rest, timeShiftMs, tenant: decision.tenant, vantage: caller.vantage };
};

const compressionOf = (name: string, header: string | string[] | undefined): ContentEncoding | Refusal => {
  const asked =
    String(header ?? '')
      .trim()
      .toLowerCase() || 'identity';
  const known = CONTENT_ENCODINGS.find((encoding) => encoding === asked);
  return known ?? refusal('unsupported', `${name} must be one of ${CONTENT_ENCODINGS.join(', ')}`);
};
