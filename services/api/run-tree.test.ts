import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { runKeyOf } from '../../schemas/identity.ts';
import { testApi } from '../../test/support/api.ts';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createLedgerFold } from '../ledger/fold.ts';
import { llmOf, stepOf, TEST_PRICES } from '../ledger/step-fixture.ts';
import { apiRoutes } from './routes/registry.ts';
import { rootOf } from './run-tree.ts';

let engine: TestEngine;
let app: FastifyInstance;

/** Two batches of a fold over runs of one tenant, into the store as the stream would land them. */
const fold = createLedgerFold(TEST_PRICES);
const store = async (batches: readonly (readonly AgentStep[])[]): Promise<void> => {
  const states = new Map<string, ReturnType<typeof fold.empty>>();
  for (const [at, batch] of batches.entries())
    for (const [key, steps] of Map.groupBy(batch, fold.keyOf)) {
      const context = { batchId: `b${at}`, loggedAtMs: 1_795_000_002_000 + at, version: BigInt(at + 1), variant: '' };
      const stepped = fold.step(states.get(key) ?? fold.empty(key), steps, context);
      states.set(key, stepped.state);
      for (const { table, rows } of stepped.tables)
        if (rows.length > 0) await engine.store.insert(table, rows, { token: `${key}/${at}/${table}` });
    }
};

const at = (seconds: number) => ({
  start_unix_micros: 1_795_000_000_000_000 + seconds * 1_000_000,
  end_unix_micros: 1_795_000_001_000_000 + seconds * 1_000_000,
});
const run = (id: string, seconds: number, rest: Partial<AgentStep>) =>
  llmOf(`step-${id}`, 100, 10, { run_id: id, trace_id: id, ...at(seconds), ...rest });
const linkTo = (trace_id: string) => [{ trace_id, span_id: 'x' }];

/** A span as the store has it, as far as a tree asks. */
const spanRow = (run_id: string, span_id: string, parent_span_id: string, seconds: number) => ({
  tenant_id: 'acme',
  signal: 'span',
  step_id: `${run_id}/${span_id}`,
  ts: new Date(1_795_000_000_000 + seconds * 1000).toISOString().replace('T', ' ').replace('Z', ''),
  ...{ run_id, trace_id: run_id, span_id, parent_span_id, service: 'shop', name: span_id },
  logged_at: '2026-11-18 12:00:00.000',
});
/** Traces that were torn: `leaf` hangs below `mid`, which hangs below `root`; the parents are stored after the children. */
const SPLIT_RUNS = ['root', 'mid', 'leaf', 'twice', 'young'] as const;
const SPLIT_SPANS = [
  spanRow('split-leaf', 'leaf-1', 'mid-2', 102),
  spanRow('split-leaf', 'leaf-2', 'leaf-1', 103),
  spanRow('split-mid', 'mid-1', 'root-1', 101),
  spanRow('split-mid', 'mid-2', 'mid-1', 101),
  // An id two runs have, and a parent that began long after its child.
  spanRow('split-twice', 'twice-1', 'same', 104),
  spanRow('other-a', 'same', '', 100),
  spanRow('other-b', 'same', '', 100),
  spanRow('split-young', 'young-1', 'late', 105),
  spanRow('other-c', 'late', '', 500),
  spanRow('split-root', 'root-1', '', 100),
];

beforeAll(async () => {
  engine = await startTestEngine();
  app = testApi(engine.store);
  const steps = [
    run('c3', 3, { links: linkTo('c2'), session_id: 's-sub' }),
    run('c2', 2, { links: linkTo('c1') }),
    run('c1', 1, { session_id: 's-1', user_id: 'ada' }),
    run('c4', 0, { session_id: 's-1' }),
    run('c5', 5, { session_id: 's-1', service: 'another' }),
    stepOf('score', {
      run_id: 'c1',
      trace_id: 'c1',
      span_id: 'step-c1',
      signal: 'log',
      facts: { 'evaluation.name': 'Relevance', 'evaluation.value': '0.5' },
      ...at(2),
    }),
  ];
  await engine.store.insert('spans', SPLIT_SPANS, { token: 'split' });
  await store(
    [...SPLIT_RUNS].map((id, nth) => [run(`split-${id}`, 100 + nth, id === 'root' ? { session_id: 's-split' } : {})]),
  );
  // One by one, each twice and the younger first: links come before the runs they name.
  await store([...steps, ...steps].map((step) => [step]));
});

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

const get = async (url: string) => {
  const answer = await app.inject({ url, headers: { host: 'localhost:7070' } });
  expect(answer.statusCode, answer.body).toBe(200);
  return z.record(z.string(), z.any()).parse(answer.json());
};
const shapeOf = (path: string): z.ZodType => apiRoutes.find((route) => route.path === path)?.answer ?? z.never();
const idsOf = (runs: readonly { readonly run_id: string }[]) => runs.map((one) => one.run_id);

test('each run of a tree shows the whole of it, its root and its cost, from wherever it is entered', async () => {
  const bodies = await Promise.all(['c1', 'c2', 'c3', 'c4'].map((id) => get(`/api/v1/runs/${id}?tenant=acme`)));
  for (const { tree } of bodies) {
    expect(idsOf(tree.runs)).toEqual(['c4', 'c1', 'c2', 'c3']);
    expect(tree).toMatchObject({ root_run_id: 'c4', is_cut: false, totals: { calls: 4, cost_usd: '0.0009' } });
  }
  const reasons = bodies[0]?.['tree'].links.map((link: { readonly run_id: string; readonly reason: string }) =>
    [link.run_id, link.reason].join(' '),
  );
  expect(reasons.sort()).toEqual([
    'c1 conversation',
    'c2 span_link',
    'c3 conversation',
    'c3 span_link',
    'c4 conversation',
  ]);
  expect(shapeOf('/runs/:run_id').safeParse(bodies[0]).error?.issues ?? []).toEqual([]);
});

test('runs whose spans hang below a span of another trace are one tree, from wherever it is entered', async () => {
  for (const id of ['split-root', 'split-mid', 'split-leaf']) {
    const { tree } = await get(`/api/v1/runs/${id}?tenant=acme`);
    expect(idsOf(tree.runs)).toEqual(['split-root', 'split-mid', 'split-leaf']);
    expect(tree).toMatchObject({ root_run_id: 'split-root', is_cut: false, totals: { calls: 3 } });
    const links: { run_id: string; root_run_id: string; reason: string }[] = tree.links;
    expect(
      links
        .filter(({ reason }) => reason === 'parent_span')
        .map((link) => [link.run_id, link.root_run_id])
        .sort(),
    ).toEqual([
      ['split-leaf', 'split-mid'],
      ['split-mid', 'split-root'],
    ]);
  }
});

test('a parent that two traces have, or that is younger than its child, joins nothing', async () => {
  for (const id of ['split-twice', 'split-young']) {
    const { tree } = await get(`/api/v1/runs/${id}?tenant=acme`);
    expect(idsOf(tree.runs)).toEqual([id]);
  }
});

test('a parent that comes late joins its children when it is there', async () => {
  await engine.store.insert('spans', [spanRow('late-child', 'c', 'p', 201)], { token: 'late-child' });
  await store([[run('late-child', 201, {})]]);
  const before = await get('/api/v1/runs/late-child?tenant=acme');
  expect(idsOf(before['tree'].runs)).toEqual(['late-child']);
  await engine.store.insert('spans', [spanRow('late-parent', 'p', '', 200)], { token: 'late-parent' });
  await store([[run('late-parent', 200, {})]]);
  const after = await get('/api/v1/runs/late-child?tenant=acme');
  expect(idsOf(after['tree'].runs)).toEqual(['late-parent', 'late-child']);
});

test('a session holds runs that hang below a span of one of its runs', async () => {
  const body = await get('/api/v1/sessions/s-split?tenant=acme');
  expect(idsOf(body['runs'])).toEqual(['split-root', 'split-mid']);
});

test('a run nobody linked is a tree of its own', async () => {
  const { tree } = await get('/api/v1/runs/c5?tenant=acme');
  expect(idsOf(tree.runs)).toEqual(['c5']);
  expect(tree.links).toMatchObject([{ root_run_id: runKeyOf('acme', '', 'another', 's-1'), reason: 'conversation' }]);
});

test('a session holds the runs of every service that name it, with their sums', async () => {
  const body = await get('/api/v1/sessions/s-1?tenant=acme');
  expect(idsOf(body['runs'])).toEqual(['c4', 'c1', 'c5']);
  expect(body['totals']).toMatchObject({ calls: 3, cost_usd: '0.000675' });
});

test('evaluations of a run are shown with it, each once', async () => {
  const { scores } = await get('/api/v1/runs/c1?tenant=acme');
  expect(scores).toMatchObject([{ name: 'Relevance', value: 0.5, label: null, span_id: 'step-c1', step_id: 'score' }]);
  expect((await get('/api/v1/runs/c2?tenant=acme'))['scores']).toEqual([]);
});

test('the root is the earliest run that was handed nothing, also when links go in a circle', () => {
  const link = (run_id: string, root_run_id: string, reason = 'hand_off') => ({ run_id, root_run_id, reason });
  const runs = ['old', 'new'].map((run_id) => ({ run_id }));
  expect(rootOf(runs, [link('old', 'new')])).toBe('new');
  expect(rootOf(runs, [link('old', 'new', 'conversation')])).toBe('old');
  expect(rootOf(runs, [link('old', 'new'), link('new', 'old')])).toBe('old');
  expect(rootOf(runs, [link('old', 'never stored')])).toBe('old');
  expect(rootOf([], [])).toBe(null);
});
