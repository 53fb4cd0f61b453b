import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { policyCheck } from '../../services/commands/policy-check.ts';
import { policyTest } from '../../services/commands/policy-test.ts';
import { DETECTOR_TYPES } from '../../services/policy/detectors/registry.ts';
import { LISTS, RULE } from '../../services/policy/document-shapes.ts';
import { STEP_FIELDS } from '../../services/policy/fields.ts';

const docs = readFileSync(new URL('../../docs/policies.md', import.meta.url), 'utf8');

/** What a command prints of a folder with one file. */
const printed = async (text: string, command: typeof policyTest): Promise<readonly string[]> => {
  const dir = mkdtempSync(join(tmpdir(), 'tacho-docs-'));
  writeFileSync(join(dir, 'shell.yaml'), text);
  const lines: string[] = [];
  await command({ print: (line) => lines.push(...line.split('\n')) }, dir);
  rmSync(dir, { recursive: true });
  return lines.map((line) => line.replaceAll(dir, 'my-policies'));
};

describe('docs/policies.md', () => {
  test('has every field of a step as it is, and no other', () => {
    const rows = [...docs.matchAll(/^\| `e\.([a-z_.0-9]+)` \| ([^|]+) \| (.*) \| (yes)? ?\|$/gm)];
    expect(rows.map(([, path, type, says, claim]) => [path, type, says?.trim(), claim === 'yes'])).toEqual(
      STEP_FIELDS.map(({ path, type, says, isClaim }) => [path, type, says, isClaim === true]),
    );
  });

  test('has every key of every kind of document', () => {
    const keys = [
      ...Object.keys(RULE.shape),
      ...Object.keys(LISTS.shape),
      ...DETECTOR_TYPES.flatMap((type) => Object.keys(type.settings)),
    ];
    for (const key of keys) expect(docs, key).toMatch(new RegExp(`\`${key}[\`.]`));
  });

  test('shows a first rule that loads and passes its tests, with what the commands print', async () => {
    const rule = /```yaml\n(apiVersion[\s\S]*?)```/.exec(docs)?.[1] ?? '';
    for (const command of [
      policyTest,
      (terminal: Parameters<typeof policyTest>[0], dir: string) => policyCheck(terminal, dir, false),
    ])
      for (const line of await printed(rule, command)) expect(docs).toContain(line);
  });
});
