import { SHARE_STEPS } from '../parts/colours.ts';
import {
  BY_DAY,
  BY_HOUR,
  BY_INTERVAL,
  CALLS,
  dearest,
  FAILED_CALLS,
  KNOWN_COST,
  ledgerSeries,
  ledgerTable,
  tokens,
} from '../parts/ledger.ts';
import { series, table } from '../parts/panels.ts';
import { optionOf, scopeOf, within } from '../parts/scope.ts';

const ROWS_MAX = 20;

/** Spend over time. */
export const money = [
  series({
    id: 9,
    title: 'Spend per hour',
    description:
      'Known cost by the hour of the call, the dearest models apart. An hour without a bar has no known cost.',
    unit: 'currencyUSD',
    width: 12,
    label: 'model',
    style: 'bars',
    interval: '1h',
    meanings: ['other', '(not told)'],
    query: ledgerSeries(BY_HOUR, { spend: KNOWN_COST }, { model: dearest('e.model') }),
  }),
  series({
    id: 10,
    title: 'Spend per day',
    description: 'Known cost by the day (UTC) of the call, the dearest agents apart.',
    unit: 'currencyUSD',
    width: 12,
    label: 'agent',
    style: 'bars',
    interval: '1d',
    meanings: ['other', '(not told)'],
    query: ledgerSeries(BY_DAY, { spend: KNOWN_COST }, { agent: dearest('e.agent_name') }),
  }),
];

/** What agents did. */
export const work = [
  series({
    id: 11,
    title: 'Tokens by kind',
    description:
      'Disjoint kinds: uncached input and what came from or went to the cache, output without reasoning. What no emitter told is not drawn.',
    unit: 'short',
    width: 12,
    label: null,
    style: 'bars',
    meanings: ['uncached input', 'cache read', 'cache write', 'output', 'reasoning'],
    query: ledgerSeries(BY_INTERVAL, {
      'uncached input': tokens('input_tokens'),
      'cache read': tokens('cache_read_tokens'),
      'cache write': tokens('cache_write_tokens'),
      'cache write, one hour': tokens('cache_write_1h_tokens'),
      output: tokens('output_tokens'),
      reasoning: tokens('reasoning_tokens'),
    }),
  }),
  series({
    id: 12,
    title: 'Calls',
    description: 'Calls to models over time, and how many of them failed.',
    unit: 'short',
    width: 12,
    label: null,
    style: 'lines',
    meanings: ['calls', 'failed calls'],
    query: ledgerSeries(BY_INTERVAL, { calls: CALLS, 'failed calls': FAILED_CALLS }),
  }),
];

const MONEY_COLUMNS = {
  spend: { unit: 'currencyUSD' },
  'share known': { unit: 'percentunit', steps: SHARE_STEPS },
} as const;

/** Who did it. */
export const who = [
  table({
    id: 13,
    title: 'Agents by cost',
    description: 'The dearest agents of the range. A click shows their cost page.',
    unit: 'short',
    width: 8,
    columns: {
      ...MONEY_COLUMNS,
      agent: {
        link: [
          'Cost of this agent',
          '/d/tachograph-cost?${__url_time_range}&${datasource:queryparam}&var-agent=${__data.fields.agent:percentencode}',
        ],
      },
    },
    query: ledgerTable('agent', 'e.agent_name', ROWS_MAX),
  }),
  table({
    id: 14,
    title: 'Models by cost',
    description: 'The dearest models of the range.',
    unit: 'short',
    width: 8,
    columns: MONEY_COLUMNS,
    query: ledgerTable('model', 'e.model', ROWS_MAX),
  }),
  series({
    id: 16,
    title: 'Errors',
    description: 'Steps of the range that ended in an error, by kind of step.',
    unit: 'short',
    width: 8,
    label: 'kind',
    style: 'bars',
    query: {
      from: 'spans',
      columns: { time: '$__timeInterval(s.ts)', kind: optionOf('s.step_kind'), errors: 'count()' },
      where: [within('s.ts'), `s.status = 'error'`, ...scopeOf('s')],
      groupBy: ['time', 'kind'],
      orderBy: 'time',
    },
  }),
];
