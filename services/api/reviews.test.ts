import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSeededEngine, testApi } from '../../test/support/api.ts';
import type { TestEngine } from '../../test/support/engine.ts';
import { FLOW_VIOLATION } from '../../test/support/seed-incidents.ts';
import { SHARED_VIOLATION } from '../../test/support/seed-watch.ts';

let engine: TestEngine;
let app: FastifyInstance;

const LOCAL = { host: 'localhost:7070' };
const logged = () =>
  engine.store.query<{ action: string }>(
    'SELECT actor, action, detail FROM access_log WHERE subject = {subject:String} ORDER BY at',
    { subject: `violation:${FLOW_VIOLATION}` },
  );

beforeAll(async () => {
  engine = await startSeededEngine();
  app = testApi(engine.store);
});

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

describe('reviewing a violation', () => {
  const review = (action: string, payload: object, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: `/api/v1/violations/${FLOW_VIOLATION}/${action}`,
      headers: { ...LOCAL, ...headers },
      payload,
    });

  test('the newest word counts, every word is kept with its name, and each is in the access log', async () => {
    expect((await review('confirm', {})).json()).toMatchObject({ review: 'confirm', reviewed_by: 'local' });
    expect((await review('dismiss', { actor: 'ada', comment: 'a test' })).json()).toMatchObject({
      review: 'dismiss',
      reviewed_by: 'ada',
    });
    const excepted = (await review('except', { reason: 'agreed', until: '7d', actor: 'grace' })).json();
    expect(excepted).toMatchObject({ review: 'except', reviewed_by: 'grace' });
    expect(excepted.effect).toContain('nothing is held back by an exception yet');
    expect(excepted.reviews.map((row: { review: string }) => row.review)).toEqual(['except', 'dismiss', 'confirm']);
    const later = (await review('confirm', {})).json();
    expect(later).toMatchObject({ review: 'confirm', excepted_until: null });
    expect((await logged()).map((row) => row.action)).toEqual([
      'violation_confirm',
      'violation_dismiss',
      'violation_except',
      'violation_confirm',
    ]);
  });

  test('an exception without a reason, an end, or with an end too far is refused', async () => {
    for (const payload of [
      {},
      { until: '7d' },
      { reason: 'x' },
      { reason: 'x', until: '401d' },
      { reason: 'x', until: '2020-01-01' },
    ]) {
      expect((await review('except', payload)).statusCode, JSON.stringify(payload)).toBe(400);
    }
  });

  test('the same Idempotency-Key is one word', async () => {
    const key = { 'idempotency-key': 'word-1' };
    const first = (await review('dismiss', {}, key)).json().reviews.length;
    expect((await review('dismiss', {}, key)).json().reviews).toHaveLength(first);
  });

  test('of an id in two tenants the one asked for is meant, and neither without asking', async () => {
    const post = (query: string) =>
      app.inject({ method: 'POST', url: `/api/v1/violations/${SHARED_VIOLATION}/confirm${query}`, headers: LOCAL });
    const both = await post('');
    expect([both.statusCode, both.json().tenants]).toEqual([409, ['acme', 'demo']]);
    expect((await post('?tenant=acme')).json()).toMatchObject({ tenant_id: 'acme', review: 'confirm' });
    const other = await app.inject({ url: `/api/v1/violations/${SHARED_VIOLATION}?tenant=demo`, headers: LOCAL });
    expect(other.json().review).toBeNull();
  });
});
