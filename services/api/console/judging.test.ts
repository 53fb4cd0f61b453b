import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSeededEngine, testApi } from '../../../test/support/api.ts';
import type { TestEngine } from '../../../test/support/engine.ts';
import { RICH_RUN } from '../../../test/support/seed-builders.ts';
import { BUDGET_INCIDENT, incidents } from '../../../test/support/seed-incidents.ts';
import { createAccess, hashToken } from '../../runtime/access-tokens.ts';
import { utcMillis } from '../../runtime/stream/time.ts';

let engine: TestEngine;
let app: FastifyInstance;
const get = (url: string, headers: Record<string, string> = {}) =>
  app.inject({ url, headers: { host: 'localhost:7070', ...headers } });
const HOUR_MS = 3_600_000;
const nowMs = Date.now();

beforeAll(async () => {
  engine = await startSeededEngine();
  app = testApi(engine.store);
});
afterAll(async () => {
  await app?.close();
  await engine?.close();
});

const RULES = `
kind: Rule
id: flow.untrusted
version: 2.0.0
title: "{{e.tool.name}} after an untrusted page"
description: What is read outside decides nothing inside.
severity: high
mode: recommend-block
---
kind: Detector
id: loop
version: 1.0.0
title: "{{e.tool.name}} called {{count}} times"
---
kind: Rule
id: model.denied
version: 1.0.0
title: "{{e.llm.model}} is denied"
severity: low
`;

describe('policies', () => {
  beforeAll(async () => {
    const hash = '600d600d600d600d600d600d600d600d';
    await engine.store.insert(
      'policy_rulesets',
      [
        {
          ruleset_hash: hash,
          state: 'in_force',
          rules: 4,
          files: { 'rules.yaml': RULES, 'other.yaml': 'kind: Rule\nid: [unreadable' },
          problems: [],
          loaded_at: utcMillis(nowMs + 1000),
        },
      ],
      { token: 'judging' },
    );
    const coverage = { tenant_id: 'demo', hour: utcMillis(Math.floor(nowMs / HOUR_MS) * HOUR_MS).slice(0, 19) };
    await engine.store.insert(
      'policy_coverage',
      ['', 'cfg.models_denied'].map((field) => ({
        ...coverage,
        rule_id: 'model.denied',
        rule_version: '1',
        family: 'openinference',
        field,
        steps: 70,
        lacking: 70,
        errors: 0,
        logged_at: utcMillis(nowMs),
        batch_id: 'b',
      })),
      { token: 'judging coverage' },
    );
  });

  test('the route names every rule of the set in force with what it found and what keeps it from judging', async () => {
    const { in_force, refused, rules, coverage } = (await get('/api/v1/policies?from=24h')).json();
    expect(in_force).toMatchObject({ rules: 4, files: ['other.yaml', 'rules.yaml'] });
    expect(refused).toBeNull();
    expect(rules.map((rule: { rule_id: string }) => rule.rule_id)).toEqual(['loop', 'flow.untrusted', 'model.denied']);
    expect(rules[0]).toMatchObject({ kind: 'Detector', severity: null, violations: 8 });
    expect(rules[1]).toMatchObject({ severity: 'high', mode: 'recommend-block', steps: 200, lacking: 74 });
    expect(rules[2]).toMatchObject({ not_configured: [{ list: 'cfg.models_denied', steps: 70 }], violations: 0 });
    expect(coverage.length).toBeGreaterThan(5);
  });

  test('a list nobody wrote is not told as a lack of the telemetry', async () => {
    const { body } = await get('/policies?tenant=demo');
    expect(body).toContain('not configured: no list models_denied');
    const gaps = body.slice(body.indexOf('Where rules cannot judge'));
    expect(gaps.slice(0, gaps.indexOf('Rule sets'))).not.toContain('models_denied');
    expect(body).toContain('1 rule more, in a form this version cannot list');
    expect(body).toContain('… after an untrusted page');
  });

  test('a caller of one tenant sees the coverage and violations of that tenant', async () => {
    const { rules } = (await get('/api/v1/policies?tenant=nobody')).json();
    expect(rules.map((rule: { violations: number; steps: number }) => rule.violations + rule.steps)).toEqual([0, 0, 0]);
  });
});

describe('what wants somebody', () => {
  test('names each rule once, with how many more of it are open, so that a storm of one hides no other', async () => {
    const [open] = incidents(nowMs);
    const storm = Array.from({ length: 40 }, (_, at) => ({
      ...open,
      incident_id: `storm${at}`,
      subject: 'storm.rule',
      title: `storm ${at}`,
      service: `service-${at}`,
      agent_name: null,
      severity: 'critical',
    }));
    await engine.store.insert('incidents', storm, { token: 'storm' });
    const { body } = await get('/?tenant=demo');
    const strip = body.slice(body.indexOf('class="attention'), body.indexOf('class="answer"'));
    expect(strip).toContain('and 39 more of storm.rule');
    expect(strip).toContain('/incidents?tenant=demo&amp;state=open&amp;subject=storm.rule');
    expect(strip).toContain('untrusted page reached a write');
    expect([...strip.matchAll(/<li>/g)]).toHaveLength(2);
  });
});

describe('the incident of a budget', () => {
  const about = async (id: string, detail: object | string, tenant = 'demo') => {
    const found = incidents(nowMs).find((row) => row['incident_id'] === BUDGET_INCIDENT);
    const row = {
      ...found,
      tenant_id: tenant,
      incident_id: id,
      detail: typeof detail === 'string' ? detail : JSON.stringify(detail),
    };
    await engine.store.insert('incidents', [row], { token: `incident ${id}` });
  };
  const spenders = (body: string): string => body.slice(body.indexOf('Most expensive runs'), body.indexOf('Timeline'));
  const period = {
    period_start: new Date(nowMs - 48 * HOUR_MS).toISOString(),
    period_end: new Date(nowMs + HOUR_MS).toISOString(),
  };

  test('names the runs that spent most of it, the most expensive first, and no more than ten', async () => {
    await about('spent', { scope: { tenant: 'demo' }, ...period });
    const shown = spenders((await get('/incidents/spent')).body);
    const ids = [...shown.matchAll(/href="\/runs\/([^"?]+)\?/g)].map((found) => found[1]);
    const truth = await engine.store.query<{ run_id: string }>(
      `SELECT run_id FROM ledger_entries WHERE tenant_id = 'demo' AND ts >= now() - INTERVAL 48 HOUR
       GROUP BY run_id ORDER BY sum(cost_usd) DESC NULLS LAST, run_id LIMIT 10`,
    );
    expect(ids).toEqual(truth.map((row) => row.run_id));
    expect(ids).toHaveLength(10);
  });

  test('counts only what is in its scope and its period', async () => {
    await about('scoped', { scope: { tenant: 'demo', agent: 'critic' }, ...period });
    expect(spenders((await get('/incidents/scoped')).body)).toContain(RICH_RUN);
    await about('elsewhere', { scope: { service: 'research-api', workflow: 'no such' }, ...period });
    expect(spenders((await get('/incidents/elsewhere')).body)).toContain('No call in this period is booked');
    await about('nobody', { scope: { tenant: 'demo', agent: 'nobody' }, ...period });
    expect(spenders((await get('/incidents/nobody')).body)).toContain('No call in this period is booked');
    await about('long-ago', { scope: { tenant: 'demo' }, period_start: '2020-01-01', period_end: '2020-02-01' });
    expect(spenders((await get('/incidents/long-ago')).body)).toContain('No call in this period is booked');
  });

  test('of a budget over all tenants, a caller of one tenant sees only the runs of that tenant', async () => {
    await about('all', { scope: {}, ...period }, 'acme');
    expect(spenders((await get('/incidents/all?tenant=acme')).body)).toContain('tenant=demo');
    const own = testApi(engine.store, {
      access: createAccess({
        tokens: [{ name: 'acme', tenant: 'acme', vantage: 'agent', grants: ['read'], sha256: hashToken('secret') }],
        requireTokens: true,
        allowedHosts: [],
      }),
    });
    const { body } = await own.inject({
      url: '/incidents/all',
      headers: { host: 'localhost:7070', authorization: 'Bearer secret' },
    });
    expect(spenders(body)).toContain('tenant=acme');
    expect(spenders(body)).not.toContain('tenant=demo');
    await own.close();
  });

  test('whose detail does not say what it is about is shown without runs', async () => {
    for (const [at, detail] of ['not json', '{}', '{"scope":{},"period_start":"x","period_end":"y"}'].entries()) {
      await about(`broken${at}`, detail);
      const { statusCode, body } = await get(`/incidents/broken${at}`);
      expect([statusCode, body.includes('Most expensive runs')]).toEqual([200, false]);
    }
  });
});
