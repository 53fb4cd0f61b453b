import { expect, test } from 'vitest';
import type { SenderRow } from '../api/telemetry/read.ts';
import { FINDINGS } from '../api/telemetry/registry.ts';
import { tableOf } from './doctor-telemetry.ts';

const row = (change: Partial<SenderRow>): SenderRow => ({
  tenant_id: 'demo',
  service: 'shop',
  family: 'generic',
  calls: null,
  calls_of_sender: null,
  steps: null,
  example_run_id: null,
  detail: '',
  fix: 'mend it',
  ...change,
});
const [finding] = FINDINGS;
if (finding === undefined) throw new Error('there are findings');

test('what is unknown is a dash, never 0', () => {
  const lines = tableOf({ findings: [{ finding, rows: [row({})] }], senders: [] }, '24h');
  expect(lines[2]?.trim()).toBe('demo  shop  generic  –');
  expect(lines.join('\n')).not.toMatch(/\b0 (calls|records)/);
});

test('a name that holds control characters cannot drive the terminal', () => {
  const hostile = row({ service: '\u001b[2J\u001b]0;owned\u0007shop\n\rFIX', detail: '\u202Eevil' });
  const text = tableOf({ findings: [{ finding, rows: [hostile] }], senders: [] }, '24h').join('');
  expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

test('fixes that differ by family say for whom they are', () => {
  const rows = [row({}), row({ family: 'langfuse', fix: 'mend langfuse' })];
  const lines = tableOf({ findings: [{ finding, rows }], senders: [] }, '24h');
  expect(lines.filter((line) => line.includes('→'))).toEqual([
    '      → mend it (generic)',
    '      → mend langfuse (langfuse)',
  ]);
});

test('nothing stored is said as such', () => {
  expect(tableOf({ findings: [], senders: [] }, '30m')).toEqual(['No telemetry was stored in the last 30m.']);
});
