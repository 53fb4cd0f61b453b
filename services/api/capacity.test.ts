import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { testApi } from '../../test/support/api.ts';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createLedgerFold } from '../ledger/fold.ts';
import { type LoadedBook, loadPriceBook } from '../ledger/prices/book.ts';
import { createPriceBookStore } from '../ledger/prices/book-store.ts';
import { contextOf, llmOf } from '../ledger/step-fixture.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Row } from '../runtime/ports.ts';

const bookOf = (text: string): LoadedBook => {
  const read = loadPriceBook([{ path: 'p.yaml', text, problem: null }]);
  if (read.kind === 'refused') throw new Error(JSON.stringify(read.problems));
  return read;
};
const BOOK = bookOf(`prices: [{id: house, models: [house-1], rates: {input_mtok: 1, output_mtok: 2}}]
capacity:
  - {id: ours, provider: azure, model: GPT-4.1, tenant: acme, units: 2, per_unit_hour: "1.25", effective_from: 2026-11-18T12:00:00Z, effective_to: 2026-11-18T15:00:00Z}
  - {id: everybodys, provider: aws, units: 0.333333, per_unit_hour: "0.000001", effective_from: 2026-11-18T23:30:00Z}
`);
const RANGE = 'from=2026-11-18T00:00:00Z&to=2026-11-19T06:00:00Z';

let engine: TestEngine;
let app: FastifyInstance;

beforeAll(async () => {
  engine = await startTestEngine();
  await keep(BOOK, 1_795_000_000_000);
  const micros = Date.parse('2026-11-18T12:00:00Z') * 1000;
  const times = { start_unix_micros: micros, end_unix_micros: micros + 5_000_000 };
  const fold = createLedgerFold(BOOK.book);
  const steps = [
    llmOf('a', 1_000_000, 0, { ...times, request_model: 'house-1', provider: 'house' }),
    llmOf('b', 700, 70, { ...times, request_model: 'nobodys', provider: 'house' }),
  ].map((step, at) => ({ ...step, parent_span_id: `p${at}` }));
  for (const { table, rows } of fold.step(fold.empty('acme|run-1'), steps, contextOf(0)).tables)
    if (rows.length > 0) await engine.store.insert(table, rows as readonly Row[], { token: `t/${table}` });
  app = testApi(engine.store);
}, 120_000);

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

const keep = (book: LoadedBook, atMs: number): Promise<void> =>
  createPriceBookStore(engine.store).keep(book, atMs, new AbortController().signal);
const get = async (path: string) => {
  const answer = await app.inject({ url: `/api/v1${path}`, headers: { host: 'localhost:7070' } });
  expect(answer.statusCode, answer.body.slice(0, 500)).toBe(200);
  return z.record(z.string(), z.any()).parse(answer.json());
};

test('capacity stands beside the cost of calls, and in a sum only where that is asked for', async () => {
  const beside = await get(`/costs?${RANGE}`);
  expect(beside['total']).toMatchObject({ cost_usd: '1', calls: 2, known_calls: 1 });
  // 3 hours of two units at 1.25; hours of a third of a unit, of which six begin by 06:00 (00:00 to 05:00).
  expect(beside['capacity']).toMatchObject({ cost_usd: '7.500001999998', shared_cost_usd: null, not_divided_by: [] });
  expect(beside['capacity'].lines.map((line: { hours: number }) => line.hours)).toEqual([6, 3]);
  expect(beside).not.toHaveProperty('total_with_capacity_usd');
  const included = await get(`/costs?${RANGE}&capacity=include`);
  expect(included['total_with_capacity_usd']).toBe('8.500001999998');
  expect(included['total']).toEqual(beside['total']);
});

test('what is bought for everybody is in no sum of one tenant, and told', async () => {
  const { capacity, total_with_capacity_usd } = await get(`/costs?${RANGE}&capacity=include&tenant=acme`);
  expect(capacity).toMatchObject({ cost_usd: '7.5', shared_cost_usd: '0.000001999998' });
  expect(total_with_capacity_usd).toBe('8.5');
  const other = await get(`/costs?${RANGE}&capacity=include&tenant=other`);
  expect(other['capacity']).toMatchObject({ cost_usd: null, shared_cost_usd: '0.000001999998' });
  expect(other['total_with_capacity_usd']).toBeNull();
});

test('capacity is told apart by provider and model, and by nothing else', async () => {
  expect((await get(`/costs?${RANGE}&provider=azure&capacity=include`))['capacity'].cost_usd).toBe('7.5');
  expect((await get(`/costs?${RANGE}&model=gpt-4.1`))['capacity'].cost_usd).toBe('7.5');
  expect((await get(`/costs?${RANGE}&model=house-1`))['capacity']).toMatchObject({ cost_usd: null, lines: [] });
  const byAgent = await get(`/costs?${RANGE}&agent_name=refunds&team=core&capacity=include`);
  expect(byAgent['capacity']).toMatchObject({ cost_usd: null, lines: [], not_divided_by: ['agent_name', 'team'] });
});

test('the first page says what capacity came to, beside the spend and with it', async () => {
  const nowMs = Date.parse('2026-11-18T20:00:00Z');
  const page = testApi(engine.store, { clock: { ...systemClock, nowMs: () => nowMs } });
  try {
    const answer = await page.inject({ url: '/?range=24h&tenant=acme', headers: { host: 'localhost:7070' } });
    expect(answer.statusCode).toBe(200);
    const words = answer.body.replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ');
    expect(words).toContain('Capacity by the hour $7.50 beside it; $8.50 with it');
    expect(words).toMatch(/Spend, last 24 hours ?\$1\.00/);
  } finally {
    await page.close();
  }
});

test('capacity by hand from public prices', async () => {
  const { capacity } = JSON.parse(
    readFileSync(new URL('../../test/fixtures/prices/thirty-calls.json', import.meta.url), 'utf8'),
  ) as {
    readonly capacity: readonly {
      readonly price_file: readonly string[];
      readonly from: string;
      readonly to: string;
      readonly hours: number;
      readonly usd: string;
    }[];
  };
  expect(capacity.length).toBeGreaterThan(0);
  for (const [at, { price_file, from, to, hours, usd }] of capacity.entries()) {
    await keep(bookOf(price_file.join('\n')), 1_795_000_001_000 + at);
    const told = (await get(`/costs?from=${from}&to=${to}`))['capacity'];
    expect([Number(told.cost_usd), told.lines[0].hours]).toEqual([Number(usd), hours]);
  }
  await keep(BOOK, 1_795_000_009_000);
});
