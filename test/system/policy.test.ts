import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';
import { startWebhook, type Webhook } from '../support/webhook.ts';
import { callTool, createPolicySite, measureUntil, policyCheckOf, ruleOf, violationsOf } from './policy-site.ts';

const HEAD = 'apiVersion: tachograph/v1\nkind: Rule\nid: bad\nversion: 1.0.0\n';
const matches = (pattern: string): string => ruleOf('bad', { when: `'e.tool.arguments.matches("${pattern}")'` });

/** What is written, where it is wrong, and what is said of it. A file as a whole has no line. */
const BROKEN: readonly (readonly [what: string, text: string, place: string, says: string])[] = [
  ['a repetition without end', matches('(a{1000}){1000}'), 'bad.yaml:9:33', 'invalid repeat count'],
  ['a pattern that unfolds to a giant', matches('[a-z]{999}[a-z]{999}[a-z]{999}'), 'bad.yaml:9:33', 'instructions'],
  ['a back reference', matches('(a+)\\\\1'), 'bad.yaml:9:33', 'neither look-around nor back references'],
  ['a look-ahead', matches('(?=a+)a+$'), 'bad.yaml:9:33', 'neither look-around nor back references'],
  ['a wrong type of a value', ruleOf('bad', { severity: '5' }), 'bad.yaml:6:11', 'severity is 5; allowed: info, low'],
  ['a wrong type in a condition', ruleOf('bad', { when: "'e.tool.name > 5'" }), 'bad.yaml:9:8', 'no such overload'],
  ['an unknown field of the rule', ruleOf('bad', { wen: "'true'" }), 'bad.yaml:10:1', 'wen is no field'],
  ['an unknown field of a step', ruleOf('bad', { when: 'e.tool.nmae == "x"' }), 'bad.yaml:9:7', 'no field of a step'],
  ['broken YAML', `${HEAD}on: [tool\n`, 'bad.yaml:6:1', 'Flow sequence'],
  [
    'aliases that unfold to gigabytes',
    'a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n',
    'bad.yaml:2:8',
    'aliases are not allowed',
  ],
  ['a huge file', `${HEAD}# ${'x'.repeat(3_000_000)}\n`, 'bad.yaml', 'has at least 30000'],
  [
    'a rule that fails its own test',
    ruleOf('bad', { tests: '[{name: finds, steps: [{kind: tool, tool: {name: a}}], expect: []}]' }),
    'bad.yaml:10:16',
    'test "finds" of bad fails: + found at 0s',
  ],
];

let hook: Webhook;
let site: Site;
let up: Tacho;
let dir: string;
const measured: string[] = [];

beforeAll(async () => {
  hook = await startWebhook();
  ({ site, dir } = await createPolicySite(hook.url));
  writeFileSync(join(dir, 'good.yaml'), ruleOf('good'));
  up = startTacho(site, ['up']);
  await untilReady(site, up);
});

afterAll(async () => {
  up?.kill('SIGKILL');
  await up?.exited;
  await hook?.close();
  site?.remove();
  process.stdout.write(`from the written file to what is visible of it:\n${measured.join('\n')}\n`);
});

const told = (transitions: readonly string[]) =>
  hook.received.filter(({ body }) => body.incident.source === 'ruleset' && transitions.includes(body.transition));

const inForce = async (): Promise<string> => {
  const [row] = await sql<{ hash: string }>(
    site,
    `SELECT argMax(ruleset_hash, loaded_at) AS hash FROM policy_rulesets WHERE state = 'in_force'`,
  );
  if (row === undefined) throw new Error('no rule set is in force');
  return row.hash;
};

/** A sound set like no other, so that it is known when it is the one in force. */
const begin = async (): Promise<void> => {
  const mark = randomUUID();
  writeFileSync(join(dir, 'bad.yaml'), ruleOf('before', { title: `"${mark}"` }));
  await until('a sound set', async () => {
    const [row] = await sql<{ found: string }>(
      site,
      `SELECT argMax(files, loaded_at)['${join(dir, 'bad.yaml')}'] AS found FROM policy_rulesets WHERE state = 'in_force'`,
    );
    return row?.found.includes(mark) && (await policyCheckOf(site)).state === 'ok' ? true : null;
  });
};

describe.sequential('a running tacho whose rule files are broken', () => {
  beforeEach(begin);

  test.each(BROKEN)(
    '%s: refused with its place and reason, the old set judges on, the repair is told',
    async (what, text, place, says) => {
      const old = await inForce();
      const [toldBefore, clearedBefore] = [told(['opened', 'reopened']).length, told(['resolved']).length];
      const expected = new RegExp(`${place.replaceAll('.', '\\.')}: .*${says.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);

      writeFileSync(join(dir, 'bad.yaml'), text);
      const isRefused = async (): Promise<boolean> => (await policyCheckOf(site)).state === 'degraded';
      const refusedMs = await measureUntil('refused', isRefused);
      expect((await policyCheckOf(site)).detail).toMatch(expected);
      expect((await policyCheckOf(site)).detail).toContain(`${old.slice(0, 8)} stays in force`);
      await until('the webhook heard', async () => (told(['opened', 'reopened']).length > toldBefore ? true : null));
      expect(told(['opened', 'reopened']).at(-1)?.text.replaceAll('\\"', '"')).toMatch(expected);
      expect(up.output().replaceAll('\\"', '"')).toMatch(expected);
      const [kept] = await sql<{ problems: readonly string[] }>(
        site,
        `SELECT problems FROM policy_rulesets WHERE state = 'refused' ORDER BY loaded_at DESC LIMIT 1`,
      );
      expect(kept?.problems.join('\n')).toMatch(expected);

      const judged = await violationsOf(site, await callTool(site, 'acme', 'search'));
      expect(judged.map(({ rule_id }) => rule_id)).toContain('good');
      expect(new Set(judged.map(({ ruleset_hash }) => ruleset_hash))).toEqual(new Set([old]));

      writeFileSync(join(dir, 'bad.yaml'), ruleOf('repaired', { title: `"${what}"` }));
      const repairedMs = await measureUntil('in force', async () => (await policyCheckOf(site)).state === 'ok');
      await until('the webhook heard the end', async () => (told(['resolved']).length > clearedBefore ? true : null));
      const now = await inForce();
      expect(now).not.toBe(old);
      expect(told(['resolved']).at(-1)?.text).toContain(`Rule set ${now.slice(0, 8)} is in force`);
      const after = await violationsOf(site, await callTool(site, 'acme', 'search'));
      expect(after.map(({ rule_id, ruleset_hash }) => [rule_id, ruleset_hash])).toEqual([
        ['good', now],
        ['repaired', now],
      ]);
      measured.push(
        `  ${what.padEnd(36)} refused after ${refusedMs.toFixed(0)} ms, repaired after ${repairedMs.toFixed(0)} ms`,
      );
    },
  );

  test('a pattern that hangs other engines is in force, and judges hostile arguments without holding anything up', async () => {
    writeFileSync(
      join(dir, 'bad.yaml'),
      ruleOf('bomb', { when: `'e.tool.arguments.matches("(([a-z])+.)+[A-Z]([a-z])+[^a-z]")'` }),
    );
    const old = await inForce();
    await until('in force', async () => ((await inForce()) === old ? null : true));
    const hostile = await callTool(site, 'acme', 'search', JSON.stringify({ q: 'a'.repeat(50_000) }));
    expect((await violationsOf(site, hostile)).map(({ rule_id }) => rule_id)).toEqual(['good']);
    const found = await callTool(site, 'acme', 'search', '{"q":"ab.Ab"}');
    expect((await violationsOf(site, found)).map(({ rule_id }) => rule_id)).toEqual(['bomb', 'good']);
  });

  test('restarted with a broken file, it judges by the set that was in force, and still says what is wrong', async () => {
    const old = await inForce();
    up.kill('SIGKILL');
    await up.exited;
    writeFileSync(join(dir, 'bad.yaml'), 'nonsense: true\n');
    up = startTacho(site, ['up']);
    await untilReady(site, up);
    const check = await policyCheckOf(site);
    expect(check).toMatchObject({ state: 'degraded' });
    expect(check.detail).toContain('bad.yaml:1:1: apiVersion is');
    const judged = await violationsOf(site, await callTool(site, 'acme', 'search'));
    expect(new Set(judged.map(({ ruleset_hash }) => ruleset_hash))).toEqual(new Set([old]));
    rmSync(join(dir, 'bad.yaml'));
    await until('sound again', async () => ((await policyCheckOf(site)).state === 'ok' ? true : null));
  });

  test('a folder that vanishes ends nothing that is in force', async () => {
    const old = await inForce();
    rmSync(dir, { recursive: true });
    await until('told', async () => ((await policyCheckOf(site)).detail.includes('does not exist') ? true : null));
    const judged = await violationsOf(site, await callTool(site, 'acme', 'search'));
    expect(new Set(judged.map(({ ruleset_hash }) => ruleset_hash))).toEqual(new Set([old]));
  });
});
