import Fastify, { type FastifyInstance } from 'fastify';
import { assert, ConfigError } from '../runtime/errors.ts';
import type { Health, Service } from '../runtime/ports.ts';
import { apiPlugin } from './api-plugin.ts';
import { consolePlugin } from './console/plugin.ts';
import { createControlFeed } from './control-feed.ts';
import type { ApiDeps, ApiParts, ApiSettings } from './deps.ts';
import { registerHttp } from './http.ts';

/** Largest body taken: action events come in arrays of small ones; OTLP has its own door. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Slowest request header and body that is waited for. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface ApiService extends Service {
  /** Where it listens; throws InvariantError before `start`. */
  readonly address: () => { readonly port: number };
}

/** The server without a socket: what `inject()` tests drive and `createApi` listens with. */
export const buildApi = (parts: ApiParts): FastifyInstance => {
  const context = { ...parts, controls: createControlFeed(parts) };
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    trustProxy: false,
    routerOptions: { maxParamLength: 600 },
  });
  app.addHook('onClose', () => context.controls.close());
  registerHttp(app, context);
  app.register(apiPlugin, { context });
  app.register(consolePlugin, { context });
  return app;
};

/**
 * The query API and the console. `start` listens at once, before the store is ready: pages say so and wait. Throws
 * ConfigError naming the key when the port is taken.
 */
export const createApi = (settings: ApiSettings, deps: ApiDeps): ApiService => {
  const app = buildApi({ ...deps, settings });
  let health: Health = { state: 'starting', detail: 'not started' };
  return {
    name: 'api',
    start: async () => {
      try {
        await app.listen({ host: settings.host, port: settings.port });
      } catch (cause) {
        throw listenError(settings, cause);
      }
      health = { state: 'ok', detail: '' };
    },
    health: () => health,
    drain: async () => {
      if (health.state === 'stopped') return;
      health = { state: 'stopped', detail: 'drained' };
      await app.close();
    },
    address: () => {
      const found = app.server.address();
      assert(typeof found === 'object' && found !== null, 'address() needs a started api');
      return { port: found.port };
    },
  };
};

/** Why nothing listens, as a problem of the config where it is one. */
const listenError = ({ host, port }: ApiSettings, cause: unknown): unknown => {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : '';
  const key = 'api.port (TACHO_API_PORT)';
  if (code === 'EADDRINUSE') return new ConfigError([{ key, value: `${port} (in use)`, allowed: 'a free port' }]);
  if (code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND')
    return new ConfigError([{ key, value: `${host}:${port}`, allowed: 'an address and port we may bind' }]);
  return cause;
};
