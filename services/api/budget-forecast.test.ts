import { describe, expect, test } from 'vitest';
import { budgetForecast, budgetsOf } from './budget-forecast.ts';
import { decimalText, parseDecimal } from './decimal.ts';
import type { BudgetPeriodRow } from './queries/budgets.ts';
import { parseIso } from './time.ts';

const at = (iso: string): number => parseIso(iso) ?? Number.NaN;

/** A day from 09:00 to 09:00 with 12 hours behind it. */
const row = (change: Partial<BudgetPeriodRow> = {}): BudgetPeriodRow => ({
  tenant_id: 'demo',
  budget_id: 'b',
  title: 'B',
  scope: {},
  period: 'day',
  timezone: 'UTC',
  period_start: '2026-11-21T09:00:00Z',
  period_end: '2026-11-22T09:00:00Z',
  limit_usd: '100',
  spent_usd: '30.000000000001',
  unknown_calls: 0,
  unknown_ceiling_usd: '0',
  unknown_call_ceiling_usd: '1',
  calls: 10,
  thresholds: [],
  reached: [],
  state: 'ok',
  incident_id: '',
  computed_at: '2026-11-21T12:00:00.000Z',
  ...change,
});
const NOW = at('2026-11-21T21:00:00Z');

describe('the forecast', () => {
  test('stretches what is spent to the whole period, to the last picodollar, and says it is an estimate', () => {
    expect(budgetForecast(row(), NOW)).toEqual({
      is_estimate: true,
      method: 'linear_burn',
      spent_usd: '60.000000000002',
      counted_usd: '60.000000000002',
      limit_reached_at: null,
    });
  });

  test('counts the unknown part at its ceiling, and says when that reaches the limit', () => {
    const found = budgetForecast(row({ spent_usd: '40', unknown_ceiling_usd: '20', unknown_calls: 20 }), NOW);
    expect(found).toMatchObject({ spent_usd: '80', counted_usd: '120', limit_reached_at: '2026-11-22T05:00:00.000Z' });
  });

  test.each<[string, Partial<BudgetPeriodRow>]>([
    ['the period has barely begun', { period_start: '2026-11-21T20:50:00Z' }],
    ['the period has not begun', { period_start: '2026-11-21T22:00:00Z' }],
    ['no call was counted', { calls: 0, spent_usd: '0' }],
    ['the period is over', { period_end: '2026-11-21T21:00:00Z' }],
    ['the period has no length', { period_start: '2026-11-21T21:00:00Z', period_end: '2026-11-21T21:00:00Z' }],
    ['a figure is none', { spent_usd: 'lots' }],
  ])('is null when %s', (_why, change) => expect(budgetForecast(row(change), NOW)).toBeNull());

  test('says no moment for a limit that is reached already or never', () => {
    expect(budgetForecast(row({ spent_usd: '100' }), NOW)?.limit_reached_at).toBeNull();
    expect(budgetForecast(row({ spent_usd: '-3' }), NOW)).toMatchObject({ spent_usd: '-6', limit_reached_at: null });
    expect(budgetForecast(row({ limit_usd: '0' }), NOW)?.limit_reached_at).toBeNull();
  });
});

describe('budgets', () => {
  test('have the period that runs and the one before it, and neither is made up', () => {
    const before = row({ period_start: '2026-11-20T09:00:00Z', period_end: '2026-11-21T09:00:00Z' });
    const [both] = budgetsOf([row(), before], NOW);
    expect([both?.current?.period_start, both?.previous?.period_start]).toEqual([
      '2026-11-21T09:00:00Z',
      '2026-11-20T09:00:00Z',
    ]);
    const [stale] = budgetsOf([before], NOW);
    expect([stale?.current, stale?.previous?.period_start]).toEqual([null, '2026-11-20T09:00:00Z']);
  });

  test('of the same id in two tenants are two', () => {
    expect(budgetsOf([row(), row({ tenant_id: 'acme' })], NOW)).toHaveLength(2);
  });
});

test.each(['0', '12.4', '-0.000000000001', '99999999999999999999999999.999999999999'])(
  'the decimal %s comes back',
  (text) => expect(decimalText(parseDecimal(text) ?? 0n)).toBe(text),
);
