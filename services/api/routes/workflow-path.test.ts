import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { testApi } from '../../../test/support/api.ts';
import { startTestEngine, type TestEngine } from '../../../test/support/engine.ts';
import { entryRow, runRow, spanRow } from '../../../test/support/seed-builders.ts';
import { systemClock } from '../../runtime/clock.ts';
import { workflowPathRoutes } from './workflow-path.ts';

let engine: TestEngine;
let app: FastifyInstance;

const nowMicros = systemClock.nowMs() * 1000;
const get = (url: string) => app.inject({ url, headers: { host: 'localhost:7070' } });
const bodyOf = async (url: string) => {
  const answer = await get(url);
  expect(answer.statusCode, answer.body.slice(0, 400)).toBe(200);
  return z.record(z.string(), z.any()).parse(answer.json());
};
const shapeOf = (path: string): z.ZodType =>
  workflowPathRoutes.find((route) => route.path === path)?.answer ?? z.never();

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

describe('GET critical-path of a workflow', () => {
  const WORKFLOW = "night's load/1";
  const CALL = { model: 'm', provider: 'p', input: 1, cached: null, output: 1, reasoning: null, why: null };
  const startMs = Math.floor(nowMicros / 1000) - 3_600_000;
  /** Two steps side by side: the run's end waited for the longer one. */
  const forked = (run_id: string, at_ms: number, searchMs: number, fetchMs: number) => {
    const span = (span_id: string, parent_span_id: string, ms: number, more: object) =>
      spanRow({
        at_ms,
        run_id,
        trace_id: run_id,
        span_id,
        parent_span_id,
        step_id: `${run_id}-${span_id}`,
        duration_ns: ms * 1e6,
        name: 'x',
        ...more,
      });
    return [
      span('root', '', Math.max(searchMs, fetchMs), { step_kind: 'agent', name: 'invoke_agent' }),
      span('a', 'root', searchMs, { step_kind: 'tool', tool_name: 'search' }),
      span('b', 'root', fetchMs, { step_kind: 'tool', tool_name: 'fetch' }),
    ];
  };
  const runs = [
    { run_id: 'wf-1', at: startMs, search: 500, fetch: 200, cost: '0.25' },
    { run_id: 'wf-2', at: startMs + 60_000, search: 100, fetch: 700, cost: null },
  ];

  beforeAll(async () => {
    engine = await startTestEngine();
    app = testApi(engine.store);
    const insert = (table: string, rows: readonly object[]) =>
      engine.store.insert(
        table,
        rows.map((row) => ({ ...row })),
        { token: `workflow-${table}` },
      );
    await insert(
      'spans',
      runs.flatMap(({ run_id, at, search, fetch }) => forked(run_id, at, search, fetch)),
    );
    await insert(
      'runs',
      runs.map(({ run_id, at }) => runRow(at, at + 700, [], { run_id, name: 'x', workflow: WORKFLOW })),
    );
    await insert(
      'ledger_entries',
      runs.map(({ run_id, at, cost }) =>
        entryRow(at, { ...CALL, cost }, { entry_id: run_id, call_id: run_id, run_id, trace_id: run_id, span_id: 'a' }),
      ),
    );
  });

  test('sums what its runs waited for and paid for, and says what is not known', async () => {
    const found = await bodyOf(`/api/v1/critical-path?workflow=${encodeURIComponent(WORKFLOW)}`);
    expect(shapeOf('/critical-path').safeParse(found).error?.issues ?? []).toEqual([]);
    expect(found).toMatchObject({ tenant_id: 'demo', runs: { found: 2, judged: 2 }, ms: 1_200, cost_usd: '0.25' });
    expect(found['longest_run']).toEqual({ run_id: 'wf-2', ms: 700 });
    const [fetched, searched, agent] = found['steps'];
    expect(fetched).toMatchObject({
      name: 'fetch',
      ms: 700,
      runs_on_path: 1,
      spans: 2,
      cost_usd: null,
      share_of_cost: null,
    });
    expect(searched).toMatchObject({
      name: 'search',
      ms: 500,
      cost_usd: '0.25',
      share_of_cost: 1,
      calls_without_cost: 1,
    });
    expect(agent).toMatchObject({ name: 'invoke_agent', ms: 0, runs_on_path: 0 });
    expect(found['unknown']).toEqual({ uncovered_ms: 0, calls_without_cost: 1, orphans: 0, truncated: false });
  });

  test('judges the newest runs when there are more, and sums the steps it does not list', async () => {
    const found = await bodyOf(`/api/v1/critical-path?workflow=${encodeURIComponent(WORKFLOW)}&runs=1&limit=1`);
    expect(found).toMatchObject({ runs: { found: 2, judged: 1 }, ms: 700, rest: { steps: 2, ms: 0, cost_usd: null } });
    expect(found['unknown'].truncated).toBe(true);
  });

  test('the console shows the same, and says what is not known', async () => {
    const { body, statusCode } = await get(`/workflow?workflow=${encodeURIComponent(WORKFLOW)}`);
    expect(statusCode).toBe(200);
    expect(body).toContain('night&#39;s load/1');
    expect(body).toMatch(/fetch.*58\.3 %.*search.*41\.7 %/s);
    expect(body).toContain('not known');
    expect((await get('/workflow?workflow=none')).body).toContain('It has no run');
    expect((await get(`/runs?workflow=${encodeURIComponent(WORKFLOW)}`)).body).toContain('what they wait for');
  });

  test('a workflow nobody has answers 404', async () => {
    expect((await get('/api/v1/critical-path?workflow=none')).statusCode).toBe(404);
    expect((await get('/api/v1/critical-path')).statusCode).toBe(400);
  });
});
