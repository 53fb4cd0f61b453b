import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createSite, type Site, sql, until } from '../support/tacho.ts';

/** A site whose rules live in a folder of its own, and whose incidents go to `hookUrl`. */
export const createPolicySite = async (hookUrl: string) => {
  const bare = await createSite();
  const dir = join(bare.dir, 'policies');
  mkdirSync(dir);
  const path = join(bare.dir, 'tachograph.yaml');
  writeFileSync(
    path,
    `policy: {dir: ${dir}}\nalerts:\n  sinks: [{name: oncall, kind: webhook, url: "${hookUrl}", secret: policy-secret}]\n`,
  );
  const site: Site = { ...bare, env: { ...bare.env, TACHO_CONFIG: path } };
  return { site, dir };
};

/** A sound rule that finds every call of a tool; `fields` replace its own. */
export const ruleOf = (id: string, fields: Readonly<Record<string, string>> = {}): string => {
  const all = {
    apiVersion: 'tachograph/v1',
    kind: 'Rule',
    id,
    version: '1.0.0',
    title: '"{{e.tool.name}} was called"',
    severity: 'high',
    on: '[tool]',
    requires: '[e.tool.name]',
    when: '\'e.tool.name != ""\'',
    ...fields,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
};

const text = (key: string, value: string) => ({ key, value: { stringValue: value } });

/** Sends one call of a tool over OTLP; gives its trace id. */
export const callTool = async (site: Site, tenant: string, tool: string, args = '{}'): Promise<string> => {
  const traceId = randomBytes(16).toString('hex');
  const endNano = BigInt(Date.now()) * 1_000_000n;
  const span = {
    traceId,
    spanId: randomBytes(8).toString('hex'),
    name: `execute_tool ${tool}`,
    kind: 1,
    startTimeUnixNano: String(endNano - 1_000_000n),
    endTimeUnixNano: String(endNano),
    attributes: [
      text('gen_ai.operation.name', 'execute_tool'),
      text('gen_ai.tool.name', tool),
      text('gen_ai.tool.call.arguments', args),
    ],
  };
  const response = await fetch(`${site.otlp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-tacho-tenant': tenant },
    body: JSON.stringify({
      resourceSpans: [{ resource: { attributes: [text('service.name', 'tester')] }, scopeSpans: [{ spans: [span] }] }],
    }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return traceId;
};

export interface ViolationRow {
  readonly rule_id: string;
  readonly ruleset_hash: string;
  readonly title: string;
}

/** Violations of a trace, once there is one. */
export const violationsOf = async (site: Site, traceId: string): Promise<readonly ViolationRow[]> =>
  until(`a violation of ${traceId}`, async () => {
    const rows = await sql<ViolationRow>(
      site,
      `SELECT rule_id, ruleset_hash, title FROM policy_violations WHERE trace_id = '${traceId}' ORDER BY rule_id`,
    );
    return rows.length > 0 ? rows : null;
  });

/** What /readyz says of the policy service. */
export const policyCheckOf = async (site: Site): Promise<{ readonly state: string; readonly detail: string }> => {
  const response = await fetch(`${site.api}/readyz`);
  const { checks } = (await response.json()) as { checks: readonly { name: string; state: string; detail: string }[] };
  const check = checks.find(({ name }) => name === 'policy');
  if (check === undefined) throw new Error(JSON.stringify(checks));
  return check;
};

/** Milliseconds until `probe` holds, looked at every ten. */
export const measureUntil = async (what: string, probe: () => Promise<boolean>): Promise<number> => {
  const startMs = performance.now();
  while (!(await probe())) {
    if (performance.now() - startMs > 60_000) throw new Error(`${what}: not within a minute`);
    await delay(10);
  }
  return performance.now() - startMs;
};
