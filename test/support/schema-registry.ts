import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a registry was asked. */
export interface RegistryRequest {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly schema: string;
}

export interface TestRegistry {
  readonly url: string;
  readonly requests: readonly RegistryRequest[];
  readonly close: () => Promise<void>;
}

/**
 * Answers as Confluent's Schema Registry documents it (API reference, subjects); the first `failures` requests with 503.
 * No registry can be installed from the registries of packages alone: this follows its published interface.
 */
export const startTestRegistry = async (id: number, failures: number): Promise<TestRegistry> => {
  const requests: RegistryRequest[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString('utf8');
    });
    request.on('end', () => {
      const { schema }: { readonly schema: string } = JSON.parse(body);
      requests.push({ path: request.url ?? '', authorization: request.headers.authorization, schema });
      const isAway = requests.length <= failures;
      response.writeHead(isAway ? 503 : 200, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
      response.end(JSON.stringify(isAway ? { error_code: 50_003, message: 'no primary' } : { id }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
};
