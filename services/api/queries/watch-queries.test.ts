import { describe, expect, test } from 'vitest';
import { attentionQuery } from './attention.ts';
import { budgetsQuery } from './budgets.ts';
import {
  deliveriesQuery,
  incidentCountsQuery,
  incidentEventQuery,
  incidentEventsQuery,
  incidentQuery,
  incidentsQuery,
  violationIncidentsQuery,
} from './incidents.ts';
import { coverageQuery, ruleFilesQuery, rulesetsQuery } from './policies.ts';
import type { Query } from './query.ts';
import {
  affectedRunsQuery,
  incidentViolationsQuery,
  reviewsQuery,
  runViolationsQuery,
  violationCountsQuery,
  violationQuery,
  violationsQuery,
} from './violations.ts';

const range = { fromMs: 1_000, toMs: 2_000 };

/** Every query about violations, incidents and budgets, built over one text wherever a caller's text goes. */
const every = (text: string): Readonly<Record<string, Query>> => {
  const filters = { tenant: text, range, rule: text, severity: text, mode: text, agent: text, run: text };
  const cursor = { ts_micros: '5', id: text };
  const one = { tenant: text, incidentId: text };
  const place = { tenant: text, rule: text, who: text };
  return {
    violations: violationsQuery({ ...filters, review: 'none', cursor, limit: 10 }),
    violation_counts: violationCountsQuery({ ...filters, review: 'except' }),
    violation: violationQuery({ tenant: text, violationId: text }),
    run_violations: runViolationsQuery({ tenant: text, runId: text }),
    reviews: reviewsQuery({ tenant: text, violationId: text }),
    incident_violations: incidentViolationsQuery(place),
    affected_runs: affectedRunsQuery(place),
    violation_incidents: violationIncidentsQuery(place),
    incidents: incidentsQuery({
      tenant: text,
      state: 'open',
      source: text,
      severity: text,
      subject: text,
      agent: text,
      cursor,
      limit: 10,
    }),
    incident_counts: incidentCountsQuery({ tenant: text }),
    incident: incidentQuery({ tenant: text, incidentId: text }),
    events: incidentEventsQuery(one),
    event: incidentEventQuery({ ...one, eventId: text }),
    deliveries: deliveriesQuery(one),
    budgets: budgetsQuery({ tenant: text, budget: text }),
    attention: attentionQuery({ tenant: text, nowMs: 5 }),
    rulesets: rulesetsQuery(),
    rule_files: ruleFilesQuery({ rulesetHash: text, ruleId: text }),
    coverage: coverageQuery({ tenant: text, range }),
  };
};

describe('queries about what wants somebody', () => {
  test('no text of a caller reaches the SQL: it travels as a parameter', () => {
    const plain = every('x');
    const hostile = every("'; DROP TABLE incidents; --{a:String}");
    for (const [name, query] of Object.entries(plain)) expect(hostile[name]?.sql, name).toBe(query.sql);
  });

  test('every parameter named in the SQL is given, and every one given is named', () => {
    for (const [name, query] of Object.entries(every('x'))) {
      const named = new Set([...query.sql.matchAll(/\{(\w+):[^}]+\}/g)].map((found) => found[1]));
      expect([...named].sort(), name).toEqual(Object.keys(query.params).sort());
    }
  });

  test('what is replaced is read in its newest version', () => {
    for (const [name, { sql }] of Object.entries(every('x'))) {
      for (const table of ['incidents', 'incident_deliveries', 'budget_status', 'policy_rulesets']) {
        expect(sql, name).not.toMatch(new RegExp(`FROM ${table}(?! FINAL)\\b`));
      }
    }
  });

  test('a caller of one tenant is asked for in every table a query reads', () => {
    for (const [name, query] of Object.entries(every('x'))) {
      if (name === 'rulesets' || name === 'rule_files') continue; // rules are the same for all tenants
      const tables = query.sql.match(/FROM (policy_\w+|violation_\w+|incident\w*|budget_\w+)/g) ?? [];
      const scopes = query.sql.match(/tenant_id = \{tenant:String\}/g) ?? [];
      expect(scopes.length, name).toBeGreaterThanOrEqual(tables.length);
    }
  });
});
