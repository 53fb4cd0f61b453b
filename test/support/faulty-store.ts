import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** How the way to the store is: open, refused (connections are cut), mute (nothing is answered), or slow at each insert. */
export type StoreFault =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'mute' }
  | { readonly kind: 'slow'; readonly insertMs: number };

/** A ClickHouse behind a way that can be disturbed. */
export interface FaultyStore {
  readonly url: string;
  readonly set: (fault: StoreFault) => void;
  /** Inserts that were let through. */
  readonly inserts: () => number;
  readonly close: () => Promise<void>;
}

/** Stands before the ClickHouse at `target` and passes requests on as the fault says. */
export const startFaultyStore = async (target: string): Promise<FaultyStore> => {
  let fault: StoreFault = { kind: 'none' };
  let inserts = 0;
  const to = new URL(target);
  const mute = new Set<IncomingMessage>();

  const pass = (request: IncomingMessage, response: ServerResponse): void => {
    const { method, url: path, headers } = request;
    const onward = httpRequest({ host: to.hostname, port: to.port, method, path, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (fault.kind === 'refused') return void request.socket.destroy();
    if (fault.kind === 'mute') return void mute.add(request);
    if (/[?&]query=INSERT/i.test(request.url ?? '')) {
      inserts += 1;
      if (fault.kind === 'slow') await delay(fault.insertMs);
    }
    pass(request, response);
  };
  const server = createServer((request, response) => void serve(request, response));
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const cut = (): void => {
    server.closeAllConnections();
    mute.clear();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set: (wanted) => {
      fault = wanted;
      if (wanted.kind === 'refused') cut();
    },
    inserts: () => inserts,
    close: async () => {
      cut();
      await new Promise((done) => server.close(done));
    },
  };
};
