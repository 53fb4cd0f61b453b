import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/support/tacho.ts';
import { createAccess, hashToken } from '../access-tokens.ts';
import { systemClock } from '../clock.ts';
import { ConfigError, TransportError } from '../errors.ts';
import { createMetrics } from '../metrics.ts';
import type { Clock } from '../ports.ts';
import { createHealthDoor, createPingCheck, type HealthCheck, type HealthDoor } from './health-door.ts';

const OK: HealthCheck = { name: 'store', state: 'ok', detail: '' };
const access = createAccess({
  tokens: [{ name: 'prometheus', sha256: hashToken('t'), tenant: null, vantage: 'agent', grants: ['read'] }],
  requireTokens: true,
  allowedHosts: [],
});

let door: HealthDoor | undefined;
let port = 0;
afterEach(() => door?.drain());

const open = async (look: () => Promise<readonly HealthCheck[]>, clock: Clock = systemClock): Promise<HealthDoor> => {
  port = await freePort();
  door = createHealthDoor({ host: '127.0.0.1', port }, { access, metrics: createMetrics(), clock, look });
  await door.start();
  return door;
};
const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${port}${path}`, { headers });

describe('a process without another door', () => {
  test('is alive while it answers, and ready when every part is', async () => {
    let checks: readonly HealthCheck[] = [{ name: 'store', state: 'starting', detail: 'no answer within 3 s' }];
    let nowMs = 0;
    await open(async () => checks, { ...systemClock, nowMs: () => nowMs });
    expect((await get('/healthz')).status).toBe(200);
    const waiting = await get('/readyz');
    expect([waiting.status, await waiting.json()]).toEqual([503, { status: 'starting', checks }]);
    checks = [OK, { name: 'normalizer', state: 'degraded', detail: 'stopped by a permanent error: otlp_spans/1' }];
    nowMs += 1_500;
    const ready = await get('/readyz');
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready', checks }]);
  });

  test('is asked for by many, and looks once a second', async () => {
    let looked = 0;
    let nowMs = 0;
    await open(
      async () => {
        looked += 1;
        return [OK];
      },
      { ...systemClock, nowMs: () => nowMs },
    );
    await Promise.all(Array.from({ length: 50 }, () => get('/readyz')));
    expect(looked).toBe(1);
    nowMs += 1_001;
    await get('/readyz');
    expect(looked).toBe(2);
    // Set back by an hour: what was seen is not the news of that hour.
    nowMs -= 3_600_000;
    await get('/readyz');
    expect(looked).toBe(3);
  });

  test('is not ready from the moment it stops, though it is alive', async () => {
    const opened = await open(async () => [OK]);
    opened.close();
    expect((await get('/readyz')).status).toBe(503);
    expect((await get('/healthz')).status).toBe(200);
  });

  test('shows its metrics to who may read, probes to anybody under any host name', async () => {
    await open(async () => [OK]);
    expect((await get('/metrics')).status).toBe(401);
    const shown = await get('/metrics', { authorization: 'Bearer t' });
    expect([shown.status, await shown.text()]).toEqual([200, expect.stringContaining('tacho_stream_batches_total')]);
    // A kubelet asks by the address of the pod. fetch would not send a Host of its own.
    const status = await new Promise((done, fail) => {
      const sent = request({ port, path: '/readyz', headers: { host: '10.1.2.3:7071' } }, (answer) => {
        answer.resume();
        done(answer.statusCode);
      });
      sent.on('error', fail).end();
    });
    expect(status).toBe(200);
  });

  test('knows three paths and two methods', async () => {
    await open(async () => [OK]);
    expect((await get('/')).status).toBe(404);
    expect((await get('/readyz?x=1')).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`, { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`, { method: 'HEAD' })).status).toBe(200);
  });

  test('says by which key its port is changed when that is taken', async () => {
    await open(async () => [OK]);
    const second = createHealthDoor(
      { host: '127.0.0.1', port },
      { access, metrics: createMetrics(), clock: systemClock, look: async () => [OK] },
    );
    const error = await second.start().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(error instanceof ConfigError ? error.problems[0]?.key : '').toContain('TACHO_HEALTH_PORT');
  });
});

describe('a look at something that can be asked', () => {
  test('says why it is not there', async () => {
    const broken = createPingCheck(
      'event log',
      {
        ping: async () => {
          throw new TransportError('LOG_UNAVAILABLE', 'no broker answers', { retryable: true });
        },
      },
      systemClock,
    );
    expect(await broken()).toEqual({ name: 'event log', state: 'starting', detail: 'no broker answers' });
  });

  test('gives up in time, and asks no second time while the first question is open', async () => {
    let asked = 0;
    let answer = (): void => undefined;
    const silent = createPingCheck(
      'store',
      {
        ping: () => {
          asked += 1;
          return new Promise<void>((resolve) => {
            answer = resolve;
          });
        },
      },
      // No time passes here: the deadline is reached at once.
      { nowMs: () => 0, sleep: async () => undefined },
    );
    for (let i = 0; i < 3; i += 1) expect(await silent()).toMatchObject({ state: 'starting' });
    expect(asked).toBe(1);
    answer();
    await new Promise((resolve) => setImmediate(resolve));
    await silent();
    expect(asked).toBe(2);
  });
});
