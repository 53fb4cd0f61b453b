// Takes the pictures of the README from a running demo: `npm start`, wait a minute, then `node bin/screenshots.mjs`.
// Needs Chromium (CHROMIUM names it, default /usr/bin/chromium).
import { mkdirSync } from 'node:fs';
import process from 'node:process';
import { chromium } from 'playwright-core';

const base = process.env.TACHO_CONSOLE ?? 'http://127.0.0.1:7070';
const folder = new URL('../docs/images/', import.meta.url);
mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
  ],
});
/** One picture; `prepare` may click first. */
const shoot = async (name, path, { width = 1360, height = 900, dark = false } = {}) => {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
  await page.goto(`${base}${path}`, { waitUntil: 'networkidle' });
  await page.screenshot({ path: new URL(`${name}.png`, folder).pathname });
  await page.close();
  console.log(`docs/images/${name}.png  ${path}`);
};

// The busiest recent run makes the best picture of a run page.
const runs = await (await fetch(`${base}/api/v1/runs?tenant=demo&limit=200`)).json();
const run = runs.runs.toSorted(
  (a, b) => Number(b.calls) - Number(a.calls) || Number(b.tool_steps) - Number(a.tool_steps),
)[0];
await shoot('overview', '/?tenant=demo&range=6h');
await shoot('run', `/runs/${run.run_id}?tenant=demo`);
await shoot('run-dark', `/runs/${run.run_id}?tenant=demo`, { dark: true });
// What went wrong lately, where there is any: an open incident, a violation with a path.
const { incidents } = await (await fetch(`${base}/api/v1/incidents?limit=1`)).json();
if (incidents[0]) await shoot('incident', `/incidents/${incidents[0].incident_id}?tenant=${incidents[0].tenant_id}`);
const { violations } = await (await fetch(`${base}/api/v1/violations?limit=200&from=30d`)).json();
const violation = violations.find((row) => row.source_span_id !== null) ?? violations[0];
if (violation) await shoot('violation', `/violations/${violation.violation_id}?tenant=${violation.tenant_id}`);
await shoot('violations', '/violations?tenant=demo');
await shoot('budgets', '/budgets');
await shoot('policies', '/policies', { dark: true });
await shoot('pipeline', '/pipeline');
await shoot('phone', '/?tenant=demo&range=6h', { width: 390, height: 844, dark: true });
await browser.close();
