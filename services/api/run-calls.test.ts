import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { testApi } from '../../test/support/api.ts';
import { startCapturedEngine } from '../../test/support/captured-store.ts';
import type { TestEngine } from '../../test/support/engine.ts';
import { apiRoutes } from './routes/registry.ts';

const EMITTERS = ['openlit', 'vercel-ai7', 'otel-openai', 'codex'] as const;

let engine: TestEngine;
let app: FastifyInstance;

beforeAll(async () => {
  engine = await startCapturedEngine(EMITTERS);
  app = testApi(engine.store);
}, 120_000);

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

const anything = z.record(z.string(), z.any());
const get = async (url: string) => {
  const answer = await app.inject({ url, headers: { host: 'localhost:7070' } });
  expect(answer.statusCode, answer.body.slice(0, 500)).toBe(200);
  return anything.parse(answer.json());
};
const runsOf = async (tenant: string): Promise<readonly string[]> => {
  const runs = await engine.store.query<{ run_id: string }>(
    'SELECT run_id FROM runs FINAL WHERE tenant_id = {tenant:String} AND calls > 0 ORDER BY run_id',
    { tenant },
  );
  expect(runs.length).toBeGreaterThan(0);
  return runs.map((run) => run.run_id);
};
const callsOf = async (tenant: string) => {
  const all = [];
  for (const run of await runsOf(tenant)) all.push(await get(`/api/v1/runs/${run}/calls?tenant=${tenant}`));
  return all;
};

describe('GET runs/:run_id/calls', () => {
  test.each(EMITTERS)('%s: is what its schema says, and the run links to it', async (tenant) => {
    const shape = apiRoutes.find((route) => route.path === '/runs/:run_id/calls')?.answer ?? z.never();
    for (const run of await runsOf(tenant)) {
      const { calls } = await get(`/api/v1/runs/${run}?tenant=${tenant}`);
      expect(shape.safeParse(await get(calls)).error?.issues ?? []).toEqual([]);
    }
  });

  test.each(EMITTERS)('%s: explains exactly what stands in the books', async (tenant) => {
    for (const run of await runsOf(tenant)) {
      const { bookings } = await get(`/api/v1/runs/${run}?tenant=${tenant}`);
      const { calls, evidence } = await get(`/api/v1/runs/${run}/calls?tenant=${tenant}`);
      expect(evidence).toBe('held');
      const ids = (list: { entry_id: string }[]) => list.map((entry) => entry.entry_id).sort();
      expect(ids(calls.flatMap((call: { bookings: { entry_id: string }[] }) => call.bookings))).toEqual(ids(bookings));
    }
  });

  test('a call that three told is one call: by its response id, the finest figures believed', async () => {
    const calls = (await callsOf('openlit')).flatMap((run) => run['calls']);
    const three = calls.find((call) => call.evidence?.length === 3);
    expect(three?.bookings).toHaveLength(1);
    expect(new Set(three?.evidence.map((one: { signal: string }) => one.signal))).toEqual(new Set(['span', 'log']));
    expect(three?.evidence[0].because).toMatch(/^believed: it .*; same call by the response id$/);
    expect(three?.evidence[1].because).toMatch(/^not believed first: the believed one /);
  });

  test('details nobody told make an upper bound, in words', async () => {
    const calls = (await callsOf('otel-openai')).flatMap((run) => run['calls']);
    const bounded = calls.filter((call) => call.is_upper_bound);
    expect(bounded.length).toBeGreaterThan(0);
    expect(bounded[0]?.uncertainty).toMatch(/^Not told: tokens read from the cache .* upper bound\.$/);
    const silent = calls.find((call) => call.bookings[0]?.unpriced_reason === 'no_usage');
    expect(silent).toMatchObject({ uncertainty: 'Cost unknown: nobody told its tokens.', bill: null });
  });

  test('sums around calls are set aside with the reason', async () => {
    const aside = (await callsOf('vercel-ai7')).flatMap((run) => run['set_aside']);
    expect(new Set(aside.map((one) => one.because))).toEqual(new Set(['wrapper']));
    expect(aside[0].words).toBe('repeats or sums the calls below it, which are booked');
  });

  test('pages hold every call once', async () => {
    for (const run of await runsOf('vercel-ai7')) {
      const whole = await get(`/api/v1/runs/${run}/calls?tenant=vercel-ai7`);
      const ids: string[] = [];
      let after: string | null = '';
      while (after !== null) {
        const page: z.infer<typeof anything> = await get(
          `/api/v1/runs/${run}/calls?tenant=vercel-ai7&limit=2${after === '' ? '' : `&after=${after}`}`,
        );
        ids.push(...page['calls'].map((call: { call_id: string }) => call.call_id));
        after = page['next_after'];
      }
      expect(ids).toEqual(whole['calls'].map((call: { call_id: string }) => call.call_id));
    }
  });

  test('a state that is gone leaves the bookings, and says so', async () => {
    const [run] = await runsOf('codex');
    await engine.store.command(
      "ALTER TABLE run_state DELETE WHERE service = 'ledger' AND startsWith(run_key, 'codex|') SETTINGS mutations_sync = 2",
    );
    const answer = await get(`/api/v1/runs/${run}/calls?tenant=codex`);
    expect(answer['evidence']).toBe('expired');
    expect(answer['calls'].length).toBeGreaterThan(0);
    expect(answer['calls'][0]).toMatchObject({ evidence: null, bill: null, bucket_from: null });
  });
});
