import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';
import { startWebhook, type Webhook } from '../support/webhook.ts';

const captures = resolve(import.meta.dirname, '..', 'fixtures', 'captures');

const RULES = `apiVersion: tachograph/v1
kind: Rule
id: story.tool-used
version: 1.0.0
title: "Tool {{e.tool.name}} was called"
severity: high
mode: alert
on: [tool]
requires: [e.tool.name]
when: 'e.tool.name != ""'
tests:
  - name: any tool
    steps: [{at: 0s, kind: tool, tool: {name: search}}]
    expect: [{at: 0s, title: "*search*"}]
`;

/** A cent is less than any capture costs: all thresholds fall at once, or one after the other. */
const BUDGETS = `budgets:
  - id: story-month
    title: Story, a month
    scope: {tenant: story}
    period: month
    timezone: Europe/Berlin
    limit_usd: "0.0001"
    thresholds: [0.5, 0.8, 1]
    unknown_call_ceiling_usd: "0.01"
`;

let hook: Webhook;
let site: Site;
let up: Tacho;
let browser: Browser;

beforeAll(async () => {
  hook = await startWebhook();
  const bare = await createSite();
  const file = (name: string, text: string): string => {
    writeFileSync(join(bare.dir, name), text);
    return join(bare.dir, name);
  };
  mkdirSync(join(bare.dir, 'policies'));
  file('policies/story.yaml', RULES);
  const budgets = file('budgets.yaml', BUDGETS);
  const config = `policy: {dir: ${join(bare.dir, 'policies')}}
alerts:
  budgets_file: ${budgets}
  sinks: [{name: oncall, kind: webhook, url: "${hook.url}", secret: story-secret}]
`;
  site = { ...bare, env: { ...bare.env, TACHO_CONFIG: file('tachograph.yaml', config) } };
  up = startTacho(site, ['up']);
  await untilReady(site, up);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
});

afterAll(async () => {
  await browser?.close();
  up?.kill('SIGKILL');
  await up?.exited;
  await hook?.close();
  site?.remove();
});

/** Pulls the plug and starts anew; waits until what was under way has come to rest. */
const restart = async (): Promise<void> => {
  up.kill('SIGKILL');
  await up.exited;
  up = startTacho(site, ['up']);
  await untilReady(site, up);
  await settled();
};

/** Every topic is read to its end and no notification is on its way. */
const settled = async (): Promise<void> => {
  await until('nothing is under way', async () => {
    const report = (await (await fetch(`${site.api}/api/v1/pipeline`)).json()) as {
      services: { service: string; partitions: { lag: number }[] }[];
    };
    const streams = report.services.filter((service) => service.partitions.length > 0);
    const isRead = streams.length > 0 && streams.every(({ partitions }) => partitions.every(({ lag }) => lag === 0));
    const [row] = await sql<{ n: string }>(
      site,
      `SELECT count() AS n FROM incident_deliveries FINAL WHERE state = 'pending'`,
    );
    return isRead && row?.n === '0' ? true : null;
  });
};

interface Incident {
  readonly incident_id: string;
  readonly source: string;
  readonly state: string;
}

const incidents = async (): Promise<readonly Incident[]> =>
  sql<Incident>(site, 'SELECT incident_id, source, state FROM incidents FINAL ORDER BY source, incident_id');

const budgetIncident = async (): Promise<Incident> =>
  until('the budget has an incident', async () => {
    const found = (await incidents()).find(({ source }) => source === 'budget');
    return found ?? null;
  });

test('traffic → breach → incident → webhook → acknowledged in the console → resolved: told once each, whatever is killed between', async () => {
  const imported = await runTacho(site, [
    'import',
    join(captures, 'vercel-ai7'),
    '--tenant',
    'story',
    '--now',
    '--wait',
  ]);
  expect(imported.code, imported.output).toBe(0);
  await restart();

  const { incident_id: id } = await budgetIncident();
  await until('the webhook heard of the breach', async () => (hook.of('budget', 'opened').length > 0 ? true : null));
  await until('the webhook heard of the violation', async () =>
    hook.of('violation', 'opened').length > 0 ? true : null,
  );
  await settled();
  await restart();

  const page = await browser.newPage();
  await page.goto(`${site.api}/incidents/${id}`);
  await page.getByRole('button', { name: /acknowledge/i }).click();
  await until('the webhook heard who has it', async () => (hook.of('budget', 'acknowledged').length > 0 ? true : null));
  await settled();
  await restart();
  await page.reload();
  expect(await page.textContent('main')).toMatch(/acknowledged/i);

  const resolved = await fetch(`${site.api}/api/v1/incidents/${id}/resolve`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ comment: 'raised the limit' }),
  });
  expect([200, 202]).toContain(resolved.status);
  await until('the webhook heard the end', async () => (hook.of('budget', 'resolved').length > 0 ? true : null));
  await settled();
  await restart();
  expect((await incidents()).find(({ incident_id }) => incident_id === id)?.state).toBe('resolved');

  for (const transition of ['opened', 'acknowledged', 'resolved'])
    expect(
      hook.of('budget', transition).map(({ text }) => text),
      transition,
    ).toHaveLength(1);
  const keys = hook.received.map(({ idempotencyKey }) => idempotencyKey);
  expect(new Set(keys).size).toBe(keys.length);
  const audited = await runTacho(site, ['audit']);
  expect(audited.code, audited.output).toBe(0);
});

test('a violation stands on the page of its run, with its rule and the inputs judged', async () => {
  const [violation] = await sql<{ run_id: string; violation_id: string; title: string }>(
    site,
    `SELECT run_id, violation_id, title FROM policy_violations WHERE rule_id = 'story.tool-used' ORDER BY ts LIMIT 1`,
  );
  expect(violation).toBeDefined();
  const page = await browser.newPage();
  await page.goto(`${site.api}/runs/${violation?.run_id}?tenant=story&view=violations`);
  const run = await page.textContent('main');
  expect(run).toContain(violation?.title);
  expect(run).toContain('story.tool-used');
  await page.goto(`${site.api}/violations/${violation?.violation_id}`);
  expect(await page.textContent('main')).toContain('tool.name');
});
