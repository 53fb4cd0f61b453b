import {
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type BodyLimits, type BodyOutcome, CONTENT_ENCODINGS, type ContentEncoding } from '../http/body.ts';
import { listenError, portOf } from '../http/server.ts';
import { frameMessage, readMessage } from './message.ts';

/** gRPC status codes this house answers with (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** Calls open on one connection: what RFC 9113 recommends as the least. A stock exporter has one. */
const STREAMS_MAX = 100;
/** As many connections as the HTTP door takes. */
const CONNECTIONS_MAX = 4096;
/** A whole message must be here by then, as over HTTP. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Connections are asked this often whether somebody is there; one that did not answer the last time is cut. */
const KEEPALIVE_MS = 60_000;
/** The default of 64 KiB costs a round trip for each 64 KiB of a batch. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const SESSION_WINDOW_BYTES = 4 * 1024 * 1024;
/** grpc-message in UTF-8; clients take 8 KiB of metadata in all, and each byte may need three. */
const MESSAGE_BYTES_MAX = 1_000;

const CONTENT_TYPE = 'application/grpc';
const ACCEPT_ENCODING = CONTENT_ENCODINGS.join(',');

/** The end of a call. */
export interface GrpcReply {
  readonly status: number;
  /** '' when there is nothing to say. */
  readonly message: string;
  /** Trailing metadata; values of names that end in `-bin` are base64 already. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The message of the answer; null: a status alone. */
  readonly body: Uint8Array | null;
}

/** A unary call whose metadata is here and whose message is not. */
export interface GrpcCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Metadata, names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
  /** Reads the message; not before this is any of it kept. */
  readonly read: (encoding: ContentEncoding, limits: BodyLimits) => Promise<BodyOutcome>;
  /** Ends the call; nothing happens when the caller is gone already. */
  readonly reply: (reply: GrpcReply) => void;
  /** Cuts the call without an answer. */
  readonly destroy: () => void;
}

export interface GrpcServerSettings {
  readonly host: string;
  readonly port: number;
  /** The config key that changes the port; named when it is taken. */
  readonly portKey: string;
  readonly listener: (call: GrpcCall) => void;
  readonly requestTimeoutMs?: number;
  readonly keepAliveMs?: number;
}

export interface GrpcServer {
  /** Throws ConfigError when the port is taken or the address is not ours. */
  readonly listen: () => Promise<void>;
  readonly port: () => number;
  /** Takes no new calls, lets open ones finish, cuts what is left after `deadlineMs`. Idempotent. */
  readonly drain: (deadlineMs: number) => Promise<void>;
}

/**
 * Unary gRPC over node:http2 without TLS (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Why not
 * @grpc/grpc-js: it buffers whole messages before any code of ours is asked, so that one connection of open calls can
 * hold gigabytes; here each chunk is admitted or refused as it comes, by the same reader as HTTP bodies.
 */
export const createGrpcServer = (settings: GrpcServerSettings): GrpcServer => {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer({
    settings: {
      maxConcurrentStreams: STREAMS_MAX,
      initialWindowSize: STREAM_WINDOW_BYTES,
      enablePush: false,
    },
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on('session', (session) => {
    sessions.add(session);
    session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    // What a peer does wrong ends its own connection; there is nobody to tell.
    session.on('error', () => undefined);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined); // 'close' follows and ends the call
    if (isGrpc(stream, headers)) settings.listener(callOf(stream, headers, settings));
  });
  let port = settings.port;
  let stopAsking = (): void => undefined;
  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', (cause) => reject(listenError(settings, cause)));
        server.listen(settings.port, settings.host, () => {
          port = portOf(server.address(), settings.port);
          stopAsking = askWhoIsThere(sessions, settings.keepAliveMs ?? KEEPALIVE_MS);
          resolve();
        });
      }),
    port: () => port,
    drain: async (deadlineMs) => {
      stopAsking();
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const session of sessions) session.close();
      const cut = setTimeout(() => {
        for (const session of sessions) session.destroy();
      }, deadlineMs);
      await closed;
      clearTimeout(cut);
    },
  };
};

/** Pings every connection, and cuts those that left the last ping unanswered: their peer went without a word. */
const askWhoIsThere = (sessions: ReadonlySet<ServerHttp2Session>, everyMs: number): (() => void) => {
  const unanswered = new WeakSet<ServerHttp2Session>();
  const timer = setInterval(() => {
    for (const session of sessions) {
      if (session.destroyed) continue;
      if (unanswered.has(session)) {
        session.destroy();
        continue;
      }
      unanswered.add(session);
      session.ping((error) => {
        if (error === null) unanswered.delete(session);
      });
    }
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
};

/** Requests that are not gRPC get an HTTP status, as the protocol asks; true when the request is gRPC. */
const isGrpc = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean => {
  const isPost = headers[':method'] === 'POST';
  if (isPost && /^application\/grpc(\+proto)?(\s*;|$)/i.test(headers['content-type'] ?? '')) return true;
  stream.respond(
    { ':status': isPost ? 415 : 405, ...(isPost ? {} : { allow: 'POST' }), 'content-type': 'text/plain' },
    { endStream: false },
  );
  stream.end('This port takes OTLP/gRPC. OTLP/HTTP has a port of its own.\n');
  letGo(stream);
  return false;
};

const callOf = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, settings: GrpcServerSettings): GrpcCall => {
  const reply = (end: GrpcReply): void => {
    if (stream.destroyed || stream.closed || stream.headersSent) return;
    const trailers = trailersOf(end);
    const head = { ':status': 200, 'content-type': CONTENT_TYPE, 'grpc-accept-encoding': ACCEPT_ENCODING };
    if (end.body === null) stream.respond({ ...head, ...trailers }, { endStream: true });
    else {
      stream.once('wantTrailers', () => stream.sendTrailers(trailers));
      stream.respond(head, { waitForTrailers: true });
      stream.end(frameMessage(end.body));
    }
    letGo(stream);
  };
  return {
    path: headers[':path'] ?? '',
    headers,
    remoteAddress: stream.session?.socket.remoteAddress ?? '',
    read: async (encoding, limits) => {
      const late = setTimeout(() => {
        const message = 'the message did not arrive in time';
        reply({ status: GRPC_STATUS.DEADLINE_EXCEEDED, message, metadata: {}, body: null });
      }, settings.requestTimeoutMs ?? REQUEST_TIMEOUT_MS);
      const outcome = await readMessage(stream, encoding, limits);
      clearTimeout(late);
      // A connection that breaks also ends the stream: what is not whole then was not sent so, its sender is gone.
      return outcome.kind === 'refused' && stream.aborted ? { kind: 'gone' } : outcome;
    },
    reply,
    destroy: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  };
};

/** A sender that still pushes is told to stop, without blame (RFC 9113, 8.1); what is on its way is thrown away. */
const letGo = (stream: ServerHttp2Stream): void => {
  if (stream.readableEnded) return;
  stream.resume();
  stream.close(constants.NGHTTP2_NO_ERROR);
};

const trailersOf = ({ status, message, metadata }: GrpcReply): Record<string, string> => ({
  'grpc-status': String(status),
  ...(message === '' ? {} : { 'grpc-message': percentEncoded(message) }),
  ...metadata,
});

/** The text cut to what clients take of metadata, in whole characters. */
export const cutMessage = (message: string): string => {
  const bytes = Buffer.from(message.slice(0, MESSAGE_BYTES_MAX));
  if (bytes.length <= MESSAGE_BYTES_MAX) return bytes.toString();
  return bytes.subarray(0, MESSAGE_BYTES_MAX).toString().replace(/�+$/u, '');
};

/** Bytes of UTF-8 but for space to ~ without %, each as %XX. */
const percentEncoded = (message: string): string => {
  let out = '';
  for (const byte of Buffer.from(cutMessage(message)))
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
};
