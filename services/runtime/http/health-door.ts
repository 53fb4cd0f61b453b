import type { IncomingMessage } from 'node:http';
import type { Access } from '../access.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock, Health, HealthState, Service } from '../ports.ts';
import { createHttpServer, type HttpAnswer, writeAnswer } from './server.ts';

/** What a look at one part of the process found. */
export interface HealthCheck {
  readonly name: string;
  readonly state: HealthState;
  /** One sentence with the reason when not ok. */
  readonly detail: string;
}

export interface HealthDoorSettings {
  readonly host: string;
  readonly port: number;
}

export interface HealthDoorDeps {
  readonly access: Access;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Looks at every part of the process. Must not throw. */
  readonly look: () => Promise<readonly HealthCheck[]>;
}

export interface HealthDoor extends Service {
  /** From now on /readyz says no, so that nobody is sent here any more. */
  readonly close: () => void;
}

/** A look asks the broker and the store: a crowd of probes, or a stranger's loop, must not become load on them. */
const LOOK_AGE_MS_MAX = 1_000;
/** A part that does not answer so soon is not ready; below the time-outs that probes commonly have (5 s). */
const LOOK_MS_MAX = 3_000;
const DRAIN_MS = 1_000;

/**
 * /healthz (the process answers), /readyz (it can do its work; 503 with the reasons when not) and /metrics (Prometheus,
 * for who may read) of a process that has no other door. Needs no credentials but for /metrics.
 */
export const createHealthDoor = (settings: HealthDoorSettings, deps: HealthDoorDeps): HealthDoor => {
  let isStopping = false;
  let isListening = false;
  let seen: { readonly atMs: number; readonly checks: Promise<readonly HealthCheck[]> } | null = null;

  const look = (): Promise<readonly HealthCheck[]> => {
    // A clock that was set back must not keep an old answer for as long.
    if (seen === null || Math.abs(deps.clock.nowMs() - seen.atMs) > LOOK_AGE_MS_MAX)
      seen = { atMs: deps.clock.nowMs(), checks: deps.look() };
    return seen.checks;
  };

  const ready = async (): Promise<HttpAnswer> => {
    if (isStopping) return json(503, { status: 'stopping', checks: [] });
    const checks = await look();
    const isReady = checks.every(({ state }) => state === 'ok' || state === 'degraded');
    return json(isReady ? 200 : 503, { status: isReady ? 'ready' : 'starting', checks });
  };

  const metrics = async (request: IncomingMessage): Promise<HttpAnswer> => {
    const remoteAddress = request.socket.remoteAddress ?? '';
    const decision = deps.access.decide({ headers: request.headers, remoteAddress, needs: 'read' });
    if (decision.kind === 'denied') return text(decision.status, `${decision.detail}\n`);
    return text(200, await deps.metrics.expose(), 'text/plain; version=0.0.4; charset=utf-8');
  };

  const answer = async (request: IncomingMessage): Promise<HttpAnswer> => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'GET or HEAD\n');
    switch (request.url) {
      case '/healthz':
        return json(200, { status: 'ok' });
      case '/readyz':
        return ready();
      case '/metrics':
        return metrics(request);
      default:
        return text(404, '/healthz, /readyz or /metrics\n');
    }
  };

  const server = createHttpServer({
    ...settings,
    portKey: 'health.port (TACHO_HEALTH_PORT)',
    listener: (request, response) => {
      answer(request).then(
        (found) => writeAnswer(response, found),
        () => response.destroy(),
      );
    },
  });

  return {
    name: 'health',
    start: async () => {
      await server.listen();
      isListening = true;
    },
    health: (): Health =>
      isListening && !isStopping ? { state: 'ok', detail: '' } : { state: 'stopped', detail: 'not listening' },
    close: () => {
      isStopping = true;
    },
    drain: () => {
      isStopping = true;
      return server.drain(DRAIN_MS);
    },
  };
};

/**
 * A look at one thing that can be asked whether it is there. Never throws, gives up after a while, and asks no second
 * time while a question is open: what does not answer must not collect questions.
 */
export const createPingCheck = (
  name: string,
  target: { readonly ping: () => Promise<void> },
  clock: Clock,
): (() => Promise<HealthCheck>) => {
  let asked: Promise<string> | null = null;
  const ask = async (): Promise<string> => {
    try {
      await target.ping();
      return '';
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      asked = null;
    }
  };
  return async () => {
    asked ??= ask();
    const answered = new AbortController();
    const late = clock.sleep(LOOK_MS_MAX, answered.signal).then(() => `no answer within ${LOOK_MS_MAX / 1000} s`);
    const detail = await Promise.race([asked, late]);
    answered.abort();
    return { name, state: detail === '' ? 'ok' : 'starting', detail };
  };
};

const answerOf = (status: number, contentType: string, body: string): HttpAnswer => ({
  status,
  headers: { 'content-type': contentType, 'cache-control': 'no-store' },
  body: Buffer.from(body),
});
const json = (status: number, body: object): HttpAnswer => answerOf(status, 'application/json', JSON.stringify(body));
const text = (status: number, body: string, contentType = 'text/plain; charset=utf-8'): HttpAnswer =>
  answerOf(status, contentType, body);
