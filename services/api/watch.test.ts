import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startSeededEngine, testApi } from '../../test/support/api.ts';
import type { TestEngine } from '../../test/support/engine.ts';
import { RICH_RUN } from '../../test/support/seed-builders.ts';
import {
  BUDGET_INCIDENT,
  FLOW_VIOLATION,
  OPEN_INCIDENT,
  RESOLVED_INCIDENT,
} from '../../test/support/seed-incidents.ts';
import { apiRoutes } from './routes/registry.ts';

let engine: TestEngine;
let app: FastifyInstance;

const LOCAL = { host: 'localhost:7070' };
const get = (url: string) => app.inject({ url, headers: LOCAL });
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
    ['/violations', '/api/v1/violations'],
    ['/violations/:violation_id', `/api/v1/violations/${FLOW_VIOLATION}`],
    ['/incidents', '/api/v1/incidents'],
    ['/incidents/:incident_id', `/api/v1/incidents/${OPEN_INCIDENT}`],
    ['/incidents/:incident_id', `/api/v1/incidents/${BUDGET_INCIDENT}`],
    ['/budgets', '/api/v1/budgets'],
    ['/policies', '/api/v1/policies'],
  ])('%s is what its schema says', async (path, url) => {
    const answer = await get(url);
    expect(answer.statusCode, answer.body.slice(0, 900)).toBe(200);
    expect(shapeOf(path).safeParse(answer.json()).error?.issues ?? []).toEqual([]);
  });

  test.each([
    ['rule=loop', 8],
    ['severity=critical', 1],
    ['mode=monitor', 1],
    ['agent=planner', 10],
    [`run=${RICH_RUN}`, 3],
    ['review=dismiss', 1],
    ['review=none&severity=low', 0],
    ['tenant=acme', 1],
    ['from=30m', 3],
    ['from=390m&to=150m&rule=loop', 4],
  ])('violations?%s finds %i', async (filter, count) => {
    const { violations } = await bodyOf(`/api/v1/violations?${filter}`);
    expect(violations).toHaveLength(count);
  });

  test('pages of violations hold every one once, in order', async () => {
    const ids: string[] = [];
    let cursor = '';
    do {
      const page = await bodyOf(`/api/v1/violations?limit=1${cursor}`);
      ids.push(
        ...page['violations'].map(
          (row: { violation_id: string; tenant_id: string }) => `${row.tenant_id}/${row.violation_id}`,
        ),
      );
      cursor = page['next_cursor'] === null ? '' : `&cursor=${page['next_cursor']}`;
    } while (cursor !== '');
    expect(ids).toHaveLength(13);
    expect(new Set(ids).size).toBe(13);
  });

  test('incidents that want somebody come first, and pages go on where they ended', async () => {
    const first = await bodyOf('/api/v1/incidents?limit=1');
    const second = await bodyOf(`/api/v1/incidents?limit=2&cursor=${first['next_cursor']}`);
    const ids = [...first['incidents'], ...second['incidents']].map((row: { incident_id: string }) => row.incident_id);
    expect(ids).toEqual([OPEN_INCIDENT, BUDGET_INCIDENT, RESOLVED_INCIDENT]);
    expect(second['next_cursor']).toBeNull();
    expect((await bodyOf('/api/v1/incidents?state=unresolved'))['incidents']).toHaveLength(2);
    expect((await bodyOf('/api/v1/incidents?source=budget&severity=medium'))['incidents']).toHaveLength(1);
  });
});
