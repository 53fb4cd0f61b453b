import { createServer } from 'node:http';

/** One notification as it came in. */
export interface Received {
  readonly idempotencyKey: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly body: {
    readonly transition: string;
    readonly incident: { readonly incident_id: string; readonly source: string; readonly severity: string };
  };
}

/** A receiver of webhooks that outlives what it is told of. */
export interface Webhook {
  readonly url: string;
  readonly received: readonly Received[];
  /** Notifications of one source with one transition. */
  readonly of: (source: string, transition: string) => readonly Received[];
  readonly close: () => Promise<void>;
}

/** Listens on a free port of loopback and takes everything with 204. */
export const startWebhook = async (): Promise<Webhook> => {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const { headers } = request;
      received.push({ idempotencyKey: String(headers['idempotency-key']), headers, text, body: JSON.parse(text) });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    received,
    of: (source, transition) =>
      received.filter(({ body }) => body.incident.source === source && body.transition === transition),
    close: async () => new Promise((resolve) => server.close(() => resolve())),
  };
};
