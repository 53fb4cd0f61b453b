import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StoredUsage } from '../../schemas/stored-usage.ts';
import { startSeededEngine, testApi } from '../../test/support/api.ts';
import type { TestEngine } from '../../test/support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startSeededEngine();
});
afterAll(() => engine.close());

const EFFECTIVE_MICROS_MAX = Date.now() * 1000 - 1_000_000;
/** A dollar a call at its own time, two at this moment; nothing for a model of one's own. */
const priceUsage = ({ model }: StoredUsage, tsMicros: number) =>
  model === 'acme-7b-local'
    ? { cost_usd: null, price_id: null, unpriced_reason: 'no_price' }
    : {
        cost_usd: tsMicros < EFFECTIVE_MICROS_MAX ? '1.000000000000' : '2.000000000000',
        price_id: 'x',
        unpriced_reason: null,
      };

const ask = async (query: string, change = {}) => {
  const api = testApi(engine.store, { priceUsage, ...change });
  const answer = await api.inject({ method: 'GET', url: `/api/v1/costs?from=30d&${query}` });
  await api.close();
  return { status: answer.statusCode, body: answer.json() };
};

describe('costs as recorded, effective and today', () => {
  test('stand side by side, in each group and in the total', async () => {
    const { body } = await ask('group_by=model&as=recorded,effective,today');
    expect(body.groups.length).toBeGreaterThan(2);
    for (const group of [...body.groups, body.total]) {
      const { recorded, effective, today } = group.as;
      expect(recorded).toEqual({
        cost_usd: group.cost_usd,
        priced_calls: group.known_calls,
        unpriced_calls: group.calls - group.known_calls,
      });
      expect(effective.priced_calls + effective.unpriced_calls).toBe(group.calls);
      const cost = effective.priced_calls === 0 ? null : effective.priced_calls;
      expect([effective.cost_usd, today.cost_usd].map((text) => (text === null ? null : Number(text)))).toEqual([
        cost,
        cost === null ? null : cost * 2,
      ]);
    }
    const local = body.groups.find(({ model }: { readonly model: string | null }) => model === 'acme-7b-local');
    expect(local.as.today).toEqual({ cost_usd: null, priced_calls: 0, unpriced_calls: local.calls });
  });

  test('come by time and owner as the figures beside them do', async () => {
    const { body } = await ask('group_by=team,service&step=day&as=effective');
    for (const group of body.groups)
      expect(group.as.effective.priced_calls + group.as.effective.unpriced_calls).toBe(group.calls);
    const plain = await ask('group_by=model');
    expect(plain.body.groups[0]).not.toHaveProperty('as');
  });

  test('a way that is none is refused with those there are', async () => {
    const { status, body } = await ask('as=tomorrow');
    expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining('recorded, effective, today')]);
  });
});
