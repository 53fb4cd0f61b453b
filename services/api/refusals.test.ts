import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSeededEngine, testApi } from '../../test/support/api.ts';
import type { TestEngine } from '../../test/support/engine.ts';
import { SHARED_RUN } from '../../test/support/seed-builders.ts';

let engine: TestEngine;
let app: FastifyInstance;

const LOCAL = { host: 'localhost:7070' };
const get = (url: string) => app.inject({ url, headers: LOCAL });

beforeAll(async () => {
  engine = await startSeededEngine();
  app = testApi(engine.store);
});

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

describe('refusals', () => {
  test.each([
    ['/api/v1/runs?limt=5', 400, 'limt: unknown parameter; allowed: tenant, from, to'],
    ['/api/v1/runs?limit=501', 400, 'limit'],
    ['/api/v1/runs?limit=0x10', 400, 'limit: a whole number'],
    ['/api/v1/runs?from=yesterday', 400, "from: 'yesterday'"],
    ['/api/v1/runs?from=now&to=24h', 400, 'from must lie before to'],
    ['/api/v1/runs?cursor=garbage', 400, 'cursor'],
    ['/api/v1/runs?tenant=a%7Cb', 400, 'tenant'],
    ['/api/v1/runs?tenant=a&tenant=b', 400, 'tenant'],
    ['/api/v1/costs?group_by=model,password', 400, 'unknown dimension password; allowed: tenant_id'],
    ['/api/v1/costs?step=fortnight', 400, 'step: one of minute'],
    ['/api/v1/costs?step=minute&from=30d', 400, 'wider step'],
    ['/api/v1/pipeline/passed?position=otlp_spans', 400, 'position'],
    ['/api/v1/pipeline/passed?position=agent_steps/0/1', 400, 'agent_steps is not one of'],
    ['/api/v1/runs/ffffffffffffffffffffffffffffffff', 404, 'no run ffff'],
    ['/api/v1/sessions/none', 404, 'no session none'],
    ['/api/v1/nothing', 404, 'GET /api/v1/nothing is not a route'],
  ])('%s answers %i and says why', async (url, status, words) => {
    const answer = await get(url);
    expect(answer.statusCode, answer.body).toBe(status);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({ status, type: 'about:blank' });
    expect(answer.json().detail).toContain(words);
  });

  test('an id found in two tenants answers 409 with both, and each when asked for', async () => {
    const both = await get(`/api/v1/runs/${SHARED_RUN}`);
    expect(both.statusCode).toBe(409);
    expect(both.json().tenants).toEqual(['acme', 'demo']);
    expect((await get(`/api/v1/runs/${SHARED_RUN}?tenant=acme`)).statusCode).toBe(200);
  });

  test('broken JSON, a wrong media type and a wrong method are problems too', async () => {
    const broken = await app.inject({
      method: 'POST',
      url: '/api/v1/sql',
      headers: { ...LOCAL, 'content-type': 'application/json' },
      payload: '{',
    });
    expect([broken.statusCode, broken.json().title]).toEqual([400, 'Bad request']);
    const media = await app.inject({
      method: 'POST',
      url: '/api/v1/sql',
      headers: { ...LOCAL, 'content-type': 'text/xml' },
      payload: '<a/>',
    });
    expect(media.statusCode).toBe(415);
    expect((await app.inject({ method: 'DELETE', url: '/api/v1/runs', headers: LOCAL })).statusCode).toBe(404);
  });
});
