import { loadPriceBook } from '../../services/ledger/prices/book.ts';
import { createPriceBookStore } from '../../services/ledger/prices/book-store.ts';
import type { Row, Store } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import { insertRows, seedRows } from '../support/seed-rows.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** One row of `policy_violations`. */
export const violationRow = (atMs: number, rest: Row = {}): Row => ({
  violation_id: `v-${atMs}`,
  tenant_id: 'demo',
  ts: `${utcMillis(atMs)}000`,
  detected_at: utcMillis(atMs),
  rule_id: 'exfiltration.untrusted-to-egress',
  rule_version: '1',
  ruleset_hash: 'rs',
  severity: 'high',
  mode: 'alert',
  title: 'Untrusted input reached an egress',
  run_id: 'r1',
  trace_id: 'r1',
  span_id: 's1',
  step_id: 'r1-s1',
  service: 'research-api',
  agent_name: 'research-agent',
  evidence: '{}',
  evidence_level: 'value',
  detected_by: 'stream',
  batch_id: 'policy-1',
  logged_at: utcMillis(atMs),
  ...rest,
});

/** One row of `incidents`. */
export const incidentRow = (atMs: number, rest: Row = {}): Row => ({
  incident_id: `i-${atMs}`,
  tenant_id: 'demo',
  version: 1,
  source: 'violation',
  subject: 'exfiltration.untrusted-to-egress',
  title: 'Untrusted input reached an egress',
  severity: 'high',
  state: 'open',
  opened_at: utcMillis(atMs),
  last_observed_at: utcMillis(atMs),
  observations: 2,
  service: 'research-api',
  agent_name: 'research-agent',
  run_id: 'r1',
  detail: '{}',
  batch_id: 'alerter-1',
  logged_at: utcMillis(atMs),
  ...rest,
});

/** One row of `budget_status`, in the day of `nowMs`. */
export const budgetRow = (nowMs: number, rest: Row = {}): Row => ({
  budget_id: 'research-daily',
  version: 1,
  title: 'Research, daily',
  tenant_id: 'demo',
  scope: { agent_name: 'research-agent' },
  period: 'day',
  timezone: 'UTC',
  period_start: Math.floor(nowMs / DAY_MS) * 86_400,
  period_end: Math.floor(nowMs / DAY_MS) * 86_400 + 86_400,
  limit_usd: '100',
  spent_usd: '40.5',
  unknown_calls: 3,
  unknown_ceiling_usd: '1.5',
  calls: 120,
  thresholds: [0.5, 0.8, 1],
  reached: [],
  state: 'ok',
  computed_at: utcMillis(nowMs),
  ...rest,
});

/** One row of `audit_results`. */
export const auditRow = (atMs: number, rest: Row = {}): Row => ({
  audit_id: `a-${atMs}`,
  position: 0,
  check: 'chain',
  claim: 'each batch begins where the one before it ended',
  kind: 'proof',
  findings: 0,
  waiting: 0,
  places: [],
  watermark: utcMillis(atMs - 10_000),
  started_at: utcMillis(atMs - 2000),
  finished_at: utcMillis(atMs),
  ...rest,
});

/** Tables the rules read that a test of them fills. */
export const RULE_TABLES = [
  ...(['batches', 'audit_results', 'budget_status'] as const),
  ...(['policy_violations', 'violation_reviews', 'brakes'] as const),
] as const;

/** A partition of `otlp_spans` that stands at an offset, or may pass up to it. */
export const brakeRow = (event: 'stopped' | 'released', atMs: number, partition: number, offset: number): Row => ({
  ...{ event, service: 'normalizer', log_id: 'log-1', topic: 'otlp_spans', partition, at_offset: offset },
  ...{ refused: null, records: null, reasons: {}, actor: null, at: utcMillis(atMs) },
});

/** One row of the manifest. `took`: ms from the log to the store. */
export const batchRow = (atMs: number, rest: Row & { readonly service: string; readonly took?: number }): Row => {
  const { took = 400, ...columns } = rest;
  return {
    log_id: 'log-1',
    topic: columns.service === 'normalizer' ? 'otlp_spans' : 'agent_steps',
    partition: 0,
    first: 0,
    end: 10,
    records: 10,
    rows: {},
    steps: 10,
    dead_letters: 0,
    duplicates: 0,
    filtered: 0,
    empty: 0,
    produced: {},
    hours: [],
    batch_id: `${columns.service}-${atMs}`,
    logged_at: utcMillis(atMs - took),
    written_at: utcMillis(atMs),
    ...columns,
  };
};

/** A month of runs, and what the newer tables hold. Nothing in the future of `nowMs`. */
export const seedEverything = async (store: Store, nowMs: number): Promise<void> => {
  await insertRows(store, seedRows(nowMs), 'dashboards');
  const hours = Array.from({ length: 20 }, (_, at) => nowMs - at * HOUR_MS - 5 * MINUTE_MS);
  const severities = ['info', 'low', 'medium', 'high', 'critical'];
  await insertRows(
    store,
    {
      policy_violations: hours.map((atMs, at) => violationRow(atMs, { severity: severities[at % 5] ?? 'info' })),
      incidents: hours.slice(0, 5).map((atMs, at) => incidentRow(atMs, { state: at === 0 ? 'resolved' : 'open' })),
      budget_status: [
        budgetRow(nowMs),
        budgetRow(nowMs, {
          budget_id: 'all',
          title: 'Everything',
          limit_usd: '0',
          spent_usd: '0',
          unknown_ceiling_usd: '0',
        }),
      ],
      audit_results: [auditRow(nowMs - HOUR_MS, { findings: 7 }), auditRow(nowMs - 5 * MINUTE_MS)],
      batches: hours.flatMap((atMs) => [
        batchRow(atMs, { service: 'normalizer' }),
        batchRow(atMs, { service: 'ledger' }),
      ]),
    },
    'dashboards-more',
  );
  const day = new Date(nowMs - 7 * DAY_MS).toISOString().slice(0, 10);
  const text = `capacity: [{id: units, provider: azure, model: gpt-4.1, units: 2, per_unit_hour: 1.25, effective_from: ${day}}]`;
  const book = loadPriceBook([{ path: 'seed.yaml', text, problem: null }]);
  if (book.kind === 'loaded') await createPriceBookStore(store).keep(book, nowMs, new AbortController().signal);
};
