import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { testApi } from '../../../test/support/api.ts';
import { startCapturedEngine } from '../../../test/support/captured-store.ts';
import type { TestEngine } from '../../../test/support/engine.ts';
import { spanRow } from '../../../test/support/seed-builders.ts';
import { insertRows } from '../../../test/support/seed-rows.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { Row } from '../../runtime/ports.ts';
import { utcMillis } from '../../runtime/stream/time.ts';
import { apiRoutes } from '../routes/registry.ts';
import { readTelemetry, type TelemetryReport } from './read.ts';
import { FINDINGS } from './registry.ts';

const EMITTERS = [
  'vercel-ai7',
  'openlit',
  'openai-agents-openinference',
  'otel-openai',
  'google-adk',
  'mastra-bridge',
] as const;
/** Later than the time parents are waited for. */
const AHEAD_MS = 120_000;

let engine: TestEngine;
let report: TelemetryReport;

const look = (tenant: string | null): Promise<TelemetryReport> => {
  const toMs = systemClock.nowMs() + AHEAD_MS;
  return readTelemetry(engine.store, { tenant, fromMs: toMs - 86_400_000, toMs });
};
const rowsOf = (id: string, tenant: string) =>
  report.findings.find(({ finding }) => finding.id === id)?.rows.filter((row) => row.tenant_id === tenant) ?? [];
const callsOf = (id: string, tenant: string) => rowsOf(id, tenant).map((row) => row.calls);

beforeAll(async () => {
  engine = await startCapturedEngine(EMITTERS);
  await insertRows(engine.store, madeUpRows(systemClock.nowMs()), 'made-up');
  report = await look(null);
}, 240_000);

afterAll(async () => engine?.close());

describe('recorded emitters show the faults they are known for', () => {
  test('two instrumentations tell one call: eleven of OpenLIT, none of the AI SDK', () => {
    expect(callsOf('twins', 'openlit')).toEqual([11]);
    expect(rowsOf('twins', 'openlit')[0]?.detail).toContain('com.anthropic.sdk.typescript');
    expect(rowsOf('twins', 'vercel-ai7')).toEqual([]);
    expect(rowsOf('twins', 'otel-openai')).toEqual([]);
  });

  test('one response with two totals: OpenLIT counts the first chunk of a stream twice', () => {
    expect(rowsOf('colliding_counters', 'openlit').map((row) => [row.calls, row.detail])).toEqual([
      [1, '302 and 303 output tokens for one response'],
    ]);
    for (const clean of ['vercel-ai7', 'otel-openai', 'google-adk'])
      expect(rowsOf('colliding_counters', clean)).toEqual([]);
  });

  test('roots that were never sent: two of OpenAI Agents', () => {
    expect(rowsOf('orphans', 'openai-agents-openinference').map((row) => row.steps)).toEqual([2]);
    expect(callsOf('orphans', 'openai-agents-openinference')).toEqual([2]);
    for (const clean of ['vercel-ai7', 'otel-openai', 'openlit']) expect(rowsOf('orphans', clean)).toEqual([]);
  });

  test('a stream without usage: one of the OpenAI instrumentation, none of the AI SDK', () => {
    expect(callsOf('no_usage', 'otel-openai')).toEqual([1]);
    expect(rowsOf('no_usage', 'otel-openai')[0]).toMatchObject({ calls_of_sender: 14 });
    expect(rowsOf('no_usage', 'vercel-ai7')).toEqual([]);
  });

  test('cache and reasoning not told apart', () => {
    expect(callsOf('cache_untold', 'otel-openai')).toEqual([11]);
    expect(callsOf('reasoning_untold', 'otel-openai')).toEqual([11]);
    expect(rowsOf('cache_untold', 'vercel-ai7')).toEqual([]);
    // Anthropic tells no reasoning to anybody.
    expect(rowsOf('reasoning_untold', 'vercel-ai7')[0]?.detail).toMatch(/^claude-[^,]*, claude-[^,]*$/);
  });

  test('figures the sender estimated, and sums over calls nobody told', () => {
    expect(callsOf('estimated', 'openlit')).toEqual([1]);
    expect(callsOf('sums_only', 'mastra-bridge')).toEqual([16]);
    for (const clean of ['vercel-ai7', 'otel-openai', 'google-adk']) {
      expect(rowsOf('estimated', clean)).toEqual([]);
      expect(rowsOf('sums_only', clean)).toEqual([]);
    }
  });

  test('no service name, no user', () => {
    expect(rowsOf('no_service', 'google-adk').length).toBeGreaterThan(0);
    expect(callsOf('no_user', 'google-adk')).toEqual([18]);
    expect(rowsOf('no_service', 'vercel-ai7')).toEqual([]);
    expect(rowsOf('no_session', 'google-adk')).toEqual([]);
  });

  test('no recorded emitter has a wrong clock, refused records or copies', () => {
    for (const tenant of EMITTERS)
      for (const id of ['clock_skew', 'dead_letters', 'copies', 'agents_without_calls'])
        expect(rowsOf(id, tenant)).toEqual([]);
  });
});

/** What no recorded emitter does. */
const madeUpRows = (nowMs: number): Readonly<Record<string, readonly Row[]>> => {
  const base = { tenant_id: 'made-up', batch_id: 'made-up', logged_at: utcMillis(nowMs) };
  const place = { log_id: 'l', log_topic: 'otlp_spans', log_partition: 0, log_offset: 3, log_index: 0 };
  const span = (run: string, span_id: string, change: Row, at_ms = nowMs - 60_000): Row =>
    spanRow({
      ...base,
      service: 'shop',
      run_id: run,
      trace_id: run,
      span_id,
      step_id: `${run}-${span_id}`,
      at_ms,
      ...change,
    });
  const keys = (input: string, prompt: string): Row => ({
    step_kind: 'llm',
    call_role: 'leaf',
    attributes: { 'gen_ai.usage.input_tokens': input, 'gen_ai.usage.prompt_tokens': prompt },
  });
  return {
    spans: [
      span('ahead', 'a', { call_role: 'leaf', step_kind: 'llm' }, nowMs + 3_600_000),
      span('before', 'p', {}),
      span('before', 'c', { parent_span_id: 'p', step_kind: 'tool' }, nowMs - 120_000),
      span('idle', 'a', { step_kind: 'agent', agent_name: 'researcher' }),
      span('twice', 'a', { step_kind: 'tool' }),
      span('keys', 'a', keys('10', '12')),
      span('keys', 'b', keys('10', '10')),
    ],
    span_duplicates: [{ ...base, ...place, step_id: 'twice-a', run_id: 'twice', trace_id: 'twice', span_id: 'a' }],
    dead_letters: [{ ...base, ...place, topic: 'otlp_spans', reason: 'undecodable', detail: 'wire type 7', bytes: 12 }],
  };
};

describe('faults no recording has', () => {
  test('times ahead of the log, and children before their parents', () => {
    expect(rowsOf('clock_skew', 'made-up')).toMatchObject([
      { calls: 1, steps: 2, detail: 'ahead of the log, before its parent' },
    ]);
  });
  test('copies, refused records, agents nobody pays for, two keys that disagree', () => {
    expect(rowsOf('copies', 'made-up')).toMatchObject([{ calls: null, steps: 1, service: 'shop' }]);
    expect(rowsOf('dead_letters', 'made-up')).toMatchObject([
      { calls: null, steps: 1, service: '', detail: 'undecodable, newest: wire type 7' },
    ]);
    expect(rowsOf('agents_without_calls', 'made-up')).toMatchObject([{ calls: null, detail: 'researcher' }]);
    expect(rowsOf('colliding_counters', 'made-up')).toMatchObject([{ calls: 1, detail: 'two keys of one span' }]);
  });
  test('nothing of another tenant, and nothing of another time', async () => {
    const own = await look('made-up');
    expect(new Set(own.findings.flatMap(({ rows }) => rows.map((row) => row.tenant_id)))).toEqual(new Set(['made-up']));
    const past = await readTelemetry(engine.store, {
      tenant: null,
      fromMs: 1_000_000_000_000,
      toMs: 1_000_086_400_000,
    });
    expect(past).toEqual({ findings: [], senders: [] });
  });
});

describe('the registry and the route', () => {
  test('ids are told once, and every finding says what it does and what to do', () => {
    expect(new Set(FINDINGS.map((finding) => finding.id)).size).toBe(FINDINGS.length);
    for (const finding of FINDINGS) expect(Math.min(finding.effect.length, finding.fix.length)).toBeGreaterThan(20);
  });
  test('GET /telemetry is what its schema says', async () => {
    const app = testApi(engine.store);
    const answer = await app.inject({ url: '/api/v1/telemetry?from=7d', headers: { host: 'localhost:7070' } });
    expect(answer.statusCode, answer.body.slice(0, 300)).toBe(200);
    const shape = apiRoutes.find((route) => route.path === '/telemetry')?.answer ?? z.never();
    expect(shape.safeParse(answer.json()).error?.issues ?? []).toEqual([]);
    await app.close();
  });
});
