import type { FastifyInstance } from 'fastify';
import type { ApiContext } from './deps.ts';
import { callerOf, sendProblem } from './http.ts';
import { openApiOf } from './openapi.ts';
import { problem } from './problem.ts';
import { apiRoutes } from './routes/registry.ts';

/** Version of the API described; raised with each change a caller can see. */
const API_VERSION = '1.0.0';

/** The JSON API below /api/v1, its description, and the health and metrics a machine asks for. */
export const apiPlugin = async (app: FastifyInstance, options: { readonly context: ApiContext }): Promise<void> => {
  const { context } = options;
  for (const route of apiRoutes) {
    app.route({
      method: route.method,
      url: `/api/v1${route.path}`,
      handler: async (request, reply) => {
        const caller = callerOf(request, context, route.needs);
        const answer = await route.run(
          { caller, headers: request.headers, params: request.params, query: request.query, body: request.body },
          context,
        );
        reply.code(answer.status).headers({ 'cache-control': 'no-store', ...answer.headers });
        return typeof answer.body === 'string'
          ? reply.send(answer.body)
          : reply.type('application/json').send(JSON.stringify(answer.body));
      },
    });
  }
  const description = JSON.stringify(openApiOf(apiRoutes, API_VERSION));
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json').send(description));
  app.all('/api/*', async (request, reply) =>
    sendProblem(
      reply,
      problem(404, `${request.method} ${request.url.split('?')[0]} is not a route; see /openapi.json`).problem,
    ),
  );
  registerHealth(app, context);
};

const registerHealth = (app: FastifyInstance, context: ApiContext): void => {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const checks = await readiness(context);
    const isReady = checks.every((check) => check.state === 'ok' || check.state === 'degraded');
    return reply
      .code(isReady ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ status: isReady ? 'ready' : 'starting', checks });
  });
  app.get('/metrics', async (request, reply) => {
    callerOf(request, context, 'read');
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await context.metrics.expose());
  });
};

export interface Check {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
}

/** The store, the event log and every service of this process: may questions be asked yet? */
export const readiness = async (context: ApiContext): Promise<readonly Check[]> => {
  const ping = async (name: string, target: { readonly ping: () => Promise<void> }): Promise<Check> => {
    try {
      await target.ping();
      return { name, state: 'ok', detail: '' };
    } catch (error) {
      return { name, state: 'starting', detail: error instanceof Error ? error.message : String(error) };
    }
  };
  const ports = await Promise.all([ping('store', context.store), ping('event log', context.log)]);
  const services = context.pipeline().services.map(({ service, state, detail }) => ({ name: service, state, detail }));
  return [...ports, ...services];
};
