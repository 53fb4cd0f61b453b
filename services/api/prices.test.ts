import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { testApi } from '../../test/support/api.ts';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createLedgerFold, createLedgerFoldOf } from '../ledger/fold.ts';
import { type LoadedBook, loadPriceBook } from '../ledger/prices/book.ts';
import { createPriceBookStore } from '../ledger/prices/book-store.ts';
import { createPriceBooks } from '../ledger/prices/books.ts';
import { callOf, contextOf, llmOf } from '../ledger/step-fixture.ts';
import type { Row } from '../runtime/ports.ts';
import { apiRoutes } from './routes/registry.ts';

const bookOf = (text: string): LoadedBook => {
  const read = loadPriceBook([{ path: 'config/prices/own.yaml', text, problem: null }]);
  if (read.kind === 'refused') throw new Error(JSON.stringify(read.problems));
  return read;
};
const OLD = bookOf('prices: [{id: house, models: [house-1], rates: {input_mtok: 1, output_mtok: 2}}]');
const NEW = bookOf(`prices:
  - {id: house, models: [house-1], rates: {input_mtok: 3, output_mtok: 4}}
  - {id: rack, provider: ollama, models: ["llama3.3:70b"], local: {gpu_per_hour: 3.6}}
  - {id: hers, models: [house-2], tenant: acme, account: a1, percent_off: 5, rates: {input_mtok: 9, output_mtok: 9}}
capacity:
  - {id: ptu, provider: azure, model: gpt-4.1, units: 50, per_unit_hour: "1.25", effective_from: 2026-11-18T12:30:00Z, effective_to: 2026-11-18T15:10:00Z}
`);
const FROM = '2026-11-18T00:00:00Z';
const TO = '2026-11-19T00:00:00Z';

let engine: TestEngine;
let app: FastifyInstance;

beforeAll(async () => {
  engine = await startTestEngine();
  const store = createPriceBookStore(engine.store);
  await createPriceBooks(OLD, store).keep(1_795_000_000_000, new AbortController().signal);
  await createPriceBooks(NEW, store).keep(1_795_000_001_000, new AbortController().signal);
  await insertCalls();
  app = testApi(engine.store);
}, 120_000);

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

/** Calls of known, own and unheard-of models, booked by the fold as the service would. */
const insertCalls = async (): Promise<void> => {
  const micros = Date.parse('2026-11-18T12:00:00Z') * 1000;
  const times = { start_unix_micros: micros, end_unix_micros: micros + 5_000_000 };
  const fold = createLedgerFold(NEW.book);
  const steps = [
    llmOf('a', 1000, 500, { ...times, request_model: 'house-1', provider: 'house' }),
    llmOf('b', 1000, 500, { ...times, request_model: 'gpt-4.1', provider: 'openai' }),
    llmOf('c', 700, 70, { ...times, request_model: 'gpt-4.1-minni', provider: 'openai' }),
    llmOf('d', 10, 20, { ...times, request_model: 'llama3.3:70b', provider: 'ollama' }),
    llmOf('e', null, null, { ...times, request_model: 'house-9' }, callOf()),
  ].map((step, at) => ({ ...step, parent_span_id: `p${at}` }));
  const { tables } = fold.step(fold.empty('acme|run-1'), steps, contextOf(0));
  for (const { table, rows } of tables)
    if (rows.length > 0) await engine.store.insert(table, rows as readonly Row[], { token: `t/${table}` });
};

const anything = z.record(z.string(), z.any());
const get = async (path: string) => {
  const answer = await app.inject({ url: `/api/v1${path}`, headers: { host: 'localhost:7070' } });
  expect(answer.statusCode, answer.body.slice(0, 500)).toBe(200);
  const shape = apiRoutes.find((route) => route.path === path.split('?')[0])?.answer ?? z.never();
  expect(shape.safeParse(answer.json()).error?.issues ?? []).toEqual([]);
  return anything.parse(answer.json());
};

describe('prices over HTTP', () => {
  test('the book in force, own prices first, with what narrows them', async () => {
    const { book, prices } = await get('/prices?source=own');
    expect(book).toMatchObject({ price_book: NEW.book.hash, files: ['config/prices/own.yaml'] });
    expect(prices.map((price: { price_id: string }) => price.price_id.split('#')[0])).toEqual([
      'own:hers',
      'own:house',
      'own:rack',
    ]);
    expect(prices[0]).toMatchObject({ tenant_id: 'acme', account: 'a1', rates: { input_mtok: '9' } });
    expect(prices[1].rates).toEqual({ input_mtok: '3', output_mtok: '4' });
    expect(Number(prices[0].percent_off)).toBe(5);
    expect(await get('/prices?source=own&tenant=other')).toMatchObject({ prices: [{ models: ['house-1'] }, {}] });
  });

  test('pages go through the whole list once', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await get(`/prices?limit=900${after === null ? '' : `&after=${encodeURIComponent(after)}`}`);
      seen.push(...page['prices'].map((price: { price_id: string }) => price.price_id));
      after = page['next_after'];
    } while (after !== null);
    expect(new Set(seen).size).toBe(seen.length);
    const [row] = await engine.store.query<{ n: string }>(
      'SELECT count() AS n FROM prices FINAL WHERE price_book = {hash:String}',
      { hash: NEW.book.hash },
    );
    expect(seen.length).toBe(Number(row?.n));
    expect(seen.length).toBeGreaterThan(1000);
  });

  test('what has no price, with the nearest known names, and the share the totals cover', async () => {
    const { coverage, models } = await get(`/prices/unpriced?from=${FROM}&to=${TO}`);
    expect(coverage).toMatchObject({ calls: 5, priced_calls: 3, share: 0.6 });
    expect(models).toHaveLength(1);
    expect(models[0]).toMatchObject({ provider: 'openai', model: 'gpt-4.1-minni', reason: 'no_price', calls: 1 });
    expect([models[0].input_tokens, models[0].output_tokens]).toEqual([700, 70]);
    expect(models[0].nearest.map((one: { model: string }) => one.model)).toContain('gpt-4.1-mini');
    expect((await get(`/prices/unpriced?from=${FROM}&to=${TO}&tenant=nobody`))['coverage']).toMatchObject({
      calls: 0,
      share: null,
    });
  });

  test('cloud and own models on one axis, and capacity beside them by the hours begun', async () => {
    const { models, capacity } = await get(`/prices/use?from=${FROM}&to=${TO}`);
    const byModel = new Map(models.map((one: { model: string }) => [one.model, one]));
    expect(byModel.get('house-1')).toMatchObject({ is_local: false, cost_usd: '0.005', usd_per_run: '0.005' });
    // 5 s at 3.60 an hour for 20 tokens.
    expect(byModel.get('llama3.3:70b')).toMatchObject({ is_local: true, cost_usd: '0.005', usd_per_1k_output: '0.25' });
    expect(byModel.get('gpt-4.1-minni')).toMatchObject({ priced_calls: 0, cost_usd: null, usd_per_1k_output: null });
    expect(capacity).toHaveLength(1);
    // 13:00, 14:00 and 15:00 began while it was had: three hours of 50 units.
    expect(capacity[0]).toMatchObject({ units: 50, hours: 3, model: 'gpt-4.1' });
    expect(Number(capacity[0].cost_usd)).toBe(187.5);
  });

  test('the console page shows what has no price and says what share is known', async () => {
    const answer = await app.inject({ url: '/prices?range=30d', headers: { host: 'localhost:7070' } });
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toContain('Price book');
    expect(answer.body).toContain(NEW.book.hash.slice(0, 8));
  });
});

describe('weights that change under one name', () => {
  test('are told with the digests, and one digest is nothing to tell', async () => {
    const entry = (id: string, model: string, digest: string): Row => ({
      entry_id: id,
      entry_kind: 'call',
      tenant_id: 'weights',
      ts: '2026-11-18 12:00:00.000000',
      booked_at: '2026-11-18 12:00:01.000',
      call_id: id,
      run_id: `run-${id}`,
      service: 'rack',
      family: 'f',
      model,
      labels: { 'model.digest': digest },
      calls: 1,
      logged_at: '2026-11-18 12:00:01.000',
    });
    const rows = [entry('1', 'llama', 'sha256:aa'), entry('2', 'llama', 'sha256:bb'), entry('3', 'qwen', 'sha256:cc')];
    await engine.store.insert('ledger_entries', rows, { token: 'weights' });
    const { findings } = await get(`/telemetry?tenant=weights&from=${FROM}&to=${TO}`);
    const found = findings.filter((finding: { id: string }) => finding.id === 'weights_changed');
    expect(found).toHaveLength(1);
    expect(found[0].senders).toMatchObject([{ service: 'rack', calls: 2, detail: 'llama sha256:aa, llama sha256:bb' }]);
  });
});

describe('a batch that was open when the price book changed', () => {
  const { signal } = new AbortController();

  test('is priced by the book it began with, whichever is in force', async () => {
    const books = createPriceBooks(NEW, createPriceBookStore(engine.store));
    await books.ready(OLD.book.hash, signal);
    const fold = createLedgerFoldOf(books);
    const step = llmOf('z', 1_000_000, 0, { request_model: 'house-1', provider: 'house' });
    const costUnder = (variant: string): readonly unknown[] =>
      (fold.step(fold.empty('acme|run-1'), [step], { ...contextOf(0), variant }).tables[0]?.rows ?? []).map((row) => [
        row['cost_usd'],
        row['price_book'],
      ]);
    expect(costUnder(OLD.book.hash)).toEqual([['1.000000000000', OLD.book.hash]]);
    expect(costUnder(NEW.book.hash)).toEqual([['3.000000000000', NEW.book.hash]]);
    expect(costUnder('')).toEqual([['3.000000000000', NEW.book.hash]]);
  });

  test('keeps its book when another is taken in the middle, which is written down before it prices', async () => {
    const books = createPriceBooks(OLD, createPriceBookStore(engine.store));
    const fold = createLedgerFoldOf(books);
    const began = books.current();
    await books.take(NEW, 1_795_000_002_000, signal);
    expect(books.current()).toBe(NEW.book.hash);
    await books.ready(began, signal);
    const step = llmOf('z', 1_000_000, 0, { request_model: 'house-1', provider: 'house' });
    const [booked] =
      fold.step(fold.empty('acme|run-1'), [step], { ...contextOf(0), variant: began }).tables[0]?.rows ?? [];
    expect(booked?.['price_book']).toBe(OLD.book.hash);
    const [kept] = await engine.store.query<{ readonly hash: string }>(
      'SELECT argMax(price_book, loaded_at) AS hash FROM price_books',
      {},
    );
    expect(kept?.hash).toBe(NEW.book.hash);
  });

  test('whose intent is lost is known by its rows', async () => {
    const books = createPriceBooks(OLD, createPriceBookStore(engine.store));
    expect(await books.find('batch-0', signal)).toBe(NEW.book.hash);
    expect(await books.find('batch-none', signal)).toBe('');
  });

  test('and by a book nobody has any more stops, unless none of its rows landed', async () => {
    const books = createPriceBooks(OLD, createPriceBookStore(engine.store));
    await books.ready('0'.repeat(32), signal);
    expect(books.get('0'.repeat(32))).toBe(OLD.book);
    await engine.store.command(
      `INSERT INTO ledger_entries (entry_id, batch_id, price_book, logged_at) VALUES ('x', 'open', '${'1'.repeat(32)}', now64(3))`,
    );
    await expect(books.ready('1'.repeat(32), signal)).rejects.toMatchObject({ retryable: true });
  });
});
