import { ANY_IS_BAD, FRESH_STEPS, SHARE_STEPS } from '../parts/colours.ts';
import { CALLS, FAILED_CALLS, KNOWN_COST, KNOWN_SHARE, LEDGER_WHERE } from '../parts/ledger.ts';
import { stat } from '../parts/panels.ts';
import { RUN_SCOPE, RUN_WITHIN, scopeOf, within } from '../parts/scope.ts';
import { secondsOf } from '../parts/select.ts';
import { OVERVIEW_PANELS } from './panel-ids.ts';

/** The figures a person looks for first. */
export const answer = [
  stat({
    id: 1,
    title: 'Spend',
    description: 'What the calls of the range cost, as far as it is known. The share known stands beside it.',
    unit: 'currencyUSD',
    width: 3,
    query: { from: 'ledger_entries', columns: { spend: KNOWN_COST }, where: LEDGER_WHERE },
  }),
  stat({
    id: 2,
    title: 'Spend today',
    description: 'Known cost since midnight UTC of the day the range ends in.',
    unit: 'currencyUSD',
    width: 3,
    query: {
      from: 'ledger_entries',
      columns: { spend: KNOWN_COST },
      where: [`e.ts >= toStartOfDay($__toTime, 'UTC')`, 'e.ts <= $__toTime_ms', ...scopeOf('e')],
    },
  }),
  stat({
    id: 3,
    title: 'Share of cost known',
    description:
      'Calls with a known cost among all calls. The rest told no usage, or no price is known for their model.',
    unit: 'percentunit',
    width: 3,
    steps: SHARE_STEPS,
    noValue: 'no calls',
    query: { from: 'ledger_entries', columns: { share: KNOWN_SHARE }, where: LEDGER_WHERE },
  }),
  stat({
    id: 4,
    title: 'Calls',
    description: 'Billable requests to models, each counted once however many spans describe it.',
    unit: 'short',
    width: 3,
    query: { from: 'ledger_entries', columns: { calls: CALLS }, where: LEDGER_WHERE },
  }),
  stat({
    id: 5,
    title: 'Failed calls',
    description: 'Calls that ended in an error, whatever is known of their cost.',
    unit: 'short',
    width: 3,
    steps: ANY_IS_BAD,
    query: { from: 'ledger_entries', columns: { 'failed calls': FAILED_CALLS }, where: LEDGER_WHERE },
  }),
  stat({
    id: 6,
    title: 'Runs',
    description: 'Runs with a step in the range.',
    unit: 'short',
    width: 3,
    query: { from: 'runs', columns: { runs: 'count()' }, where: [RUN_WITHIN, ...RUN_SCOPE] },
  }),
  stat({
    id: 7,
    title: 'Open incidents',
    description: 'Incidents nobody resolved and that did not end by themselves, whenever they opened.',
    unit: 'short',
    width: 3,
    steps: ANY_IS_BAD,
    query: {
      from: 'incidents',
      columns: { incidents: 'count()' },
      where: [`i.state != 'resolved'`, ...scopeOf('i')],
    },
  }),
  stat({
    id: OVERVIEW_PANELS.freshness,
    title: 'Freshness',
    description:
      'From accepted to queryable, the slower one in a hundred batches of the slowest service, whole installation.',
    unit: 's',
    width: 3,
    steps: FRESH_STEPS,
    noValue: 'nothing arrived',
    query: {
      from: 'batches',
      columns: { freshness: `if(count() = 0, NULL, quantileExact(0.99)(${secondsOf('b.logged_at', 'b.written_at')}))` },
      where: [within('b.written_at')],
    },
  }),
];
