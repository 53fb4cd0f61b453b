import { ANY_IS_BAD } from '../parts/colours.ts';
import { series, table } from '../parts/panels.ts';
import { optionOf, RUN_SCOPE, RUN_WITHIN, scopeOf, tenantScope, within } from '../parts/scope.ts';
import { secondsOf } from '../parts/select.ts';
import { RUN_LINK } from '../parts/variables.ts';
import { OVERVIEW_PANELS } from './panel-ids.ts';

const SEVERITY_ORDER = `indexOf(['info', 'low', 'medium', 'high', 'critical'], toString(i.severity))`;
const ROWS_MAX = 20;

/** What broke. */
export const trouble = [
  series({
    id: OVERVIEW_PANELS.violations,
    title: 'Violations by severity',
    description: 'Breaches of rules and detectors by the time of the step. Monitored rules count too.',
    unit: 'short',
    width: 8,
    label: 'severity',
    style: 'bars',
    meanings: ['critical', 'high', 'medium', 'low', 'info'],
    query: {
      from: 'policy_violations',
      columns: { time: '$__timeInterval(v.ts)', severity: optionOf('v.severity'), violations: 'count()' },
      where: [within('v.ts'), ...scopeOf('v')],
      groupBy: ['time', 'severity'],
      orderBy: 'time',
    },
  }),
  table({
    id: 17,
    title: 'Open incidents',
    description: 'Incidents that are not resolved, the worst first. A click opens the run.',
    unit: 'short',
    width: 16,
    columns: { run: { link: RUN_LINK } },
    query: {
      from: 'incidents',
      columns: {
        opened: 'i.opened_at',
        severity: optionOf('i.severity'),
        incident: optionOf('i.title'),
        subject: optionOf('i.subject'),
        state: optionOf('i.state'),
        seen: 'i.observations',
        tenant: optionOf('i.tenant_id'),
        agent: optionOf('i.agent_name'),
        run: `ifNull(i.run_id, '')`,
      },
      where: [`i.state != 'resolved'`, ...scopeOf('i')],
      orderBy: `${SEVERITY_ORDER} DESC, i.opened_at DESC`,
      limit: ROWS_MAX,
    },
  }),
];

/** Is the record itself whole and fresh? */
export const pipeline = [
  series({
    id: OVERVIEW_PANELS.freshnessOverTime,
    title: 'Freshness by service',
    description:
      'From the log to the store, the slower one in a hundred batches, by service. Whole installation, all tenants.',
    unit: 's',
    width: 8,
    label: 'service',
    style: 'lines',
    query: {
      from: 'batches',
      columns: {
        time: '$__timeInterval(b.written_at)',
        service: optionOf('b.service'),
        seconds: `quantileExact(0.99)(${secondsOf('b.logged_at', 'b.written_at')})`,
      },
      where: [within('b.written_at')],
      groupBy: ['time', 'service'],
      orderBy: 'time',
    },
  }),
  table({
    id: OVERVIEW_PANELS.deadLetters,
    title: 'Dead letters',
    description: 'Records that could not be understood, by reason. Their bytes are kept in the topic named with .dlq.',
    unit: 'short',
    width: 8,
    query: {
      from: 'dead_letters',
      columns: {
        topic: optionOf('d.log_topic'),
        reason: optionOf('d.reason'),
        records: 'count()',
        newest: 'max(d.logged_at)',
        detail: 'argMax(d.detail, d.logged_at)',
      },
      where: [within('d.logged_at'), ...tenantScope('d')],
      groupBy: ['topic', 'reason'],
      orderBy: 'records DESC',
      limit: ROWS_MAX,
    },
  }),
  table({
    id: OVERVIEW_PANELS.audit,
    title: 'Audit',
    description:
      'The newest audit: every check with what it claims and how many places contradict it. Whole installation.',
    unit: 'short',
    width: 8,
    columns: { findings: { steps: ANY_IS_BAD } },
    query: {
      from: 'audit_results',
      columns: {
        check: optionOf('a.check'),
        findings: 'a.findings',
        waiting: 'a.waiting',
        claim: 'a.claim',
        finished: 'a.finished_at',
      },
      where: [
        'a.audit_id = (SELECT argMax(audit_id, finished_at) FROM audit_results WHERE finished_at <= $__toTime_ms)',
      ],
      orderBy: 'a.findings DESC, a.position',
    },
  }),
];

/** The runs behind the figures. */
export const runs = [
  table({
    id: 21,
    title: 'Dearest runs',
    description: 'Runs of the range by what they cost in total. A click opens the run, step by step.',
    unit: 'short',
    width: 24,
    columns: {
      run: { link: RUN_LINK },
      spend: { unit: 'currencyUSD' },
      errors: { steps: ANY_IS_BAD },
      took: { unit: 's' },
    },
    query: {
      from: 'runs',
      columns: {
        began: 'r.first_ts',
        name: 'r.name',
        agent: optionOf('r.root_agent'),
        service: optionOf('r.service'),
        tenant: optionOf('r.tenant_id'),
        took: secondsOf('r.first_ts', 'r.last_ts'),
        steps: 'r.steps',
        calls: 'r.calls',
        errors: 'r.errors',
        spend: 'toFloat64(r.cost_usd)',
        run: 'r.run_id',
      },
      where: [RUN_WITHIN, ...RUN_SCOPE],
      orderBy: 'r.cost_usd DESC NULLS LAST, r.first_ts DESC',
      limit: ROWS_MAX,
    },
  }),
];
