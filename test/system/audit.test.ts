import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

let site: Site;
let tacho: Tacho;
beforeAll(async () => {
  site = await createSite();
  tacho = startTacho(site, ['up']);
  await untilReady(site, tacho);
});
afterAll(async () => {
  tacho.kill('SIGTERM');
  await tacho.exited;
  site.remove();
});

const audits = async (): Promise<number> => {
  const [row] = await sql<{ n: string }>(site, 'SELECT uniqExact(audit_id) AS n FROM audit_results');
  return Number(row?.n);
};

test('an audit beside the running system is recorded and told by the API; --no-record keeps nothing', async () => {
  expect((await runTacho(site, ['audit', '--no-record'])).code).toBe(0);
  expect(await audits()).toBe(0);
  expect((await runTacho(site, ['audit'])).code).toBe(0);
  expect(await audits()).toBe(1);
  const answer = (await (await fetch(`${site.api}/api/v1/pipeline`)).json()) as { audit: { findings: number } };
  expect(answer.audit.findings).toBe(0);
});

test('--every goes on until it is told to stop, then exits 0', async () => {
  const before = await audits();
  const auditor = startTacho(site, ['audit', '--every', '10s']);
  await until(`two audits\n${auditor.output()}`, async () => ((await audits()) >= before + 2 ? true : null), 120_000);
  auditor.kill('SIGTERM');
  expect(await auditor.exited).toBe(0);
});

test('a wrong --every is a wrong config', async () => {
  const { code, output } = await runTacho(site, ['audit', '--every', '3']);
  expect(code).toBe(2);
  expect(output).toContain('--every: is 3; allowed: a time from 10s to 24h');
});

test('dashboards writes a folder that Grafana can be pointed at', async () => {
  const out = mkdtempSync(join(tmpdir(), 'tacho-grafana-'));
  const { code, output } = await runTacho(site, ['dashboards', '--out', out]);
  expect(code).toBe(0);
  expect(readdirSync(out).sort()).toEqual(['dashboards', 'provisioning']);
  expect(output).toContain('tachograph-overview.json');
  rmSync(out, { recursive: true, force: true });
});
