import { describe, expect, test } from 'vitest';
import { bookingsQuery, runTotalsQuery } from './bookings.ts';
import { contentQuery } from './content.ts';
import { COST_KEYS, COST_STEP_NAMES, costsQuery } from './costs.ts';
import { agentsQuery, breakdownQuery } from './overview.ts';
import { childRunsQuery, orphansQuery, parentsQuery, runBoundsQuery } from './parent-links.ts';
import { confirmedEndsQuery, coverQuery, deadLettersQuery, manifestQuery } from './pipeline.ts';
import type { Query } from './query.ts';
import { runLinksQuery, runsOfIdsQuery, sessionRunsQuery } from './run-links.ts';
import { runCountsQuery, runQuery, runsQuery } from './runs.ts';
import { scoresQuery } from './scores.ts';
import { runTenantsQuery, stepQuery, stepsQuery } from './steps.ts';

const range = { fromMs: 1_000, toMs: 2_000 };

/** Every query of the API, built over one text wherever a caller's text goes. */
const every = (text: string): Readonly<Record<string, Query>> => ({
  runs: runsQuery({
    tenant: text,
    range,
    service: text,
    agent: text,
    model: text,
    tool: text,
    session: text,
    user: text,
    workflow: text,
    environment: text,
    status: 'error',
    q: text,
    cursor: { ts_micros: '5', id: text },
    limit: 10,
  }),
  run_counts: runCountsQuery({ tenant: text, range, q: text }),
  run: runQuery({ tenant: text, runId: text }),
  session: sessionRunsQuery({ tenant: text, sessionId: text }),
  run_links: runLinksQuery({ tenant: text, runIds: [text], limit: 10 }),
  run_bounds: runBoundsQuery({ tenant: text, runIds: [text] }),
  child_runs: childRunsQuery({ tenant: text, runIds: [text], fromMs: 1, toMs: 2 }),
  orphans: orphansQuery({ tenant: text, runIds: [text], fromMs: 1, toMs: 2 }),
  parents: parentsQuery({ tenant: text, spanIds: [text], fromMs: 1, toMs: 2 }),
  runs_of_ids: runsOfIdsQuery({ tenant: text, runIds: [text] }),
  scores: scoresQuery({ tenant: text, runId: text }),
  steps: stepsQuery({
    tenant: text,
    runId: text,
    cursor: { ts_micros: '5', id: text },
    limit: 10,
    withAttributes: true,
  }),
  step: stepQuery({ tenant: text, runId: text, stepId: text }),
  run_tenants: runTenantsQuery({ tenant: text, runId: text }),
  bookings: bookingsQuery({ tenant: text, runId: text }),
  totals: runTotalsQuery({ tenant: text, runIds: [text] }),
  content: contentQuery({ tenant: text, runId: text, stepIds: [text], charsMax: 10, limit: 10 }),
  costs: costsQuery({
    tenant: text,
    range,
    groupBy: ['model', 'team', 'cost_centre'],
    step: 'hour',
    filters: Object.fromEntries(COST_KEYS.map((name) => [name, text])),
    owners: [
      ...[{ team: text, cost_centre: text, tenant: text, service: text, agent: text, workflow: text, user: text }],
    ].map((owner) => ({ ...owner, label: text, label_value: text })),
    limit: 10,
  }),
  breakdown: breakdownQuery({ tenant: text, range }),
  agents: agentsQuery({ tenant: text, range }),
  manifest: manifestQuery(range),
  dead_letters: deadLettersQuery({ tenant: text, range }),
  cover: coverQuery({ service: text, logId: text, topic: text, partition: 1, offset: 2 }),
  ends: confirmedEndsQuery({ service: text, logId: text, topic: text }),
});

describe('queries', () => {
  test('no text of a caller reaches the SQL: it travels as a parameter', () => {
    const plain = every('x');
    const hostile = every("'; DROP TABLE spans; --{a:String}");
    for (const [name, query] of Object.entries(plain)) expect(hostile[name]?.sql, name).toBe(query.sql);
  });

  test('every parameter named in the SQL is given, and every one given is named', () => {
    for (const [name, query] of Object.entries(every('x'))) {
      const named = new Set([...query.sql.matchAll(/\{(\w+):[^}]+\}/g)].map((found) => found[1]));
      expect([...named].sort(), name).toEqual(Object.keys(query.params).sort());
    }
  });

  test('the ledger is only ever summed, and read as signed entries', () => {
    const { sql } = costsQuery({ tenant: null, range, groupBy: [], step: null, filters: {}, limit: 1 });
    expect(sql).toContain('sum(e.calls) AS calls');
    expect(sql).not.toMatch(/count\(\)|avg\(|FINAL/);
  });

  test.each(COST_STEP_NAMES)('a step %s groups by bucket before the dimensions', (step) => {
    const { sql } = costsQuery({ tenant: 'demo', range, groupBy: ['model', 'service'], step, filters: {}, limit: 5 });
    expect(sql).toContain('GROUP BY bucket, model, service');
    expect(sql).toContain('ORDER BY bucket, sum(e.cost_usd) DESC');
  });

  test('an absent filter leaves no trace, an empty one asks for the rows without a value', () => {
    const none = costsQuery({ tenant: null, range, groupBy: [], step: null, filters: {}, limit: 1 });
    expect(none.params).toEqual({ from_ms: 1_000, to_ms: 2_000, limit: 1 });
    const empty = costsQuery({ tenant: null, range, groupBy: [], step: null, filters: { workflow: '' }, limit: 1 });
    expect(empty.sql).toContain("ifNull(toString(workflow), '') = ''");
  });

  test('a page asks for one row more than it shows', () => {
    expect(runsQuery({ tenant: null, range, limit: 50 }).params['limit']).toBe(51);
  });

  test('runs are read in their newest version', () => {
    for (const query of [runsQuery({ tenant: null, range, limit: 1 }), runQuery({ tenant: null, runId: 'a' })]) {
      expect(query.sql).toContain('FROM runs FINAL');
    }
  });
});
