import { z } from 'zod';
import { budgetForecast, budgetsOf } from '../budget-forecast.ts';
import { type BudgetPeriodRow, budgetsQuery } from '../queries/budgets.ts';
import { read } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { tenantInput, text } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { budgetShape } from './watch-shapes.ts';

const periodJson = (row: BudgetPeriodRow, nowMs: number) => ({
  period_start: row.period_start,
  period_end: row.period_end,
  limit_usd: row.limit_usd,
  spent_usd: row.spent_usd,
  unknown_calls: row.unknown_calls,
  unknown_ceiling_usd: row.unknown_ceiling_usd,
  unknown_call_ceiling_usd: row.unknown_call_ceiling_usd,
  calls: row.calls,
  thresholds: [...row.thresholds],
  reached: [...row.reached],
  state: row.state,
  incident_id: row.incident_id === '' ? null : row.incident_id,
  computed_at: row.computed_at,
  forecast: budgetForecast(row, nowMs),
});

/** Budgets as JSON, each with its running and its previous period. */
export const budgetsJson = (rows: readonly BudgetPeriodRow[], nowMs: number) =>
  budgetsOf(rows, nowMs).map(({ current, previous, ...budget }) => ({
    ...budget,
    current: current === null ? null : periodJson(current, nowMs),
    previous: previous === null ? null : periodJson(previous, nowMs),
  }));

const listBudgets = defineRoute({
  method: 'GET',
  path: '/budgets',
  summary: 'Budgets: what is spent of each in the running and the previous period, what is unknown, a forecast.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({ tenant: tenantInput, budget: text.optional().describe('Budget id.') }),
  body: noBody,
  answer: z.object({ budgets: z.array(budgetShape) }),
  run: async ({ caller, query }, context) => {
    const rows = await read<BudgetPeriodRow>(
      context,
      budgetsQuery({ tenant: tenantScope(caller, query.tenant), budget: query.budget }),
    );
    return { budgets: budgetsJson(rows, context.clock.nowMs()) };
  },
});

export const budgetRoutes: readonly Route[] = [listBudgets];
