import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createSite, type Site } from './tacho.ts';

const BUILTIN = resolve(import.meta.dirname, '..', '..', 'config', 'policies', 'builtin');

/** Lists under which the built-in rules have something to say of the captures, and two rules beside them. */
const RULES = `apiVersion: tachograph/v1
kind: Lists
id: lists.test
version: 1.0.0
lists:
  models_denied: ["gpt-4o*"]
  models_approved: ["claude-*", "gemini-*"]
  tools:
    codex_exec: [apply_patch]
---
apiVersion: tachograph/v1
kind: Rule
id: test.tool-used
version: 1.0.0
title: "Tool {{e.tool.name}} was called"
severity: low
mode: alert
on: [tool]
requires: [e.tool.name]
when: 'e.tool.name != ""'
dedupe: {key: [e.tool.name]}
tests:
  - name: any tool
    steps: [{at: 0s, kind: tool, tool: {name: search}}]
    expect: [{at: 0s, title: "*search*"}]
---
apiVersion: tachograph/v1
kind: Rule
id: test.watched-call
version: 1.0.0
title: "A call of {{e.llm.model}}"
severity: low
mode: monitor
on: [llm]
requires: [e.llm.model]
when: 'e.llm.model != ""'
tests:
  - name: any call
    steps: [{at: 0s, kind: llm, llm: {model: m}}]
    expect: [{at: 0s}]
`;

/** A zone where it is noon: the day of a budget neither ends nor begins while a test runs. */
const noonZone = (nowMs: number): string => {
  const east = 12 - new Date(nowMs).getUTCHours();
  // The names of these zones count westwards.
  return east === 0 ? 'Etc/GMT' : `Etc/GMT${east > 0 ? '-' : '+'}${Math.abs(east)}`;
};

/** For each tenant a budget that any call breaks at once, one that is broken in steps, and one that nobody breaks. */
const budgetsOf = (tenants: readonly string[], zone: string): string =>
  `budgets:\n${tenants
    .flatMap((tenant) => [
      `{id: ${tenant}-all, title: All of it, scope: {tenant: ${tenant}}, period: day, timezone: ${zone}, limit_usd: "0.0000001", thresholds: [1], unknown_call_ceiling_usd: "0.001"}`,
      `{id: ${tenant}-much, title: Much of it, scope: {tenant: ${tenant}}, period: day, timezone: ${zone}, limit_usd: "100000", thresholds: [0.5, 1], unknown_call_ceiling_usd: 0}`,
      `{id: ${tenant}-month, title: A month, scope: {tenant: ${tenant}}, period: month, timezone: ${zone}, limit_usd: "0.0000001", thresholds: [1], unknown_call_ceiling_usd: 0}`,
    ])
    .map((budget) => `  - ${budget}\n`)
    .join('')}`;

/** What a watched site is to watch. */
export interface Watched {
  /** Tenants with budgets. */
  readonly tenants: readonly string[];
  /** Decides the zone of the budgets: give two sites that are to be compared the same. */
  readonly nowMs: number;
  /** Where notifications go; none without. */
  readonly hookUrl?: string;
}

/** A site with rules that fire, budgets that break and a sink that is told, all from files of its own. */
export const createWatchedSite = async (
  { tenants, nowMs, hookUrl }: Watched,
  extra: Readonly<Record<string, string>> = {},
): Promise<Site> => {
  const site = await createSite(extra);
  const policies = join(site.dir, 'policies');
  mkdirSync(policies);
  cpSync(BUILTIN, join(policies, 'builtin'), { recursive: true });
  writeFileSync(join(policies, 'test.yaml'), RULES);
  writeFileSync(join(site.dir, 'budgets.yaml'), budgetsOf(tenants, noonZone(nowMs)));
  const sinks =
    hookUrl === undefined ? '[]' : `[{name: oncall, kind: webhook, url: "${hookUrl}", secret: of-the-test}]`;
  const config = join(site.dir, 'tachograph.yaml');
  writeFileSync(
    config,
    `policy: {dir: ${policies}}\nalerts: {budgets_file: ${join(site.dir, 'budgets.yaml')}, sinks: ${sinks}}\n`,
  );
  return { ...site, env: { ...site.env, TACHO_CONFIG: config } };
};
