import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULT_SETTINGS, type GrafanaSettings, grafanaFiles } from '../../dashboards/generate.ts';
import type { Contact } from '../../dashboards/provisioning/notifications.ts';
import { pageRules } from '../../dashboards/rules/pages.ts';
import { isKnownMacro, macrosOf, UNSAFE_MACROS } from './macros.ts';
import { dashboards, panelsOf } from './targets.ts';

interface Rule {
  readonly uid: string;
  readonly title: string;
  readonly condition: string;
  readonly data: readonly {
    refId: string;
    datasourceUid: string;
    relativeTimeRange: object;
    model: Record<string, unknown>;
  }[];
  readonly dashboardUid: string;
  readonly panelId: number;
  readonly for: string;
  readonly noDataState: string;
  readonly execErrState: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}
interface AlertingFile {
  readonly apiVersion: number;
  readonly groups?: readonly {
    orgId: number;
    name: string;
    folder: string;
    interval: string;
    rules: readonly Rule[];
  }[];
  readonly deleteRules?: readonly { orgId: number; uid: string }[];
  readonly contactPoints?: readonly { name: string; receivers: readonly Record<string, unknown>[] }[];
  readonly policies?: readonly Record<string, unknown>[];
}

const PAGES = pageRules.rules.map((rule) => rule.uid);
const filesOf = (settings: Partial<GrafanaSettings>): ReadonlyMap<string, AlertingFile> =>
  new Map(
    [...grafanaFiles({ ...DEFAULT_SETTINGS, ...settings })]
      .filter(([path]) => path.startsWith('provisioning/alerting/'))
      .map(([path, text]) => [path, parse(text) as AlertingFile]),
  );
const rulesIn = (files: ReadonlyMap<string, AlertingFile>): readonly Rule[] =>
  [...files.values()].flatMap((file) => (file.groups ?? []).flatMap((group) => group.rules));
const removedIn = (files: ReadonlyMap<string, AlertingFile>): readonly string[] =>
  [...files.values()].flatMap((file) => (file.deleteRules ?? []).map((rule) => rule.uid));

describe('one switch says who pages', () => {
  const ours = filesOf({ pager: 'tachograph' });
  const grafanas = filesOf({ pager: 'grafana' });

  test('tachograph: no rule about budgets or violations is left, whatever was provisioned before', () => {
    expect(rulesIn(ours).filter((rule) => PAGES.includes(rule.uid))).toEqual([]);
    expect([...removedIn(ours)].sort()).toEqual([...PAGES].sort());
  });

  test('grafana: every such rule is there, and none is removed', () => {
    expect(rulesIn(grafanas).map((rule) => rule.uid)).toEqual(expect.arrayContaining([...PAGES]));
    expect(removedIn(grafanas)).toEqual([]);
  });

  test('a rule is never both provisioned and removed, and both positions write the same files', () => {
    for (const files of [ours, grafanas]) {
      const uids = rulesIn(files).map((rule) => rule.uid);
      expect(uids.filter((uid) => removedIn(files).includes(uid))).toEqual([]);
      expect(new Set(uids).size).toBe(uids.length);
    }
    expect([...ours.keys()]).toEqual([...grafanas.keys()]);
  });

  test('the rules about the pipeline are the same in both positions', () => {
    const path = 'provisioning/alerting/pipeline-rules.yaml';
    expect(ours.get(path)).toEqual(grafanas.get(path));
    expect(ours.get(path)?.groups?.[0]?.rules.length).toBeGreaterThan(4);
  });
});

describe('rules as Grafana reads them', () => {
  const files = filesOf({ pager: 'grafana' });
  const rules = rulesIn(files);
  const RULE_KEYS = [
    'uid',
    'title',
    'condition',
    'data',
    'for',
    'noDataState',
    'execErrState',
    'dashboardUid',
    'panelId',
    'annotations',
    'labels',
    'isPaused',
  ];

  test('only keys it knows: it ignores others silently', () => {
    for (const file of files.values()) {
      const known = ['apiVersion', 'groups', 'deleteRules', 'contactPoints', 'policies'];
      expect(Object.keys(file).filter((key) => !known.includes(key))).toEqual([]);
      for (const group of file.groups ?? [])
        expect(Object.keys(group)).toEqual(['orgId', 'name', 'folder', 'interval', 'rules']);
    }
    for (const rule of rules) {
      expect(Object.keys(rule)).toEqual(RULE_KEYS);
      for (const query of rule.data)
        expect(Object.keys(query).sort()).toEqual(['datasourceUid', 'model', 'refId', 'relativeTimeRange']);
    }
  });

  test.each(rules.map((rule) => [rule.uid, rule] as const))('%s is complete', (uid, rule) => {
    expect(uid).toMatch(/^[a-z0-9-]{1,40}$/);
    expect(rule.for).toMatch(/^\d+s$/);
    expect(rule.data.map((query) => query.refId)).toEqual(['A', 'B', 'C']);
    expect(rule.data.map((query) => query.model['refId'])).toEqual(['A', 'B', 'C']);
    expect(rule.data.map((query) => query.datasourceUid)).toEqual(['tachograph-clickhouse', '__expr__', '__expr__']);
    expect(['OK', 'NoData', 'Alerting', 'KeepLast']).toContain(rule.noDataState);
    expect(['OK', 'Error', 'Alerting', 'KeepLast']).toContain(rule.execErrState);
    expect(rule.annotations['runbook']).toBe(`docs/runbook.md#${uid}`);
    expect(rule.annotations['act']).toBeTruthy();
    const dashboard = dashboards.find((candidate) => candidate.uid === rule.dashboardUid);
    expect(dashboard && panelsOf(dashboard).some((panel) => panel.id === rule.panelId)).toBe(true);
  });

  test.each(rules.map((rule) => [rule.uid, rule] as const))(
    '%s: no variable, no browser macro, no dollar outside SQL',
    (_, rule) => {
      const sql = String(rule.data[0]?.model['rawSql']);
      expect(macrosOf(sql).filter((name) => !isKnownMacro(name) || UNSAFE_MACROS.has(name))).toEqual([]);
      expect(sql.replaceAll('$__', '')).not.toContain('$');
      const { data: _data, ...rest } = rule;
      expect(JSON.stringify(rest)).not.toContain('$');
    },
  );

  test.each(rules.map((rule) => [rule.uid, rule] as const))('%s: its texts name labels its query gives', (_, rule) => {
    const sql = String(rule.data[0]?.model['rawSql']);
    for (const text of Object.values(rule.annotations))
      for (const [, label] of text.matchAll(/index \.Labels "(\w+)"/g))
        expect(sql).toMatch(new RegExp(` AS ${label}\\b`));
    // A label of the rule would hide one of the query.
    for (const label of Object.keys(rule.labels)) expect(sql).not.toMatch(new RegExp(` AS ${label}\\b`));
  });

  test('receivers of the policy exist', () => {
    const names = [...files.values()].flatMap((file) => (file.contactPoints ?? []).map((point) => point.name));
    const [policy] = files.get('provisioning/alerting/policies.yaml')?.policies ?? [];
    const receivers = [
      policy?.['receiver'],
      ...((policy?.['routes'] ?? []) as { receiver: string }[]).map((route) => route.receiver),
    ];
    expect(receivers.filter((name) => !names.includes(String(name)))).toEqual([]);
  });
});

describe('sources and contact points', () => {
  test('the data source takes everything from the environment and holds no secret', () => {
    const text = grafanaFiles(DEFAULT_SETTINGS).get('provisioning/datasources/tachograph.yaml') ?? '';
    const { datasources } = parse(text) as {
      datasources: { uid: string; jsonData: Record<string, unknown>; secureJsonData: unknown }[];
    };
    expect(datasources[0]?.uid).toBe('tachograph-clickhouse');
    expect(datasources[0]?.jsonData).toMatchObject({
      protocol: 'http',
      host: '${CLICKHOUSE_HOST}',
      port: '${CLICKHOUSE_PORT}',
      username: '${CLICKHOUSE_USER}',
    });
    expect(datasources[0]?.secureJsonData).toEqual({ password: '${CLICKHOUSE_PASSWORD}' });
  });

  test('asks for no more time than the shipped ClickHouse user may have: the driver adds five seconds', () => {
    const users = readFileSync(join(import.meta.dirname, '../../deploy/clickhouse/users.d/tachograph.xml'), 'utf8');
    const profile = /<tacho_reader>[\s\S]*?<\/tacho_reader>/.exec(users)?.[0] ?? '';
    const most = Number(/<max_execution_time><min>\d+<\/min><max>(\d+)<\/max>/.exec(profile)?.[1]);
    const text = grafanaFiles(DEFAULT_SETTINGS).get('provisioning/datasources/tachograph.yaml') ?? '';
    const { datasources } = parse(text) as { datasources: { jsonData: { queryTimeout: string } }[] };
    expect(Number(datasources[0]?.jsonData.queryTimeout) + 5).toBeLessThanOrEqual(most);
  });

  test('contact points come from the sinks, without a dollar sign, whichever way Grafana reads them', () => {
    const contacts: readonly Contact[] = [
      { kind: 'slack', name: 'ops', url: 'https://hooks.slack.example/T0/$B' },
      { kind: 'webhook', name: 'oncall', url: 'https://page.example/in?key=a${b}' },
    ];
    const points = filesOf({ contacts }).get('provisioning/alerting/contact-points.yaml')?.contactPoints ?? [];
    expect(points[0]?.receivers.map((receiver) => [receiver['uid'], receiver['type']])).toEqual([
      ['tachograph-ops', 'slack'],
      ['tachograph-oncall', 'webhook'],
    ]);
    expect(JSON.stringify(points)).not.toContain('$');
  });

  test('with no sink there is a contact point all the same: a policy without one is refused', () => {
    const points = filesOf({}).get('provisioning/alerting/contact-points.yaml')?.contactPoints ?? [];
    expect(points[0]?.receivers).toHaveLength(1);
  });
});
