import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentStep } from '../../../schemas/agent-step.ts';
import { startSeededEngine, testApi } from '../../../test/support/api.ts';
import type { TestEngine } from '../../../test/support/engine.ts';
import { HOSTILE, RICH_RUN, SHARED_RUN } from '../../../test/support/seed-builders.ts';
import { stepOf } from '../../ledger/step-fixture.ts';
import { runBatches } from '../../lineage/run-fixture.ts';
import { systemClock } from '../../runtime/clock.ts';
import { utcMillis } from '../../runtime/stream/time.ts';
import { plainLabel } from './lineage-graph.ts';
import { type DrawnEdge, type DrawnNode, LAYER_NODES_MAX, layoutOf } from './lineage-layout.ts';

let engine: TestEngine;
let app: FastifyInstance;

const get = (url: string) => app.inject({ url, headers: { host: 'localhost:7070' } });
const nowMs = systemClock.nowMs();
const at = (id: string, more: Partial<AgentStep>): AgentStep =>
  stepOf(id, { start_unix_micros: (nowMs - 60_000) * 1000, ...more });
/** The name turns the line around, and closes whatever it stands in. */
const TURNING = '\u202egnp.exe</text></svg>';

const insertEdges = async (key: string, steps: readonly AgentStep[]): Promise<void> => {
  const { rows } = runBatches([steps], undefined, key);
  const stored = rows.map((row) => ({ ...row, logged_at: utcMillis(nowMs) }));
  await engine.store.insert('lineage_edges', stored, { token: `edges-${key}` });
};

beforeAll(async () => {
  engine = await startSeededEngine();
  app = testApi(engine.store);
  await insertEdges(`demo|${RICH_RUN}`, [
    at('a', { step_kind: 'agent', agent_name: HOSTILE, user_id: TURNING }),
    ...Array.from({ length: 200 }, (_, n) =>
      at(`t${n}`, { step_kind: 'tool', tool_name: `tool ${n}`, parent_span_id: 'a' }),
    ),
  ]);
  await insertEdges('demo|feed0000000000000000000000000001', [
    at('r', { step_kind: 'tool', tool_name: 'load', facts: { 'data.dataset': 'raw <b>' } }),
    at('w', {
      step_kind: 'tool',
      tool_name: 'store',
      start_unix_micros: (nowMs - 30_000) * 1000,
      facts: { 'data.dataset': 'mart', 'data.operation': 'insert' },
    }),
  ]);
  for (const tenant of ['demo', 'acme'])
    await insertEdges(`${tenant}|${SHARED_RUN}`, [at('x', { step_kind: 'agent', agent_name: 'shared: agent/ü' })]);
});

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

test('the page of a data set says who touched it, what is not told, from what, and where it can have got to', async () => {
  const { body, statusCode } = await get('/lineage?node=dataset:mart&tenant=demo');
  expect(statusCode).toBe(200);
  expect(body).toContain('Who touched it');
  expect(body).toContain('raw &lt;b&gt;');
  expect(body).toContain('not told');
  const source = await get(`/lineage?node=${encodeURIComponent('dataset:raw <b>')}&tenant=demo`);
  expect(source.body).toMatch(/Can have got to<\/h2><span class="note">1 node/);
});

describe('the way from a node to another', () => {
  const page = async (node: string, to: string): Promise<string> => {
    const query = new URLSearchParams({ node, to, tenant: 'demo' });
    const { body, statusCode } = await get(`/lineage?${query}`);
    expect(statusCode).toBe(200);
    return body;
  };
  const marked = (body: string): readonly (string | undefined)[] =>
    [...body.matchAll(/class="node k-\w+[^"]* way"[^>]*>\s*<title>([^<]*)</g)].map(([, title]) => title);

  test('of data is the one it went in time, from either end, and is marked', async () => {
    const down = await page('dataset:raw <b>', 'dataset:mart');
    expect([...marked(down)].sort()).toEqual(['dataset mart', 'dataset raw &lt;b&gt;']);
    expect(down.match(/class="e derives way"/g)).toHaveLength(1);
    expect(down).toMatch(/class="lineage-way"><li>.*raw &lt;b&gt;.*derives.*mart/s);
    const up = await page('dataset:mart', 'dataset:raw <b>');
    expect(up).toContain('the other way round');
    expect(marked(up)).toHaveLength(2);
  });

  test('is drawn although its nodes are few among hundreds, and names stay text', async () => {
    const body = await page(`agent:${HOSTILE}`, 'tool:tool 187');
    expect(marked(body)).toContain('tool tool 187');
    expect(body).not.toContain('<script>alert');
  });

  test('that nobody tells is said to be untold; a part of a name lists the nodes it may mean', async () => {
    expect(await page('dataset:mart', 'dataset:nowhere')).toContain('Nothing told is not the same');
    expect(await page(`agent:${HOSTILE}`, 'L 18')).toContain('>tool:tool 187</a>');
    expect(await page('dataset:mart', '<img src=x>')).not.toContain('<img src=x');
    expect(await page('dataset:mart', 'dataset:mart')).toContain('has “dataset:mart” in its name');
  });
});

describe('the lineage of a run', () => {
  test('shows hostile names as text, in the picture and in the table', async () => {
    const { body, statusCode } = await get(`/runs/${RICH_RUN}?view=lineage`);
    expect(statusCode).toBe(200);
    expect(body).not.toContain('<script>alert');
    expect(body).not.toContain('<img src=x');
    expect(body).not.toContain('\u202e');
    expect(body).toContain('&lt;/text&gt;&lt;/svg&gt;');
    expect(body).not.toMatch(/ style="| on\w+="/);
  });

  test('cuts a layer of 200, says how many more there are, and lists all of them below', async () => {
    const { body } = await get(`/runs/${RICH_RUN}?view=lineage`);
    expect(body.match(/class="node k-tool"/g)?.length).toBeLessThanOrEqual(LAYER_NODES_MAX);
    expect(body).toMatch(/and 18\d more/);
    expect(body.match(/<td class="name"><span class="kind">tool<\/span>/g)).toHaveLength(200);
  });

  test('every box leads somewhere that answers', async () => {
    const { body } = await get(`/runs/${RICH_RUN}?view=lineage`);
    const hrefs = [...body.matchAll(/<a class="node[^"]*" href="([^"]+)"/g)].map((found) =>
      (found[1] ?? '').replaceAll('&amp;', '&').replaceAll('&#39;', "'"),
    );
    expect(hrefs.length).toBeGreaterThan(5);
    for (const href of hrefs) expect((await get(href)).statusCode, href).toBe(200);
  });

  test('without an edge says which telemetry is missing', async () => {
    const runs = (await get('/api/v1/runs?tenant=acme&limit=2')).json().runs as readonly { run_id: string }[];
    const other = runs.find((run) => run.run_id !== SHARED_RUN);
    const { body } = await get(`/runs/${other?.run_id}?view=lineage&tenant=acme`);
    expect(body).toContain('gen_ai.agent.name');
  });
});

describe('the page of a node', () => {
  test('offers the tenants when several have it, and shows one when asked', async () => {
    const path = `/lineage?node=${encodeURIComponent('agent:shared: agent/ü')}`;
    const both = await get(path);
    expect(both.body).toContain('Several tenants');
    expect(both.body).toContain('tenant=acme');
    const one = await get(`${path}&tenant=acme`);
    expect(one.body).toContain('shared: agent/ü</h1>');
    expect(one.body).not.toContain('tool 1');
  });

  test.each([
    ['/lineage', 200],
    ['/lineage?q=shared', 200],
    [`/lineage?q=${encodeURIComponent(HOSTILE)}`, 200],
    ['/lineage?node=agent:nobody', 200],
    ['/lineage?node=robot:x', 400],
    ['/lineage?node=agent:nobody&depth=99', 200],
  ])('%s answers %i', async (url, status) => {
    const answer = await get(url);
    expect(answer.statusCode).toBe(status);
    expect(answer.body).not.toContain('<script>alert');
  });
});

describe('the layout', () => {
  const node = (key: string, layer: number): DrawnNode => ({
    key,
    kind: 'agent',
    label: key,
    layer,
    href: null,
    isFocus: false,
  });
  const edge = (from: string, to: string): DrawnEdge => ({ from, to, edge: 'invokes', isRough: false });

  test('no two boxes overlap, and all lie within the picture', () => {
    const nodes = Array.from({ length: 60 }, (_, n) => node(`n${n}`, n % 5));
    const edges = nodes.flatMap((one, n) => [edge(one.key, `n${(n * 7) % 60}`), edge(one.key, `n${(n * 3) % 60}`)]);
    const { boxes, more, width, height } = layoutOf(nodes, edges);
    const corners = [...boxes.map((box) => box.at), ...more.map((one) => one.at)];
    expect(new Set(corners.map(({ x, y }) => `${x} ${y}`)).size).toBe(corners.length);
    for (const [index, a] of corners.entries()) {
      expect(a.x >= 0 && a.x + 196 <= width && a.y >= 0 && a.y + 38 <= height).toBe(true);
      for (const b of corners.slice(index + 1)) expect(a.x !== b.x || Math.abs(a.y - b.y) >= 38).toBe(true);
    }
  });

  test('a line past a column goes beside its box, not behind it', () => {
    const { boxes, edges } = layoutOf(
      [node('a', 0), node('b', 1), node('c', 2)],
      [edge('a', 'b'), edge('b', 'c'), edge('a', 'c')],
    );
    const b = boxes.find((box) => box.node.key === 'b')?.at ?? { x: 0, y: 0 };
    const straight = Number(/ (\d+(?:\.\d+)?)H/.exec(edges[2]?.path ?? '')?.[1]);
    expect(straight < b.y || straight > b.y + 38).toBe(true);
  });

  test('of a large layer those stay that are joined with what is shown', () => {
    const tools = Array.from({ length: 30 }, (_, n) => node(`tool${n}`, 1));
    const data = Array.from({ length: 30 }, (_, n) => node(`data${n}`, 2));
    const edges = [...tools.map((tool) => edge('run', tool.key)), ...data.map((one, n) => edge(`tool${n}`, one.key))];
    const { boxes, edges: drawn, more } = layoutOf([node('run', 0), ...tools, ...data.reverse()], edges);
    for (const { node: shown } of boxes.filter((box) => box.node.layer === 2))
      expect(drawn.some((line) => line.to === shown.key)).toBe(true);
    expect(more.map((one) => one.count)).toEqual([16, 16]);
  });

  test('names lose signs that nobody sees', () => {
    expect(plainLabel('a\u202eb\u0000c\nd')).toBe('a·b·c·d');
  });
});
