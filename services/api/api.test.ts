import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startSeededEngine, testApi, testContext } from '../../test/support/api.ts';
import type { TestEngine } from '../../test/support/engine.ts';
import { RICH_RUN, SHARED_RUN } from '../../test/support/seed-builders.ts';
import { insertRows } from '../../test/support/seed-rows.ts';
import { createAccess, hashToken } from '../runtime/access-tokens.ts';
import { apiRoutes } from './routes/registry.ts';
import { buildApi } from './service.ts';

let engine: TestEngine;
let app: FastifyInstance;

const LOCAL = { host: 'localhost:7070' };
const get = (url: string, headers: Record<string, string> = {}) =>
  app.inject({ url, headers: { ...LOCAL, ...headers } });
const shapeOf = (path: string): z.ZodType => apiRoutes.find((route) => route.path === path)?.answer ?? z.never();
const bodyOf = async (url: string) => z.record(z.string(), z.any()).parse((await get(url)).json());

beforeAll(async () => {
  engine = await startSeededEngine();
  app = testApi(engine.store);
});

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

describe('answers', () => {
  test.each([
    ['/runs', '/api/v1/runs'],
    ['/runs/:run_id', `/api/v1/runs/${RICH_RUN}`],
    ['/runs/:run_id/steps', `/api/v1/runs/${RICH_RUN}/steps?content=true`],
    ['/sessions/:session_id', '/api/v1/sessions/session-rich'],
    ['/costs', '/api/v1/costs?group_by=model,agent_name&step=hour'],
    ['/models', '/api/v1/models'],
    ['/agents', '/api/v1/agents'],
    ['/pipeline', '/api/v1/pipeline'],
  ])('%s is what its schema says', async (path, url) => {
    const answer = await get(url);
    expect(answer.statusCode, answer.body.slice(0, 500)).toBe(200);
    expect(shapeOf(path).safeParse(answer.json()).error?.issues ?? []).toEqual([]);
  });

  test('pages of runs hold every run once, in order', async () => {
    const ids: string[] = [];
    let cursor = '';
    do {
      const page = await bodyOf(`/api/v1/runs?tenant=demo&from=30d&limit=7${cursor}`);
      ids.push(...page['runs'].map((run: { run_id: string }) => run.run_id));
      cursor = page['next_cursor'] === null ? '' : `&cursor=${page['next_cursor']}`;
    } while (cursor !== '');
    const whole = await bodyOf('/api/v1/runs?tenant=demo&from=30d&limit=500');
    expect(ids).toEqual(whole['runs'].map((run: { run_id: string }) => run.run_id));
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('a corrected booking counts once, and its history is all there', async () => {
    const body = await bodyOf(`/api/v1/runs/${RICH_RUN}`);
    expect(body['totals']).toMatchObject({
      calls: 4,
      known_calls: 2,
      unknown_calls: 1,
      unpriced_calls: 1,
      cost_usd: '0.08265',
    });
    expect(body['bookings']).toHaveLength(4);
    expect(body['entries']).toHaveLength(6);
  });

  test('each step carries the bookings that stand for it', async () => {
    const { steps } = await bodyOf(`/api/v1/runs/${RICH_RUN}/steps`);
    const booked = steps.filter((step: { bookings: unknown[] }) => step.bookings.length > 0);
    expect(booked.map((step: { step_kind: string }) => step.step_kind)).toEqual(['llm', 'llm', 'llm', 'llm']);
    expect(booked[0].bookings[0]).toMatchObject({ cost_usd: '0.018', cache_read_tokens: 6000, reason: 'booked' });
    expect(steps[0].content).toBeUndefined();
  });

  test('a group without any known cost has cost null, never zero', async () => {
    const { groups } = await bodyOf('/api/v1/costs?group_by=model&model=acme-7b-local');
    expect(groups).toHaveLength(1);
    expect(groups[0]).toMatchObject({ cost_usd: null, known_calls: 0 });
    expect(groups[0].unpriced_calls).toBe(groups[0].calls);
  });

  test('groups add up to the total, and their four kinds of calls to their calls', async () => {
    const { groups, total } = await bodyOf('/api/v1/costs?group_by=model,service&from=30d');
    const sum = (key: string): number =>
      groups.reduce((all: number, group: Record<string, unknown>) => all + Number(group[key] ?? 0), 0);
    expect(sum('calls')).toBe(total.calls);
    expect(sum('cost_usd')).toBeCloseTo(Number(total.cost_usd), 9);
    for (const group of groups) {
      expect(group.known_calls + group.unknown_calls + group.unpriced_calls + group.failed_unknown_calls).toBe(
        group.calls,
      );
    }
  });
});

describe('access', () => {
  const token = (name: string, tenant: string | null, grants: readonly ('read' | 'content' | 'ingest')[]) => ({
    name,
    sha256: hashToken(name),
    tenant,
    vantage: 'gateway' as const,
    grants,
  });
  const guarded = () =>
    testApi(engine.store, {
      access: createAccess({
        tokens: [
          token('reader', 'demo', ['read']),
          token('auditor', null, ['read', 'content']),
          token('gateway', 'acme', ['ingest']),
        ],
        requireTokens: true,
        allowedHosts: [],
      }),
    });
  const as = (name: string, url: string) =>
    guarded().inject({ url, headers: { ...LOCAL, authorization: `Bearer ${name}` } });

  test('nobody reads without a token, from another site, or under another host name', async () => {
    expect((await guarded().inject({ url: '/api/v1/runs', headers: LOCAL })).statusCode).toBe(401);
    expect((await get('/api/v1/runs', { origin: 'https://evil.example' })).statusCode).toBe(403);
    expect((await get('/', { host: 'evil.example' })).statusCode).toBe(403);
    expect((await as('gateway', '/api/v1/runs')).statusCode).toBe(403);
  });

  test('a token of one tenant sees that tenant only', async () => {
    const own = await as('reader', '/api/v1/costs?group_by=tenant_id');
    expect(own.json().groups.map((group: { tenant_id: string }) => group.tenant_id)).toEqual(['demo']);
    expect((await as('reader', '/api/v1/runs?tenant=acme')).statusCode).toBe(403);
    expect((await as('reader', `/api/v1/runs/${SHARED_RUN}`)).json().tenant_id).toBe('demo');
  });

  test('content needs its grant, and each reading of it is logged before it is given', async () => {
    const url = `/api/v1/runs/${RICH_RUN}/steps?content=true`;
    expect((await as('reader', url)).statusCode).toBe(403);
    const page = await as('reader', `/runs/${RICH_RUN}?view=conversation`);
    expect(page.body).toContain('need the grant');
    expect(page.body).not.toContain('careful research agent');
    expect((await as('auditor', url)).body).toContain('careful research agent');
    const logged = await engine.store.query<{ actor: string; subject: string }>(
      "SELECT actor, subject FROM access_log WHERE actor = 'auditor' AND action = 'read_content'",
    );
    expect(logged).toEqual([{ actor: 'auditor', subject: `run:${RICH_RUN}` }]);
  });

  test('SQL is for callers who may see every tenant and content', async () => {
    const post = (name: string, query: string) =>
      guarded().inject({
        method: 'POST',
        url: '/api/v1/sql',
        headers: { ...LOCAL, authorization: `Bearer ${name}` },
        payload: { query },
      });
    expect((await post('reader', 'SELECT 1')).statusCode).toBe(403);
    const answer = await post('auditor', 'SELECT count() AS spans FROM spans');
    expect(answer.json()).toMatchObject({ columns: ['spans'], row_count: 1, is_cut: false });
    expect((await post('auditor', 'SELECT nonsense FROM spans')).statusCode).toBe(400);
    expect((await post('auditor', "SELECT * FROM file('/etc/passwd')")).statusCode).toBe(400);
  });
});

describe('action events', () => {
  const event = {
    ts: 1_795_253_400_000_000,
    kind: 'egress',
    name: 'POST api.example.com',
    trace_id: RICH_RUN,
    egress: { host: 'api.example.com' },
  };

  test('are taken all or none, with the vantage of the caller, and answered with their position', async () => {
    const ctx = testContext(engine.store);
    await ctx.log.ensureTopics([{ topic: 'action_events', partitions: 2, retentionMs: 1e9, recordBytesMax: 1e6 }]);
    const api = buildApi(ctx);
    const post = (payload: object) =>
      api.inject({ method: 'POST', url: '/api/v1/actions', headers: { ...LOCAL, 'x-tacho-tenant': 'acme' }, payload });
    const bad = await post([event, { ...event, kind: 'lunch' }]);
    expect(bad.statusCode).toBe(400);
    expect(bad.json().detail).toContain('event 1: kind');
    const good = await post([event, { ...event, vantage: 'operator', name: 'second' }]);
    expect(good.statusCode, good.body).toBe(202);
    expect(good.json()).toMatchObject({ accepted: 2 });
    expect(good.headers['x-tacho-position']).toMatch(/^action_events\/\d\/1$/);
    const ranges = await ctx.log.ranges('action_events');
    expect(ranges.reduce((sum, range) => sum + range.end, 0)).toBe(2);
  });
});

describe('passed', () => {
  const ask = (position: string) =>
    testApi(engine.store, { log: { ...testContext(engine.store).log, logId: async () => 'seed-log' } }).inject({
      url: `/api/v1/pipeline/passed?position=${position}`,
      headers: LOCAL,
    });

  test('is false until stored, then until every fold has it, and true after all', async () => {
    // The seed's normalizer confirmed otlp_spans/0 up to 300 and made 90 steps a batch; the ledger is at 180 of partition 0.
    const early = (await ask('otlp_spans/0/300')).json();
    expect(early.passed).toBe(false);
    expect(new Set(Object.values(early.services))).toEqual(new Set([false]));
    const folds = Object.keys(early.services).filter((service) => service !== 'normalizer');
    expect(folds).toContain('ledger');
    const none = Object.fromEntries(folds.map((service) => [service, false]));
    expect((await ask('otlp_spans/0/299')).json()).toEqual({ passed: false, services: { normalizer: true, ...none } });
    const confirmed = (service: string, partition: number, first: number, end: number) => ({
      service,
      log_id: 'seed-log',
      topic: 'agent_steps',
      partition,
      first,
      end,
      logged_at: '2026-11-21 00:00:00.000',
    });
    const others = folds.filter((service) => service !== 'ledger');
    const batches = [
      ...others.flatMap((service) => [confirmed(service, 0, 0, 270), confirmed(service, 1, 0, 30)]),
      confirmed('ledger', 1, 0, 30),
    ];
    await insertRows(engine.store, { batches }, 'others');
    const waiting = (await ask('otlp_spans/0/299')).json();
    expect([waiting.passed, waiting.services.ledger]).toEqual([false, false]);
    const told = { ...confirmed('ledger', 0, 180, 270), produced: { 'agent_steps/1': 40 } };
    await insertRows(engine.store, { batches: [told] }, 'ledger');
    const unheard = (await ask('otlp_spans/0/299')).json();
    expect([unheard.passed, unheard.services.ledger]).toEqual([false, false]);
    await insertRows(engine.store, { batches: [confirmed('ledger', 1, 30, 40)] }, 'heard');
    const all = (await ask('otlp_spans/0/299,otlp_spans/0/12')).json();
    expect(all.passed).toBe(true);
    expect(new Set(Object.values(all.services))).toEqual(new Set([true]));
    expect((await ask('otlp_logs/0/0')).json().passed).toBe(false);
  });
});

describe('descriptions', () => {
  test('OpenAPI names every route with its parameters', async () => {
    const { paths } = (await get('/openapi.json')).json();
    expect(Object.keys(paths)).toHaveLength(new Set(apiRoutes.map((route) => route.path)).size);
    const names = paths['/api/v1/runs'].get.parameters.map((parameter: { name: string }) => parameter.name);
    expect(names).toContain('cursor');
  });

  test('metrics count requests by route, not by address', async () => {
    await get(`/api/v1/runs/${RICH_RUN}`);
    const { body } = await get('/metrics');
    expect(body).toContain('route="/api/v1/runs/:run_id"');
    expect(body).not.toContain(`route="/api/v1/runs/${RICH_RUN}`);
  });
});
