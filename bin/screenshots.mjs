// Takes the pictures of the README from a running demo: `npm start`, wait a minute, then `node bin/screenshots.mjs`.
// Needs Chromium (CHROMIUM names it, default /usr/bin/chromium). TACHO_CONSOLE: the console, if not on its usual port.
import { mkdirSync, statSync } from 'node:fs';
import process from 'node:process';
import { chromium } from 'playwright-core';

const base = process.env.TACHO_CONSOLE ?? 'http://127.0.0.1:7070';
const folder = new URL('../docs/images/', import.meta.url);
mkdirSync(folder, { recursive: true });
/** A README loads them all at once. */
const SIZE_BYTES_MAX = 300 * 1024;

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

/** One picture of what fits the window. */
const shoot = async (name, path, { width = 1360, height = 900, dark = false } = {}) => {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
  await page.goto(`${base}${path}`, { waitUntil: 'networkidle' });
  const file = new URL(`${name}.png`, folder).pathname;
  await page.screenshot({ path: file });
  await page.close();
  const sizeBytes = statSync(file).size;
  console.log(`docs/images/${name}.png  ${Math.round(sizeBytes / 1024)} KiB  ${path}`);
  if (sizeBytes > SIZE_BYTES_MAX) throw new Error(`${name}.png is larger than ${SIZE_BYTES_MAX} bytes`);
};

const get = async (path) => (await fetch(`${base}/api/v1/${path}`)).json();
/** What the picture is of must be there: a demo that has just begun has none. */
const found = (what, value) => {
  if (value === undefined) throw new Error(`there is no ${what} yet: wait a minute for the demo`);
  return value;
};

// The busiest recent run makes the best picture of a run page; of lineage, the one that most agents and tools took part in.
const { runs } = await get('runs?tenant=demo&limit=500');
const most = (of) => runs.toSorted((a, b) => of(b) - of(a))[0];
const run = found(
  'run',
  most((row) => row.calls * 100 + row.tool_steps),
);
const joined = found(
  'run',
  most((row) => row.agents.length * 100 + row.tools.length * 10 + row.models.length),
);
const { violations } = await get('violations?tenant=demo&limit=500');
const violation = found(
  'violation',
  violations.find((row) => row.source_span_id !== null) ??
    violations.find((row) => row.rule_id === 'tool.not-allowed') ??
    violations[0],
);
const { incidents } = await get('incidents?tenant=demo&limit=100');
const incident = found('incident of a budget', incidents.find((row) => row.source === 'budget') ?? incidents[0]);

// A list of incidents that nobody has ever touched says nothing of how they are worked: somebody takes the budget's.
const taken = await fetch(`${base}/api/v1/incidents/${incident.incident_id}/acknowledge?tenant=demo`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ actor: 'ada', comment: 'raising it with the owners of the pilot' }),
});
if (!taken.ok) throw new Error(`could not acknowledge: ${await taken.text()}`);

await shoot('overview', '/?tenant=demo');
await shoot('run', `/runs/${run.run_id}?tenant=demo`);
await shoot('run-dark', `/runs/${run.run_id}?tenant=demo`, { dark: true });
await shoot('lineage', '/lineage?tenant=demo&node=agent:triage', { height: 1000 });
await shoot('run-lineage', `/runs/${joined.run_id}?tenant=demo&view=lineage`);
await shoot('incidents', '/incidents?tenant=demo');
await shoot('incident', `/incidents/${incident.incident_id}?tenant=demo`, { dark: true });
await shoot('violation', `/violations/${violation.violation_id}?tenant=demo`);
await shoot('budgets', '/budgets?tenant=demo');
await shoot('policies', '/policies?tenant=demo', { dark: true });
await shoot('pipeline', '/pipeline');
await shoot('phone', '/?tenant=demo', { width: 390, height: 844, dark: true });
await browser.close();
