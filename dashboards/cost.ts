import { capacity } from './cost/capacity.ts';
import { COST_PANELS, COST_UID } from './cost/panel-ids.ts';
import { SHARE_STEPS, USED_STEPS } from './parts/colours.ts';
import type { DashboardSpec } from './parts/dashboard.ts';
import {
  BY_INTERVAL,
  CACHE_READ_SHARE,
  CALLS,
  dearest,
  KNOWN_COST,
  KNOWN_SHARE,
  LEDGER_WHERE,
  ledgerSeries,
  ledgerTable,
  UPPER_BOUND_COST,
} from './parts/ledger.ts';
import { bars, type PanelSpec, series, stat, table } from './parts/panels.ts';
import { optionOf, scopeOf, tenantScope } from './parts/scope.ts';
import type { Select } from './parts/select.ts';
import { RUN_LINK } from './parts/variables.ts';

const ROWS_MAX = 50;
/** USD per hour, whatever the width of the buckets. */
const RATE = `${KNOWN_COST} * 3600 / $__interval_s`;

const answer = [
  stat({
    id: 1,
    title: 'Spend',
    description: 'What the calls of the range cost, as far as it is known.',
    unit: 'currencyUSD',
    width: 4,
    query: { from: 'ledger_entries', columns: { spend: KNOWN_COST }, where: LEDGER_WHERE },
  }),
  stat({
    id: 2,
    title: 'Share of cost known',
    description: 'Calls with a known cost among all calls.',
    unit: 'percentunit',
    width: 4,
    steps: SHARE_STEPS,
    noValue: 'no calls',
    query: { from: 'ledger_entries', columns: { share: KNOWN_SHARE }, where: LEDGER_WHERE },
  }),
  stat({
    id: 3,
    title: 'Of it at most',
    description: 'Part of the spend where a detail was not told, such as cached input: the true cost is this or less.',
    unit: 'currencyUSD',
    width: 4,
    noValue: 'nothing',
    query: { from: 'ledger_entries', columns: { spend: UPPER_BOUND_COST }, where: LEDGER_WHERE },
  }),
  stat({
    id: 4,
    title: 'Burn rate',
    description: 'Known cost of the last hour of the range, USD per hour.',
    unit: 'currencyUSD',
    width: 4,
    query: {
      from: 'ledger_entries',
      columns: { 'USD per hour': KNOWN_COST },
      where: ['e.ts > $__toTime_ms - INTERVAL 1 HOUR', 'e.ts <= $__toTime_ms', ...scopeOf('e')],
    },
  }),
  stat({
    id: 5,
    title: 'Input from cache',
    description: 'Share of the input that came from the provider’s cache, among calls that told both.',
    unit: 'percentunit',
    width: 4,
    query: { from: 'ledger_entries', columns: { share: CACHE_READ_SHARE }, where: LEDGER_WHERE },
  }),
  stat({
    id: 6,
    title: 'Calls without a cost',
    description: 'Calls of the range whose cost is not known. Why is told below.',
    unit: 'short',
    width: 4,
    steps: [
      { value: null, color: 'green' },
      { value: 1, color: 'purple' },
    ],
    query: {
      from: 'ledger_entries',
      columns: { calls: 'sumIf(e.calls, e.cost_usd IS NULL)' },
      where: LEDGER_WHERE,
    },
  }),
];

const rate = [
  series({
    id: 7,
    title: 'Burn rate by service',
    description: 'Known cost, USD per hour, the dearest services apart.',
    unit: 'currencyUSD',
    width: 12,
    label: 'service',
    style: 'lines',
    interval: '5m',
    meanings: ['other', '(not told)'],
    query: ledgerSeries(BY_INTERVAL, { rate: RATE }, { service: dearest('e.service') }),
  }),
  series({
    id: 8,
    title: 'Input from cache by model',
    description:
      'Share of the input that came from the provider’s cache, among calls that told both. A gap: nobody told.',
    unit: 'percentunit',
    width: 12,
    label: 'model',
    style: 'lines',
    interval: '15m',
    meanings: ['other', '(not told)'],
    query: ledgerSeries(BY_INTERVAL, { share: CACHE_READ_SHARE }, { model: dearest('e.model') }),
  }),
];

const DIMENSIONS: readonly (readonly [id: number, title: string, name: string, column: string])[] = [
  [9, 'By agent', 'agent', 'e.agent_name'],
  [10, 'By workflow', 'workflow', 'e.workflow'],
  [11, 'By service', 'service', 'e.service'],
  [12, 'By model', 'model', 'e.model'],
  [13, 'By provider', 'provider', 'e.provider'],
  [14, 'By user', 'user', 'e.user_id'],
  [15, 'By tenant', 'tenant', 'e.tenant_id'],
];

const byDimension = DIMENSIONS.map(([id, title, name, column]) =>
  table({
    id,
    title,
    description: `Known cost by ${name}, dearest first, with the share of calls whose cost is known. What nobody told stands as (not told).`,
    unit: 'short',
    width: 8,
    columns: { spend: { unit: 'currencyUSD' }, 'share known': { unit: 'percentunit', steps: SHARE_STEPS } },
    query: ledgerTable(name, column, ROWS_MAX),
  }),
);

const SPENT = 'toFloat64(u.spent_usd)';
const LIMIT = 'toFloat64(u.limit_usd)';
const CEILING = 'toFloat64(u.unknown_ceiling_usd)';
/** Spent and the ceiling of what is unknown, of the limit. A limit of 0 is used up by any spend. */
const USED = `if(${LIMIT} > 0, (${SPENT} + ${CEILING}) / ${LIMIT}, if(${SPENT} + ${CEILING} > 0, 1, 0))`;
/** The periods in which the range ends. */
const CURRENT = ['u.period_start <= $__toTime', 'u.period_end > $__toTime', ...tenantScope('u')];

const budgets: Select = {
  from: 'budget_status',
  columns: {
    budget: `${optionOf('u.title')}`,
    tenant: optionOf('u.tenant_id'),
    period: optionOf('u.period'),
    spent: SPENT,
    'unknown, at most': CEILING,
    limit: LIMIT,
    used: USED,
    'unknown calls': 'u.unknown_calls',
    state: optionOf('u.state'),
    ends: 'u.period_end',
    computed: 'u.computed_at',
  },
  where: CURRENT,
  orderBy: 'used DESC',
  limit: ROWS_MAX,
};

const USD = { unit: 'currencyUSD' } as const;

const budgetSpec: Omit<PanelSpec, 'query' | 'unit'> = {
  id: COST_PANELS.budgets,
  title: 'Budgets',
  description:
    'The periods in which the range ends: spent, what calls of unknown cost can have cost at most, and the limit.',
  width: 16,
};

const limits = [
  table({
    ...budgetSpec,
    unit: 'short',
    columns: {
      spent: USD,
      'unknown, at most': USD,
      limit: USD,
      used: { unit: 'percentunit', steps: USED_STEPS },
    },
    query: budgets,
  }),
  bars({
    id: 17,
    title: 'Budgets used',
    description: 'Spent, and the ceiling of what is unknown, of the limit. A full bar: the limit is reached.',
    unit: 'percentunit',
    width: 8,
    steps: USED_STEPS,
    query: {
      from: 'budget_status',
      columns: {
        budget: `concat(${optionOf('u.title')}, ' · ', ${optionOf('u.tenant_id')}, ' · ', ${optionOf('u.period')})`,
        used: USED,
      },
      where: CURRENT,
      orderBy: 'used DESC',
      limit: 20,
    },
  }),
];

const unknown = [
  series({
    id: 18,
    title: 'Calls without a cost, by reason',
    description:
      'no_usage: the emitter told no tokens. no_price, no_model, ambiguous_model: the price book cannot say. failed: the call failed and told nothing.',
    unit: 'short',
    width: 12,
    label: 'reason',
    style: 'bars',
    interval: '15m',
    meanings: ['no_usage', 'no_price', 'no_model', 'ambiguous_model', 'failed', '(not told)'],
    query: {
      ...ledgerSeries(BY_INTERVAL, { calls: CALLS }, { reason: optionOf('e.unpriced_reason') }),
      where: [...LEDGER_WHERE, 'e.cost_usd IS NULL'],
    },
  }),
  table({
    id: 19,
    title: 'What has no cost',
    description:
      'Models, providers and reasons of the calls without a cost: the price catalogue does not know the model, or the emitter did not tell the usage.',
    unit: 'short',
    width: 12,
    query: {
      from: 'ledger_entries',
      columns: {
        model: optionOf('e.model'),
        provider: optionOf('e.provider'),
        family: optionOf('e.family'),
        reason: optionOf('e.unpriced_reason'),
        calls: CALLS,
      },
      where: [...LEDGER_WHERE, 'e.cost_usd IS NULL'],
      groupBy: ['model', 'provider', 'family', 'reason'],
      having: 'calls != 0',
      orderBy: 'calls DESC',
      limit: ROWS_MAX,
    },
  }),
];

const dearestRuns = table({
  id: 20,
  title: 'Dearest runs',
  description: 'Known cost of the calls of the range, by run. A click opens the run, step by step.',
  unit: 'short',
  width: 16,
  columns: {
    run: { link: RUN_LINK },
    spend: { unit: 'currencyUSD' },
    'share known': { unit: 'percentunit', steps: SHARE_STEPS },
  },
  query: {
    from: 'ledger_entries',
    columns: {
      run: 'toString(e.run_id)',
      tenant: 'toString(e.tenant_id)',
      agent: optionOf('any(e.agent_name)'),
      service: optionOf('any(e.service)'),
      spend: KNOWN_COST,
      'share known': KNOWN_SHARE,
      calls: CALLS,
    },
    where: LEDGER_WHERE,
    groupBy: ['run', 'tenant'],
    having: 'calls != 0 OR ifNull(sum(e.cost_usd), 0) != 0',
    orderBy: 'spend DESC NULLS LAST, calls DESC',
    limit: ROWS_MAX,
  },
});

/** Who spends what, against which limit, and how sure that is. */
export const cost: DashboardSpec = {
  uid: COST_UID,
  title: 'Tachograph: cost',
  description: 'Spend by who and what, budgets against their limits, and what of it is not known and why.',
  from: 'now-7d',
  bands: [
    { height: 4, panels: answer },
    { height: 8, panels: limits },
    { height: 9, panels: rate },
    { height: 9, panels: byDimension.slice(0, 3) },
    { height: 9, panels: byDimension.slice(3, 6) },
    { height: 9, panels: [...byDimension.slice(6), dearestRuns] },
    { height: 9, panels: unknown },
    { height: 6, panels: [capacity] },
  ],
};
