import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** One request that reached the server, whole. */
export interface Hit {
  readonly path: string;
  readonly key: string;
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
  /** What the server did about it: an answer's status, or 0 when it gave none. */
  readonly status: number;
}

/** What a path does with its n-th request (from 1); resolves to the status it answered, 0 for none. */
export type Behaviour = (response: ServerResponse, nth: number) => Promise<number>;

export interface HookServer {
  readonly url: (path: string) => string;
  readonly hits: readonly Hit[];
  readonly at: (path: string) => readonly Hit[];
  readonly close: () => Promise<void>;
}

/** A server of sinks that lives longer than what is tested; each path behaves as told, unknown ones take everything. */
export const startHooks = async (behaviours: Readonly<Record<string, Behaviour>>): Promise<HookServer> => {
  const hits: Hit[] = [];
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      const nth = (counts.get(path) ?? 0) + 1;
      counts.set(path, nth);
      const told = (behaviours[path] ?? takes)(response, nth);
      void told.then((status) =>
        hits.push({
          path,
          key: String(request.headers['idempotency-key']),
          text: Buffer.concat(chunks).toString('utf8'),
          headers: request.headers,
          status,
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: (path) => `http://127.0.0.1:${address.port}${path}`,
    hits,
    at: (path) => hits.filter((hit) => hit.path === path),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

/** Answers 204. */
export const takes: Behaviour = async (response) => {
  response.writeHead(204).end();
  return 204;
};
