import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../dashboards/generate.ts';
import { loadConfig } from '../runtime/config.ts';
import { grafanaSettings, writeDashboards } from './dashboards.ts';
import { createWorld } from './world.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tacho-grafana-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

const write = (environment: Readonly<Record<string, string>>) => {
  const lines: string[] = [];
  const world = createWorld(loadConfig(null, environment), new AbortController().signal, 'silent');
  expect(writeDashboards({ ...world, print: (line) => lines.push(line) }, out)).toBe(0);
  return lines.join('\n');
};
const read = (path: string): string => readFileSync(join(out, path), 'utf8');

test('what is committed is what the default config gives', () => {
  expect(grafanaSettings(loadConfig(null, {}))).toEqual(DEFAULT_SETTINGS);
});

test('writes for the config in force, and says who pages', () => {
  const told = write({
    TACHO_ALERTS_PAGER: 'grafana',
    TACHO_ALERTS_PUBLIC_URL: 'https://tacho.example/',
    TACHO_ALERTS_SINKS: '[{"name":"ops","kind":"slack","url":"https://hooks.slack.example/secret-part"}]',
  });
  expect(told).toContain('Grafana pages about budgets and violations');
  expect(told).toContain('https://tacho.example');
  expect(told).not.toContain('secret-part');
  expect(read('dashboards/tachograph-overview.json')).toContain('"query": "https://tacho.example"');
  expect(read('provisioning/alerting/page-rules.yaml')).toContain('tachograph-budget-exceeded');
  expect(read('provisioning/alerting/contact-points.yaml')).toContain('secret-part');
});

test('the file that holds addresses of sinks is for its owner alone, also when an older one was not', () => {
  write({});
  write({ TACHO_ALERTS_SINKS: '[{"name":"ops","kind":"slack","url":"https://hooks.slack.example/secret-part"}]' });
  expect(statSync(join(out, 'provisioning/alerting/contact-points.yaml')).mode & 0o077).toBe(0);
});

test('turning the switch back leaves no rule of the other position behind', () => {
  write({ TACHO_ALERTS_PAGER: 'grafana' });
  write({ TACHO_ALERTS_PAGER: 'tachograph' });
  const rules = read('provisioning/alerting/page-rules.yaml');
  expect(rules).toContain('deleteRules');
  expect(rules).not.toContain('groups');
  expect(readdirSync(join(out, 'provisioning/alerting')).sort()).toEqual([
    'contact-points.yaml',
    'page-rules.yaml',
    'pipeline-rules.yaml',
    'policies.yaml',
  ]);
});
