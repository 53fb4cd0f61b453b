import type { Row } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import { BATCH, HOSTILE, RICH_RUN, SHARED_RUN } from './seed-builders.ts';
import { BUDGET_INCIDENT, deliveries, events, FLOW_VIOLATION, incidents } from './seed-incidents.ts';

/** Violations, incidents, budgets and rule sets as their services write them, around the rich run; relative to now. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const RULESET = 'c0ffee00c0ffee00c0ffee00c0ffee00';
/** Exists in both tenants. */
export const SHARED_VIOLATION = '5aed5aed5aed5aed5aed5aed5aed0001';
const stepId = (index: number): string => `step-${index.toString(16).padStart(16, '0')}`;
const spanId = (index: number): string => index.toString(16).padStart(16, '0');

/** A violation row with every column a test may leave out. */
export const violationRow = (row: Row & { readonly at_ms: number; readonly violation_id: string }): Row => {
  const { at_ms, ...rest } = row;
  return {
    tenant_id: 'demo',
    ts: utcMillis(at_ms),
    detected_at: utcMillis(at_ms + 400),
    rule_id: 'flow.untrusted',
    rule_version: '1',
    ruleset_hash: RULESET,
    severity: 'high',
    mode: 'alert',
    title: 'untrusted page reached a write',
    run_id: RICH_RUN,
    trace_id: RICH_RUN,
    span_id: spanId(17),
    step_id: stepId(17),
    source_span_id: null,
    service: 'research-api',
    agent_name: 'research-agent',
    workflow: null,
    user_id: 'grace@example.com',
    evidence: '{}',
    evidence_level: 'value',
    detected_by: 'stream',
    logged_at: utcMillis(at_ms + 300),
    ...BATCH,
    ...rest,
  };
};

const FLOW_EVIDENCE = {
  path: [
    { span_id: spanId(7), step_kind: 'tool', name: 'execute_tool fetch_page', labels: ['untrusted'] },
    { span_id: spanId(16), step_kind: 'llm', name: 'chat claude-sonnet-4-5' },
    { span_id: spanId(17), step_kind: 'data_access', name: `write report ${HOSTILE}`, labels: ['sink'] },
  ],
  condition: 'e.tool.name == "fetch_page" && !(e.egress.host in cfg.allowed_hosts)',
  vantage: 'agent',
  maps: ['ASI01', 'LLM01'],
  inputs: {
    'e.tool.name': 'fetch_page',
    'e.egress.host': 'paste.example.net',
    'e.args.path': `/reports/${'quarterly-'.repeat(30)}final.md`,
    'e.args.body': HOSTILE,
    'e.user.approved': null,
    matched: { value: 'sk-…redacted', fields: ['args.body', 'args.headers.authorization'] },
  },
};

const violations = (nowMs: number): readonly Row[] => {
  const start = nowMs - 120_000;
  return [
    violationRow({
      at_ms: start + 40_690,
      violation_id: FLOW_VIOLATION,
      source_span_id: spanId(7),
      evidence: JSON.stringify(FLOW_EVIDENCE),
    }),
    violationRow({
      at_ms: start + 17_900,
      violation_id: 'd00dd00dd00dd00dd00dd00dd00dd001',
      rule_id: 'retry.storm',
      severity: 'critical',
      mode: 'recommend-block',
      title: HOSTILE,
      span_id: spanId(7),
      step_id: stepId(7),
      evidence: JSON.stringify({ inputs: { attempts: 4, tool: HOSTILE } }),
      evidence_level: 'order',
    }),
    violationRow({
      at_ms: start + 30_480,
      violation_id: 'd00dd00dd00dd00dd00dd00dd00dd002',
      rule_id: 'pii.unmasked',
      severity: 'low',
      mode: 'monitor',
      title: 'an address of a person in a prompt',
      span_id: spanId(15),
      step_id: stepId(15),
      evidence: 'not json',
      agent_name: null,
    }),
    ...['demo', 'acme'].map((tenant_id) =>
      violationRow({
        tenant_id,
        at_ms: nowMs - 2 * HOUR_MS,
        violation_id: SHARED_VIOLATION,
        rule_id: 'tool.unlisted',
        severity: 'medium',
        title: 'a tool that the catalogue does not list',
        run_id: SHARED_RUN,
        trace_id: SHARED_RUN,
        agent_name: 'planner',
      }),
    ),
    ...Array.from({ length: 8 }, (_, index) =>
      violationRow({
        at_ms: nowMs - (index + 3) * HOUR_MS,
        violation_id: `100f${String(index).padStart(28, '0')}`,
        rule_id: 'loop',
        severity: index % 2 === 0 ? 'info' : 'medium',
        title: 'the same call five times in a row',
        run_id: SHARED_RUN,
        trace_id: SHARED_RUN,
        agent_name: 'planner',
        evidence: JSON.stringify({ inputs: { repeats: 5 + index } }),
      }),
    ),
  ];
};

const budget = (nowMs: number, row: Row & { readonly start_ms: number; readonly end_ms: number }): Row => {
  const { start_ms, end_ms, ...rest } = row;
  return {
    version: 1,
    tenant_id: 'demo',
    scope: { team: 'research' },
    period: 'day',
    timezone: 'Europe/Berlin',
    period_start: utcMillis(start_ms).slice(0, 19),
    period_end: utcMillis(end_ms).slice(0, 19),
    limit_usd: '100',
    spent_usd: '40',
    unknown_calls: 0,
    unknown_ceiling_usd: '0',
    unknown_call_ceiling_usd: '1.5',
    incident_id: '',
    calls: 120,
    thresholds: [0.5, 0.8, 1],
    reached: [],
    state: 'ok',
    computed_at: utcMillis(nowMs - 20_000),
    ...rest,
  };
};

const budgets = (nowMs: number): readonly Row[] => [
  budget(nowMs, {
    budget_id: 'research',
    title: 'Research, a month',
    period: 'month',
    start_ms: nowMs - 20 * DAY_MS,
    end_ms: nowMs + 10 * DAY_MS,
    limit_usd: '500',
    spent_usd: '412.4',
    unknown_calls: 31,
    unknown_ceiling_usd: '46.5',
    calls: 8120,
    reached: [0.5, 0.8],
    state: 'warning',
    incident_id: BUDGET_INCIDENT,
  }),
  budget(nowMs, {
    budget_id: 'research',
    title: 'Research, a month',
    period: 'month',
    start_ms: nowMs - 50 * DAY_MS,
    end_ms: nowMs - 20 * DAY_MS,
    limit_usd: '500',
    spent_usd: '377.12',
    calls: 7431,
    reached: [0.5],
  }),
  budget(nowMs, {
    budget_id: 'planner',
    title: HOSTILE,
    scope: { agent: 'planner', workflow: 'trips' },
    start_ms: nowMs - 6 * HOUR_MS,
    end_ms: nowMs + 18 * HOUR_MS,
    limit_usd: '10',
    spent_usd: '13.75',
    calls: 611,
    reached: [0.5, 0.8, 1],
    state: 'exceeded',
  }),
  budget(nowMs, {
    budget_id: 'support',
    title: 'Support triage',
    scope: { service: 'support' },
    start_ms: nowMs - 8 * MINUTE_MS,
    end_ms: nowMs + DAY_MS - 8 * MINUTE_MS,
    limit_usd: '25',
    spent_usd: '0.42',
    calls: 9,
  }),
];

const rulesets = (nowMs: number): readonly Row[] => [
  {
    ruleset_hash: RULESET,
    state: 'in_force',
    rules: 3,
    files: {
      'flows.yaml': `- id: flow.untrusted\n  title: untrusted page reached a write\n  # ${HOSTILE}\n`,
      'loops.yaml': '- id: loop\n  title: the same call five times in a row\n',
    },
    problems: [],
    loaded_at: utcMillis(nowMs - DAY_MS),
  },
  {
    ruleset_hash: 'bad0bad0bad0bad0bad0bad0bad0bad0',
    state: 'refused',
    rules: 0,
    files: { 'flows.yaml': `- id: ${HOSTILE}\n` },
    problems: [
      `flows.yaml:1: id: ${HOSTILE} is not a rule id`,
      'flows.yaml:4: unknown field tool.nam; did you mean tool.name?',
    ],
    loaded_at: utcMillis(nowMs - HOUR_MS),
  },
];

const coverage = (nowMs: number): readonly Row[] =>
  [
    { rule_id: 'flow.untrusted', family: 'openinference', field: '', steps: 120, lacking: 0, errors: 0 },
    { rule_id: 'flow.untrusted', family: 'openinference', field: 'e.args', steps: 120, lacking: 0, errors: 0 },
    { rule_id: 'flow.untrusted', family: 'openllmetry', field: '', steps: 80, lacking: 74, errors: 0 },
    { rule_id: 'flow.untrusted', family: 'openllmetry', field: 'e.args', steps: 80, lacking: 74, errors: 0 },
    { rule_id: 'flow.untrusted', family: 'openllmetry', field: 'cfg.sinks', steps: 80, lacking: 12, errors: 0 },
    { rule_id: 'loop', family: 'claude-code', field: '', steps: 40, lacking: 0, errors: 2 },
  ].map((row) => ({
    tenant_id: 'demo',
    hour: utcMillis(Math.floor((nowMs - HOUR_MS) / HOUR_MS) * HOUR_MS).slice(0, 19),
    rule_version: '1',
    logged_at: utcMillis(nowMs - HOUR_MS),
    ...BATCH,
    ...row,
  }));

/** Rows by table, as `insertRows` takes them. */
export const watchRows = (nowMs: number): Readonly<Record<string, readonly Row[]>> => ({
  policy_violations: violations(nowMs),
  policy_rulesets: rulesets(nowMs),
  policy_coverage: coverage(nowMs),
  violation_reviews: [
    {
      tenant_id: 'demo',
      violation_id: 'd00dd00dd00dd00dd00dd00dd00dd002',
      review: 'dismiss',
      actor: 'ada',
      comment: `Test data. ${HOSTILE}`,
      until: null,
      at: utcMillis(nowMs - MINUTE_MS),
    },
  ],
  incidents: incidents(nowMs),
  incident_events: events(nowMs),
  incident_deliveries: deliveries(nowMs),
  budget_status: budgets(nowMs),
});
