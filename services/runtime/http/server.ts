import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError, TransportError } from '../errors.ts';

/** A request line and its headers must be here by then, the whole request by the second: slow senders hold a socket. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than the 60 s at which common load balancers give idle connections up, so that they close first. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const CONNECTIONS_MAX = 4096;
/** How long a refused sender may go on talking so that it reads the answer instead of a connection reset. */
const LINGER_MS = 2_000;

/** How often idle connections are looked for during drain. */
const SWEEP_MS = 20;

export interface HttpServerSettings {
  readonly host: string;
  readonly port: number;
  /** The config key that changes the port; named when it is taken. */
  readonly portKey: string;
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
}

export interface HttpServer {
  /** Throws ConfigError when the port is taken or the address is not ours. */
  readonly listen: () => Promise<void>;
  readonly port: () => number;
  /** Takes no new connections, lets open requests finish, cuts what is left after `deadlineMs`. Idempotent. */
  readonly drain: (deadlineMs: number) => Promise<void>;
}

/** A node:http server with time-outs against slow senders, and a bounded number of connections. */
export const createHttpServer = (settings: HttpServerSettings): HttpServer => {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: 2_000,
    },
    settings.listener,
  );
  server.on('checkContinue', settings.listener); // the body reader asks for the body once its length is known
  server.maxConnections = CONNECTIONS_MAX;
  let port = settings.port;
  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', (cause) => reject(listenError(settings, cause)));
        server.listen(settings.port, settings.host, () => {
          port = portOf(server.address(), settings.port);
          resolve();
        });
      }),
    port: () => port,
    drain: (deadlineMs) =>
      new Promise((resolve) => {
        if (!server.listening) {
          resolve();
          return;
        }
        const cut = setTimeout(() => server.closeAllConnections(), deadlineMs);
        // A connection kept alive becomes idle when its open request was answered; nothing closes it by itself.
        const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
        server.close(() => {
          clearTimeout(cut);
          clearInterval(sweep);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
};

/** The port a listening server was given. */
export const portOf = (address: string | AddressInfo | null, fallback: number): number =>
  address !== null && typeof address === 'object' ? address.port : fallback;

/** What a server that could not listen says: the config key when it is a person's to mend. */
export const listenError = (
  { host, port, portKey }: Pick<HttpServerSettings, 'host' | 'port' | 'portKey'>,
  cause: Error,
): Error => {
  const code = 'code' in cause ? cause.code : '';
  if (code === 'EADDRINUSE')
    return new ConfigError([{ key: portKey, value: `${port} (in use)`, allowed: 'a free port' }]);
  if (code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND') {
    return new ConfigError([{ key: portKey, value: `${host}:${port}`, allowed: 'an address and port we may bind' }]);
  }
  return new TransportError('HTTP_UNAVAILABLE', `cannot listen on ${host}:${port}`, { retryable: false, cause });
};

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Writes a whole answer. */
export const writeAnswer = (response: ServerResponse, answer: HttpAnswer): void => {
  response.writeHead(answer.status, { ...answer.headers, 'content-length': String(answer.body.length) });
  response.end(answer.body);
};

/**
 * Answers a request whose body is not wanted, then closes. The answer goes out at once; what the sender still
 * pushes is thrown away for a moment, because a closed socket would reset the connection before it reads the answer.
 */
export const writeAnswerAndClose = (request: IncomingMessage, response: ServerResponse, answer: HttpAnswer): void => {
  const headers = { ...answer.headers, 'content-length': String(answer.body.length), connection: 'close' };
  response.writeHead(answer.status, headers);
  response.write(answer.body);
  const close = (): void => {
    clearTimeout(timer);
    response.end(() => request.destroy());
  };
  const timer = setTimeout(close, LINGER_MS);
  request.once('end', close);
  request.once('close', close);
  request.resume();
};

/** Aborts after `ms`. */
export const deadlineSignal = (ms: number): AbortSignal => AbortSignal.timeout(ms);
