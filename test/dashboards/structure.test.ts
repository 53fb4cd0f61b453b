import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { Dashboard, VariableModel } from '@grafana/grafana-foundation-sdk/dashboard';
import { describe, expect, test } from 'vitest';
import { committedFiles } from '../../dashboards/generate.ts';
import { runbookText } from '../../dashboards/rules/runbook.ts';
import { isKnownMacro, macrosOf, UNSAFE_MACROS } from './macros.ts';
import { allPanels, dashboards, panelsOf, targetsOf } from './targets.ts';

const root = join(import.meta.dirname, '..', '..');
const GRID_WIDTH = 24;

/** Every text of a dashboard, with the keys that lead to it. */
const textsOf = (value: unknown): readonly string[] => {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsOf);
};
const usedVariables = (value: unknown): readonly string[] =>
  textsOf(value)
    .flatMap((text) => [...text.matchAll(/\$\{?(?!__)(\w+)/g)].map((match) => match[1] ?? ''))
    .filter((name) => name !== '');
const declared = (dashboard: Dashboard): readonly VariableModel[] => dashboard.templating.list ?? [];

const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });

describe('generated files', () => {
  const generated = join(root, 'dashboards', 'generated');

  test('equal what the code builds (else: node dashboards/build.ts)', () => {
    const built = committedFiles();
    expect(
      filesBelow(generated)
        .map((path) => relative(generated, path))
        .sort(),
    ).toEqual([...built.keys()].sort());
    for (const [path, text] of built) expect(readFileSync(join(generated, path), 'utf8'), path).toBe(text);
  });

  test('the runbook has a section for every rule (else: node dashboards/build.ts)', () => {
    expect(readFileSync(join(root, 'docs', 'runbook.md'), 'utf8')).toBe(runbookText());
  });

  test('building twice gives the same', () => {
    expect([...committedFiles()]).toEqual([...committedFiles()]);
  });

  test('every dashboard file stands in the registry', () => {
    const registry = readFileSync(join(root, 'dashboards', 'registry.ts'), 'utf8');
    const files = readdirSync(join(root, 'dashboards')).filter((name) => name.endsWith('.ts'));
    const specs = files.filter((name) =>
      /: DashboardSpec = \{/.test(readFileSync(join(root, 'dashboards', name), 'utf8')),
    );
    expect(specs.length).toBeGreaterThan(0);
    expect(specs.filter((name) => !registry.includes(`./${basename(name)}`))).toEqual([]);
  });
});

describe.each(dashboards.map((dashboard) => [dashboard.uid ?? '', dashboard] as const))(
  'dashboard %s',
  (uid, dashboard) => {
    test('is read-only code: an id of its own, no database id, the schema the SDK knows', () => {
      expect(uid).toMatch(/^[a-z0-9-]{1,40}$/);
      expect(dashboard).not.toHaveProperty('id');
      expect(dashboard.editable).toBe(false);
      expect(dashboard.schemaVersion).toBe(42);
      expect(dashboard.description).toBeTruthy();
      expect(new Set(dashboards.map((other) => other.uid)).size).toBe(dashboards.length);
    });

    test('every panel says what it shows, in which unit, and has an id of its own', () => {
      const panels = panelsOf(dashboard);
      for (const panel of panels) {
        expect(panel.title, String(panel.id)).toBeTruthy();
        expect(panel.description, panel.title).toMatch(/\.$/);
        expect(panel.fieldConfig?.defaults.unit, panel.title).toBeTruthy();
        expect(panel.datasource, panel.title).toEqual({ type: 'grafana-clickhouse-datasource', uid: '${datasource}' });
        expect(targetsOf(panel).length, panel.title).toBeGreaterThan(0);
      }
      expect(new Set(panels.map((panel) => panel.id)).size).toBe(panels.length);
      expect(panels.every((panel) => Number.isInteger(panel.id))).toBe(true);
    });

    test('no panel lies over another or beside the grid', () => {
      const cells = new Map<string, string>();
      for (const panel of panelsOf(dashboard)) {
        const { x, y, w, h } = panel.gridPos ?? { x: -1, y: 0, w: 0, h: 0 };
        expect([panel.title, x >= 0 && x + w <= GRID_WIDTH && w > 0 && h > 0]).toEqual([panel.title, true]);
        for (let column = x; column < x + w; column += 1)
          for (let row = y; row < y + h; row += 1) {
            const cell = `${column}/${row}`;
            expect([panel.title, cells.get(cell)]).toEqual([panel.title, undefined]);
            cells.set(cell, panel.title ?? '');
          }
      }
    });

    test('variables: all declared, all used, read anew when the time changes', () => {
      const names = declared(dashboard).map((variable) => variable.name);
      expect(names).toEqual(['datasource', 'tenant', 'service', 'agent', 'console_url']);
      expect(
        [...new Set(usedVariables([dashboard.panels, dashboard.links]))].filter((name) => !names.includes(name)),
      ).toEqual([]);
      const inQueries = new Set(
        panelsOf(dashboard).flatMap((panel) => targetsOf(panel).flatMap((t) => usedVariables(t.rawSql))),
      );
      for (const name of ['tenant', 'service', 'agent']) expect([name, inQueries.has(name)]).toEqual([name, true]);
      for (const variable of declared(dashboard).filter(({ type }) => type === 'query')) {
        expect(variable).toMatchObject({
          refresh: 2,
          multi: true,
          includeAll: true,
          allValue: "'*'",
          datasource: { uid: '${datasource}' },
        });
      }
      expect(declared(dashboard)[0]).toMatchObject({ type: 'datasource', query: 'grafana-clickhouse-datasource' });
    });

    test('links lead to panels, dashboards and pages that exist', () => {
      const urls = textsOf(dashboard).filter((text) => text.startsWith('/d/') || text.startsWith('${console_url}'));
      expect(urls.length).toBeGreaterThan(1);
      for (const url of urls) {
        const uidOf = /^\/d\/([\w-]+)\?/.exec(url)?.[1];
        if (uidOf === undefined) expect(url).toMatch(/^\$\{console_url\}\/(runs\/|$)/);
        else expect(dashboards.map((other) => other.uid)).toContain(uidOf);
      }
      const fields = (url: string) => [...url.matchAll(/\$\{__data\.fields\.(\w+)/g)].map((match) => match[1] ?? '');
      for (const panel of panelsOf(dashboard)) {
        const sql = targetsOf(panel)
          .map((target) => target.rawSql)
          .join('\n');
        for (const field of textsOf(panel.fieldConfig).flatMap(fields))
          expect(sql, panel.title).toMatch(new RegExp(` AS ${field}\\b`));
      }
    });
  },
);

describe('queries', () => {
  test.each(allPanels)('%s: verified macros only, quoted variables, the right format', (_, __, panel) => {
    for (const target of targetsOf(panel)) {
      expect(target.datasource).toEqual({ type: 'grafana-clickhouse-datasource', uid: '${datasource}' });
      expect(target.format).toBe(panel.type === 'timeseries' ? 0 : 1);
      expect(macrosOf(target.rawSql).filter((name) => !isKnownMacro(name) || UNSAFE_MACROS.has(name))).toEqual([]);
      // A variable outside its quotes is an injection; a comment would be expanded by some versions of the plugin.
      expect([...target.rawSql.matchAll(/\$(?!__)(?!\{\w+:singlequote\})/g)]).toEqual([]);
      expect(target.rawSql).not.toMatch(/--|\/\*|;/);
    }
  });

  test('the ledger is summed, never counted', () => {
    for (const [place, , panel] of allPanels)
      for (const { rawSql } of targetsOf(panel))
        if (/FROM ledger_entries/.test(rawSql)) expect(rawSql, place).not.toMatch(/\b(count|avg|uniq\w*)\(/);
  });

  test('tables of versions are read with FINAL', () => {
    for (const [place, , panel] of allPanels)
      for (const { rawSql } of targetsOf(panel))
        for (const [, table, rest] of rawSql.matchAll(/FROM (runs|incidents|budget_status) AS \w( FINAL)?/g))
          expect([place, table, rest]).toEqual([place, table, ' FINAL']);
  });

  test('a name that means something has the same colour on every panel', () => {
    const colours = new Map<string, string>();
    for (const [place, , panel] of allPanels)
      for (const { matcher, properties } of panel.fieldConfig?.overrides ?? []) {
        const colour = properties.find((property) => property.id === 'color')?.value.fixedColor;
        if (colour === undefined) continue;
        const name = String(matcher.options);
        expect([place, colours.get(name) ?? colour]).toEqual([place, colour]);
        colours.set(name, colour);
      }
    expect(colours.size).toBeGreaterThan(5);
  });
});
