import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSeededEngine, testApi } from '../../../test/support/api.ts';
import type { TestEngine } from '../../../test/support/engine.ts';
import { HOSTILE, RICH_RUN, SHARED_RUN } from '../../../test/support/seed-builders.ts';
import {
  BUDGET_INCIDENT,
  FLOW_VIOLATION,
  incidents,
  OPEN_INCIDENT,
  RESOLVED_INCIDENT,
} from '../../../test/support/seed-incidents.ts';
import { createDeferredStore } from '../../runtime/store/deferred.ts';

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

describe('the console', () => {
  const PAGES = [
    '/',
    '/?range=7d',
    '/?tenant=nobody',
    '/runs',
    '/runs?q=plan&status=error',
    `/runs/${RICH_RUN}`,
    `/runs/${RICH_RUN}?step=step-0000000000000007`,
    `/runs/${RICH_RUN}?view=conversation`,
    `/runs/${RICH_RUN}?view=calls`,
    `/runs/${RICH_RUN}?view=bookings`,
    '/sessions/session-rich',
    '/telemetry',
    '/telemetry?range=30d',
    '/telemetry?tenant=nobody',
    `/runs/${RICH_RUN}?view=violations`,
    '/incidents',
    '/incidents?state=resolved&severity=critical',
    '/incidents?state=nonsense&tenant=nobody',
    `/incidents/${OPEN_INCIDENT}`,
    `/incidents/${BUDGET_INCIDENT}`,
    `/incidents/${RESOLVED_INCIDENT}`,
    '/violations',
    '/violations?review=none&rule=loop&range=30d',
    '/violations?tenant=nobody',
    `/violations/${FLOW_VIOLATION}`,
    '/violations/d00dd00dd00dd00dd00dd00dd00dd001',
    '/violations/d00dd00dd00dd00dd00dd00dd00dd002',
    '/budgets',
    '/budgets?tenant=nobody',
    '/prices',
    '/prices?tenant=nobody',
    '/policies',
    '/pipeline',
    '/connect',
  ];

  test.each(PAGES)('%s is a page under a policy that runs nothing of others', async (url) => {
    const answer = await get(url);
    expect(answer.statusCode, answer.body.slice(0, 400)).toBe(200);
    expect(answer.headers['content-security-policy']).toContain("script-src 'self'");
    expect(answer.body).not.toContain('<script>alert');
    expect(answer.body).not.toContain('<img src=x');
    expect(answer.body).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(answer.body).not.toMatch(/ style="| on\w+="/);
  });

  test('text of agents is shown, as text', async () => {
    const answer = await get(`/runs/${RICH_RUN}?step=step-0000000000000007`);
    expect(answer.body).toContain(HOSTILE.replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'));
  });

  test('says starting, not broken, while the store is not there, and is ready once it is', async () => {
    const store = createDeferredStore();
    const early = testApi(store);
    const ask = (url: string) => early.inject({ url, headers: LOCAL });
    expect((await ask('/')).statusCode).toBe(503);
    expect((await ask('/')).body).toContain('Tachograph is starting');
    expect((await ask('/api/v1/runs')).json()).toMatchObject({ status: 503, title: 'Not ready' });
    expect((await ask('/readyz')).statusCode).toBe(503);
    expect((await ask('/healthz')).statusCode).toBe(200);
    expect((await ask('/connect')).statusCode).toBe(200);
    store.set(engine.store);
    expect((await ask('/readyz')).statusCode).toBe(200);
    expect((await ask('/')).statusCode).toBe(200);
  });

  test('an id in two tenants offers both', async () => {
    const answer = await get(`/runs/${SHARED_RUN}`);
    expect(answer.statusCode).toBe(409);
    expect(answer.body).toContain(`/runs/${SHARED_RUN}?tenant=acme`);
  });

  test('what is no page is a page that says so', async () => {
    expect((await get('/nothing')).statusCode).toBe(404);
    expect((await get('/assets/../service.ts')).statusCode).toBe(404);
    expect((await get('/runs/%00')).statusCode).toBe(404);
  });

  test('an incident of a refused rule set says what is wrong with it, as text', async () => {
    const [row] = incidents(Date.now());
    const problems = [`flows.yaml:1: ${HOSTILE} is not a rule id`, 'flows.yaml:4: unknown field tool.nam'];
    const refused = {
      ...row,
      tenant_id: 'default',
      incident_id: 'rules',
      source: 'ruleset',
      subject: 'config/policies',
      detail: JSON.stringify({ dir: 'config/policies', problems, deep: [[[[[[HOSTILE]]]]]] }),
    };
    await engine.store.insert('incidents', [refused], { token: 'ruleset incident' });
    const answer = await get('/incidents/rules');
    expect(answer.statusCode, answer.body.slice(0, 400)).toBe(200);
    expect(answer.body).toContain('What is wrong');
    expect(answer.body).toContain('unknown field tool.nam');
    expect(answer.body).not.toContain('<script>alert');
  });

  test('what an incident of one tenant links to is in that tenant, whatever is shown', async () => {
    const { body } = await get(`/incidents/${OPEN_INCIDENT}`);
    const links = [...body.matchAll(/href="(\/(?:runs|violations)\/[^"]+)"/g)].map((found) => found[1] ?? '');
    expect(links.length).toBeGreaterThan(2);
    expect(links.filter((link) => !link.includes('tenant=demo'))).toEqual([]);
  });

  test('figures of the navigation are of the tenant shown', async () => {
    expect((await get('/budgets')).body).toContain('12 in 24 hours, not reviewed');
    expect((await get('/budgets?tenant=acme')).body).toContain('1 in 24 hours, not reviewed');
    expect((await get('/budgets?tenant=nobody')).body).not.toContain('class="count"');
  });
});
