import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readRuleFile } from './rule-documents.ts';

const BUILTIN = join(import.meta.dirname, '..', '..', 'config', 'policies', 'builtin');

/** Each list six of the one before: ten million texts when resolved. */
const ALIASES = `a: &a0 [x, x]\n${Array.from({ length: 9 }, (_, at) => `k${at}: &a${at + 1} [${Array(6).fill(`*a${at}`).join(', ')}]`).join('\n')}`;

describe('rules as the API lists them', () => {
  test('every rule and detector that ships is listed, with what its file says', () => {
    for (const file of readdirSync(BUILTIN).filter((name) => name.endsWith('.yaml'))) {
      const text = readFileSync(join(BUILTIN, file), 'utf8');
      const written = text.split('\n').filter((line) => /^kind: (Rule|Detector)\s*$/.test(line)).length;
      const rules = readRuleFile(file, text);
      expect([file, rules.length]).toEqual([file, written]);
      for (const rule of rules) {
        expect(text).toContain(`id: ${rule.rule_id}`);
        expect(rule.title).not.toBe('');
        if (rule.kind === 'Rule') expect(rule.severity).not.toBeNull();
      }
    }
  });

  test.each([
    ['nothing', ''],
    ['a list of another version', '- id: flow.untrusted\n  title: x\n'],
    ['no YAML', '{{{{'],
    ['a cut file', 'apiVersion: tachograph/v1\nkind: Rule\nid: "unfin'],
    ['aliases of aliases', ALIASES],
    ['nesting without end', `kind: ${'['.repeat(20_000)}`],
  ])('%s lists nothing and fails nothing', (_what, text) => {
    expect(readRuleFile('x.yaml', text)).toEqual([]);
  });

  test('of a file with several documents those of another form are left out, and the others stay', () => {
    const text =
      'kind: Lists\nid: l\n---\nkind: Rule\nid: r\ntitle: "{{e.name}}"\nseverity: low\n---\nkind: Rule\nid: 7\n';
    expect(readRuleFile('x.yaml', text)).toMatchObject([
      { rule_id: 'r', severity: 'low', mode: 'alert', title: '{{e.name}}' },
    ]);
  });
});
