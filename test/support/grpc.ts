import { connect } from 'node:http2';
import { Client, type ClientOptions, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import { parse } from 'protobufjs';

/** Independent of the receiver's own writer: the two messages as googleapis declares them. */
const rpc = parse(`
  syntax = "proto3";
  package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message RetryInfo { Duration retry_delay = 1; }
  message PartialSuccess { int64 rejected = 1; string error_message = 2; }
  message ExportResponse { PartialSuccess partial_success = 1; }
`).root;
const decodeAs = (type: string, bytes: Uint8Array): unknown =>
  rpc.lookupType(`google.rpc.${type}`).toObject(rpc.lookupType(`google.rpc.${type}`).decode(bytes), { longs: Number });

export const PATHS = {
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
} as const;

/** What a client learns of a call. */
export interface GrpcAnswer {
  readonly code: number;
  readonly message: string;
  /** Export…ServiceResponse; null without one. */
  readonly response: { readonly partialSuccess?: { readonly rejected: number; readonly errorMessage: string } } | null;
  /** x-tacho-position of the trailing metadata; '' without. */
  readonly position: string;
  /** google.rpc.Status; null without. */
  readonly status: { readonly code: number; readonly message: string } | null;
  /** google.rpc.RetryInfo of it; null without. */
  readonly retrySeconds: number | null;
}

const answerOf = (status: StatusObject, body: Buffer | null): GrpcAnswer => {
  const [bin] = status.metadata.get('grpc-status-details-bin');
  const decoded = Buffer.isBuffer(bin) ? (decodeAs('Status', bin) as StatusMessage) : null;
  const [detail] = decoded?.details ?? [];
  if (detail !== undefined && detail.typeUrl !== 'type.googleapis.com/google.rpc.RetryInfo')
    throw new Error(`detail ${detail.typeUrl}`);
  const retry = detail === undefined ? null : (decodeAs('RetryInfo', detail.value) as RetryInfoMessage);
  return {
    code: status.code,
    message: status.details,
    response: body === null ? null : (decodeAs('ExportResponse', body) as GrpcAnswer['response']),
    position: String(status.metadata.get('x-tacho-position')[0] ?? ''),
    status: decoded === null ? null : { code: decoded.code, message: decoded.message },
    retrySeconds: retry === null ? null : retry.retryDelay.seconds,
  };
};

interface StatusMessage {
  readonly code: number;
  readonly message: string;
  readonly details?: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
}
interface RetryInfoMessage {
  readonly retryDelay: { readonly seconds: number };
}

/** A client of grpc-js that sends bytes as they are. */
export interface GrpcClient {
  readonly call: (path: string, body: Uint8Array, metadata?: Readonly<Record<string, string>>) => Promise<GrpcAnswer>;
  /** A call that is cancelled by its sender once `when` resolves. */
  readonly cancelled: (path: string, body: Uint8Array, when: Promise<unknown>) => Promise<GrpcAnswer>;
  readonly close: () => void;
}

/** `compression`: 1 deflate, 2 gzip, as grpc-js numbers them. */
export const grpcClient = (address: string, options: ClientOptions = {}): GrpcClient => {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
    // grpc-js shares connections between clients of one address unless told not to.
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  });
  const asIs = (bytes: Buffer): Buffer => bytes;
  const start = (path: string, body: Uint8Array, metadata: Readonly<Record<string, string>>) => {
    const meta = new Metadata();
    for (const [name, value] of Object.entries(metadata)) meta.set(name, value);
    const { promise, resolve } = Promise.withResolvers<GrpcAnswer>();
    let received: Buffer | null = null;
    const call = client.makeUnaryRequest(path, asIs, asIs, Buffer.from(body), meta, {}, (_, value) => {
      received = value ?? null;
    });
    // The callback of a good call comes after its status.
    call.on('status', (status) => setImmediate(() => resolve(answerOf(status, received))));
    return { call, promise };
  };
  return {
    call: (path, body, metadata = {}) => start(path, body, metadata).promise,
    cancelled: async (path, body, when) => {
      const { call, promise } = start(path, body, {});
      await when;
      call.cancel();
      return promise;
    },
    close: () => client.close(),
  };
};

/** One length-prefixed message. */
export const frame = (message: Uint8Array, isCompressed = false): Buffer => {
  const head = Buffer.alloc(5);
  head[0] = isCompressed ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

export interface RawCall {
  readonly headers?: Readonly<Record<string, string>>;
  /** What goes over the wire after the headers. */
  readonly chunks?: readonly Uint8Array[];
  /** False leaves the stream half-open. */
  readonly isEnded?: boolean;
}

/** What came back, headers and trailers in one. */
export interface RawAnswer {
  readonly fields: Readonly<Record<string, string>>;
  /** RST_STREAM code; 0 for a stream that ended well. */
  readonly rstCode: number;
  readonly text: string;
}

/** Calls over one HTTP/2 connection, byte by byte as a test wants them. */
export const rawConnection = (port: number) => {
  // Node holds a client to 10 MB of its own unsent bytes and 64 KiB of headers: too tame for what is tried here.
  const limits = { maxSendHeaderBlockLength: 1024 * 1024, maxSessionMemory: 4000 };
  const session = connect(`http://127.0.0.1:${port}`, limits);
  session.on('error', () => undefined);
  const call = ({ headers = {}, chunks = [], isEnded = true }: RawCall): Promise<RawAnswer> =>
    new Promise((resolve) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': PATHS.traces,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      const fields: Record<string, string> = {};
      const take = (block: object): void => {
        for (const [name, value] of Object.entries(block)) fields[name] = String(value);
      };
      let text = '';
      stream.on('response', take);
      stream.on('trailers', take);
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
      });
      stream.on('error', () => undefined);
      stream.once('close', () => resolve({ fields, rstCode: stream.rstCode ?? 0, text }));
      for (const chunk of chunks) stream.write(chunk);
      if (isEnded) stream.end();
    });
  return { session, call };
};
