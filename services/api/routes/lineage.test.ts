import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { AgentStep } from '../../../schemas/agent-step.ts';
import { startSeededEngine, testApi } from '../../../test/support/api.ts';
import type { TestEngine } from '../../../test/support/engine.ts';
import { HOSTILE, RICH_RUN, SHARED_RUN } from '../../../test/support/seed-builders.ts';
import { callOf, stepOf } from '../../ledger/step-fixture.ts';
import { runBatches } from '../../lineage/run-fixture.ts';
import { systemClock } from '../../runtime/clock.ts';
import { lineageGapsQuery, neighboursQuery, nodesQuery, nodeTenantsQuery, runEdgesQuery } from '../queries/lineage.ts';
import type { Query } from '../queries/query.ts';
import { apiRoutes } from './registry.ts';

let engine: TestEngine;
let app: FastifyInstance;

const DATASET = 'postgres://db:5432/shop.orders';
const WIDE_RUN = 'cafe0000000000000000000000000001';
const LOCAL = { host: 'localhost:7070' };
const get = (url: string) => app.inject({ url, headers: LOCAL });
const bodyOf = async (url: string) => {
  const answer = await get(url);
  expect(answer.statusCode, answer.body.slice(0, 400)).toBe(200);
  return z.record(z.string(), z.any()).parse(answer.json());
};
const shapeOf = (path: string): z.ZodType => apiRoutes.find((route) => route.path === path)?.answer ?? z.never();
const node = (kind: string, id: string): string => encodeURIComponent(`${kind}:${id}`);

const nowMicros = systemClock.nowMs() * 1000;
const at = (id: string, more: Partial<AgentStep>): AgentStep =>
  stepOf(id, { start_unix_micros: nowMicros - 60_000_000, ...more });

/** An agent with one sub-agent, a tool that writes, a hostile name, and a parent that came late. */
const richSteps: readonly AgentStep[] = [
  at('t', {
    step_kind: 'tool',
    tool_name: 'save_order',
    parent_span_id: 'b',
    facts: { 'data.namespace': 'postgres://db:5432', 'data.name': 'shop.orders', 'data.operation': 'insert' },
  }),
  at('a', { step_kind: 'agent', agent_name: 'lead', user_id: 'alice' }),
  at('b', { step_kind: 'agent', agent_name: HOSTILE, parent_span_id: 'a' }),
  at('m', { step_kind: 'llm', parent_span_id: 'b', call: callOf(), request_model: 'gpt-5', provider: 'openai' }),
];

const insertEdges = async (key: string, batches: readonly (readonly AgentStep[])[]): Promise<void> => {
  const { rows } = runBatches(batches, undefined, key);
  const stored = rows.map((row) => ({
    ...row,
    logged_at: new Date(nowMicros / 1000).toISOString().slice(0, 23).replace('T', ' '),
  }));
  await engine.store.insert('lineage_edges', stored, { token: `edges-${key}` });
};

beforeAll(async () => {
  engine = await startSeededEngine();
  app = testApi(engine.store);
  await insertEdges(
    `demo|${RICH_RUN}`,
    richSteps.map((step) => [step]),
  );
  for (const tenant of ['demo', 'acme']) await insertEdges(`${tenant}|${SHARED_RUN}`, [richSteps.slice(1, 2)]);
  const tools = Array.from({ length: 2_100 }, (_, index) =>
    at(`w${index}`, { step_kind: 'tool', tool_name: `tool-${index}`, parent_span_id: 'wide' }),
  );
  await insertEdges(`demo|${WIDE_RUN}`, [[at('wide', { step_kind: 'agent', agent_name: 'wide' }), ...tools]]);
});

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

describe('GET runs/:run_id/lineage', () => {
  test('gives the edges in force, never those taken back, and what the telemetry leaves out', async () => {
    const found = await bodyOf(`/api/v1/runs/${RICH_RUN}/lineage?tenant=demo`);
    expect(shapeOf('/runs/:run_id/lineage').safeParse(found).error?.issues ?? []).toEqual([]);
    const edges = found['edges'].map(
      (edge: Record<string, string>) =>
        `${edge['from_kind']}:${edge['from_id']} ${edge['edge']} ${edge['to_kind']}:${edge['to_id']}`,
    );
    expect(edges.sort()).toEqual(
      [
        `run:${RICH_RUN} invokes agent:lead`,
        `agent:lead delegates agent:${HOSTILE}`,
        'agent:lead acts_for user:alice',
        `agent:${HOSTILE} invokes tool:save_order`,
        `agent:${HOSTILE} uses_model model:gpt-5`,
        `tool:save_order writes dataset:${DATASET}`,
      ].sort(),
    );
    expect(found['nodes']).toContainEqual({
      node: `dataset:${DATASET}`,
      kind: 'dataset',
      id: DATASET,
      fields: ['name=shop.orders', 'namespace=postgres://db:5432'],
    });
    expect(found['unknown']).toMatchObject({ is_summarised: false, without_agent: 0 });
    expect(found['unknown'].steps).toBeGreaterThan(10);
  });

  test('says that it was cut', async () => {
    const found = await bodyOf(`/api/v1/runs/${RICH_RUN}/lineage?tenant=demo&limit=2`);
    expect([found['edges'].length, found['truncated']]).toEqual([2, true]);
  });

  test('an id in two tenants answers 409 with both, and one that nobody has 404', async () => {
    const answer = await get(`/api/v1/runs/${SHARED_RUN}/lineage`);
    expect([answer.statusCode, answer.json().tenants]).toEqual([409, ['acme', 'demo']]);
    expect((await get('/api/v1/runs/ffff/lineage')).statusCode).toBe(404);
  });
});

describe('GET lineage', () => {
  test('down finds what a node leads to, up what leads to it, each edge once', async () => {
    const down = await bodyOf(`/api/v1/lineage?node=${node('agent', 'lead')}&tenant=demo&direction=down&depth=3`);
    expect(shapeOf('/lineage').safeParse(down).error?.issues ?? []).toEqual([]);
    const distances = Object.fromEntries(
      down['nodes'].map((one: { node: string; distance: number }) => [one.node, one.distance]),
    );
    expect(distances).toMatchObject({
      'agent:lead': 0,
      'user:alice': 1,
      [`agent:${HOSTILE}`]: 1,
      'tool:save_order': 2,
      [`dataset:${DATASET}`]: 3,
    });
    const up = await bodyOf(`/api/v1/lineage?node=${node('dataset', DATASET)}&direction=up&depth=10`);
    expect(up['nodes'].map((one: { node: string }) => one.node)).toContain(`run:${RICH_RUN}`);
    expect(up['nodes'].every((one: { distance: number }) => one.distance <= 0)).toBe(true);
    expect(up['nodes'].map((one: { node: string }) => one.node)).not.toContain('model:gpt-5');
  });

  test('depth ends the walk, and an edge of several runs counts them', async () => {
    const one = await bodyOf(`/api/v1/lineage?node=${node('user', 'alice')}&tenant=demo&direction=up&depth=1`);
    expect(one['edges']).toHaveLength(1);
    expect(one['edges'][0]).toMatchObject({ from_id: 'lead', edge: 'acts_for', runs: 2 });
  });

  test('is cut at its limit and says so', async () => {
    const wide = await bodyOf(`/api/v1/lineage?node=${node('agent', 'wide')}&direction=down`);
    expect(wide['truncated']).toBe(true);
    expect(wide['edges'].length).toBe(wide['limits'].edges_max);
  });

  test('a name in two tenants answers 409; a caller who names one sees only its runs', async () => {
    expect((await get(`/api/v1/lineage?node=${node('agent', 'lead')}`)).statusCode).toBe(409);
    const acme = await bodyOf(`/api/v1/lineage?node=${node('agent', 'lead')}&tenant=acme&depth=5`);
    expect(JSON.stringify(acme)).not.toContain('save_order');
  });

  test('a range without the node has no node', async () => {
    const url = `/api/v1/lineage?node=${node('agent', 'lead')}&tenant=demo`;
    expect((await get(`${url}&to=10d`)).statusCode).toBe(404);
    expect((await get(`${url}&from=1h`)).statusCode).toBe(200);
  });

  test.each(['', 'agent:', ':x', 'robot:x', 'agent'])('node=%s is refused with the kinds there are', async (text) => {
    const answer = await get(`/api/v1/lineage?node=${encodeURIComponent(text)}`);
    expect(answer.statusCode).toBe(400);
  });

  test('depth and direction are bounded', async () => {
    for (const query of ['depth=0', 'depth=11', 'depth=x', 'direction=left'])
      expect((await get(`/api/v1/lineage?node=agent:lead&${query}`)).statusCode, query).toBe(400);
  });
});

describe('GET nodes', () => {
  test('finds nodes by a part of their name, those of most runs first, runs only where asked for', async () => {
    const found = await bodyOf('/api/v1/nodes?q=LEA');
    expect(shapeOf('/nodes').safeParse(found).error?.issues ?? []).toEqual([]);
    expect(found['nodes']).toMatchObject([
      { node: 'agent:lead', tenant_id: 'demo', runs: 2 },
      { node: 'agent:lead', tenant_id: 'acme', runs: 1 },
    ]);
    const runs = await bodyOf(`/api/v1/nodes?kind=run&q=${RICH_RUN.slice(0, 8)}`);
    expect(runs['nodes']).toMatchObject([{ kind: 'run', id: RICH_RUN }]);
  });

  test('an edge that was taken back leaves no node behind', async () => {
    // The tool was first told of the run itself, before the agents came.
    const found = await bodyOf(`/api/v1/lineage?node=${node('tool', 'save_order')}&direction=up&depth=1`);
    expect(found['edges']).toMatchObject([{ from_kind: 'agent', from_id: HOSTILE }]);
  });
});

describe('the queries', () => {
  const range = { fromMs: 1, toMs: 2 };
  const every = (text: string): readonly Query[] => [
    runEdgesQuery({ tenant: text, runId: text, limit: 1 }),
    lineageGapsQuery({ tenant: text, runId: text }),
    nodeTenantsQuery({ tenant: text, node: { kind: 'agent', id: text }, range }),
    neighboursQuery({ tenant: text, direction: 'up', nodes: [{ kind: 'agent', id: text }], range, limit: 1 }),
    nodesQuery({ tenant: text, range, q: text, kind: text, limit: 1 }),
  ];

  test('hold no text of a caller, name what they are given, and read edges only by their sum', () => {
    const hostile = every("'; DROP TABLE spans; --{a:String}");
    for (const [index, query] of every('x').entries()) {
      expect(hostile[index]?.sql).toBe(query.sql);
      const named = new Set([...query.sql.matchAll(/\{(\w+):[^}]+\}/g)].map((match) => match[1]));
      expect([...named].sort()).toEqual(Object.keys(query.params).sort());
      if (query.sql.includes('lineage_edges')) expect(query.sql).toContain('HAVING sum(weight) > 0');
    }
  });
});

test('GET runs/:run_id/critical-path covers the run from end to end and says what it could not judge', async () => {
  const found = await bodyOf(`/api/v1/runs/${RICH_RUN}/critical-path?tenant=demo`);
  expect(shapeOf('/runs/:run_id/critical-path').safeParse(found).error?.issues ?? []).toEqual([]);
  const sum = found['segments'].reduce((total: number, { ms }: { ms: number }) => total + ms, 0);
  expect(sum).toBeCloseTo(found['ms'], 6);
  expect(found['ms']).toBeGreaterThan(0);
  expect(found['unknown'].spans).toBeGreaterThan(5);
});
