import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { testApi } from '../../test/support/api.ts';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { entryRow, runRow, spanRow } from '../../test/support/seed-builders.ts';
import { insertRows } from '../../test/support/seed-rows.ts';
import { systemClock } from '../runtime/clock.ts';

/** NULL never becomes 0: whatever is unknown in the store is null in an answer and words or a dash on a page. */

const SEED = 20_261;
const CASES = 12;

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
});
afterAll(async () => engine?.close());

/** A bucket is told (never as 0, so that a 0 in an answer can only be made up) or unknown. */
const bucket = fc.option(fc.integer({ min: 1, max: 5000 }), { nil: null });
const callArb = fc.record({
  tokens: fc.record(Object.fromEntries(TOKEN_COLUMNS.map((column) => [column, bucket]))),
  cost: fc.option(fc.constant('0.0125'), { nil: null }),
  model: fc.option(fc.constant('gpt-5'), { nil: null }),
});
const runArb = fc.array(callArb, { minLength: 1, maxLength: 4 });
type Call = typeof callArb extends fc.Arbitrary<infer T> ? T : never;

const rowsOf = (tenant: string, runId: string, calls: readonly Call[]) => {
  const nowMs = systemClock.nowMs() - 60_000;
  const base = { tenant_id: tenant, run_id: runId, session_id: `s-${runId}`, service: 'shop' };
  const shown = calls.map((call) => ({
    model: call.model,
    provider: null,
    input: null,
    cached: null,
    output: null,
    reasoning: null,
    cost: call.cost,
    why: call.cost === null ? 'no_usage' : null,
  }));
  return {
    spans: calls.map((_call, at) =>
      spanRow({
        ...base,
        at_ms: nowMs + at,
        step_id: `${runId}-${at}`,
        span_id: `${at}`,
        step_kind: 'llm',
        call_role: 'leaf',
        name: 'chat',
        duration_ns: 1_000_000_000,
      }),
    ),
    ledger_entries: calls.map((call, at) =>
      entryRow(nowMs + at, shown[at] as (typeof shown)[number], {
        ...base,
        entry_id: `${runId}-${at}`,
        call_id: `${runId}-${at}`,
        span_id: `${at}`,
        untold: [],
        ...call.tokens,
      }),
    ),
    runs: [{ ...runRow(nowMs, nowMs + 5000, shown, base), input_tokens: null, output_tokens: null }],
  };
};

/** Every value under one of these keys, wherever it stands. */
const valuesOf = (value: unknown, keys: ReadonlySet<string>): readonly unknown[] => {
  if (Array.isArray(value)) return value.flatMap((inner) => valuesOf(inner, keys));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (keys.has(key) ? [inner] : valuesOf(inner, keys)));
};
const UNKNOWABLE: ReadonlySet<string> = new Set([
  ...TOKEN_COLUMNS,
  'cost_usd',
  'reported_cost_usd',
  'estimated_cost_usd',
]);

const sumTold = (calls: readonly Call[], column: string): number | null => {
  const told = calls.map((call) => call.tokens[column] ?? null).filter((value) => value !== null);
  return told.length === 0 ? null : told.reduce((sum, value) => sum + value, 0);
};

test(`what is unknown is null in every answer and never a 0 on a page (seed ${SEED})`, async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(runArb, async (calls) => {
      count += 1;
      const [tenant, runId] = [`t${count}`, `run${count}`];
      await insertRows(engine.store, rowsOf(tenant, runId, calls), runId);
      const app = testApi(engine.store);
      const get = async (url: string) => {
        const answer = await app.inject({ url, headers: { host: 'localhost:7070' } });
        expect(answer.statusCode, answer.body.slice(0, 300)).toBe(200);
        return answer;
      };
      for (const path of [
        `runs/${runId}`,
        `runs/${runId}/calls`,
        `runs/${runId}/steps`,
        `sessions/s-${runId}`,
        'telemetry',
      ]) {
        const values = valuesOf((await get(`/api/v1/${path}?tenant=${tenant}`)).json(), UNKNOWABLE);
        expect(
          values.filter((value) => value !== null && Number(value) === 0),
          path,
        ).toEqual([]);
      }
      const { totals } = (await get(`/api/v1/runs/${runId}?tenant=${tenant}`)).json();
      for (const column of TOKEN_COLUMNS) expect(totals[column], column).toBe(sumTold(calls, column));
      expect(totals.cost_usd === null).toBe(calls.every((call) => call.cost === null));
      for (const path of [
        `runs/${runId}`,
        `runs/${runId}?view=calls`,
        `runs/${runId}?view=bookings`,
        `sessions/s-${runId}`,
        'telemetry',
      ]) {
        const page = (await get(`/${path}${path.includes('?') ? '&' : '?'}tenant=${tenant}`)).body;
        expect(page.match(/\$0(?:\.0+)?(?![.\d])|>\s*(?:NaN|null|undefined)\b|\bNaN\b/g), path).toBeNull();
      }
      await app.close();
    }),
    { seed: SEED, numRuns: CASES },
  );
}, 240_000);
