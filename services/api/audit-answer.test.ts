import { afterAll, beforeAll, expect, test } from 'vitest';
import { testApi } from '../../test/support/api.ts';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createAccess, hashToken } from '../runtime/access-tokens.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
});
afterAll(async () => engine.close());

const token = (name: string, tenant: string | null) => ({
  name,
  sha256: hashToken(name),
  tenant,
  vantage: 'gateway' as const,
  grants: ['read'] as const,
});
const audit = async (name: string) => {
  const api = testApi(engine.store, {
    access: createAccess({
      tokens: [token('one', 'demo'), token('all', null)],
      requireTokens: true,
      allowedHosts: [],
    }),
  });
  const answer = await api.inject({
    url: '/api/v1/pipeline',
    headers: { host: '127.0.0.1:7070', authorization: `Bearer ${name}` },
  });
  expect(answer.statusCode).toBe(200);
  return answer.json().audit;
};
const row = (audit_id: string, position: number, findings: number, finished_at: string) => ({
  audit_id,
  position,
  check: `check-${position}`,
  claim: 'it holds',
  kind: 'proof',
  findings,
  waiting: 0,
  places: findings > 0 ? ['tenant acme run 17: lost'] : [],
  watermark: finished_at,
  started_at: finished_at,
  finished_at,
});

test('before the first audit there is none; then the newest one, whole, is told', async () => {
  expect(await audit('all')).toBeNull();
  await engine.store.insert(
    'audit_results',
    [
      row('old', 0, 9, '2026-01-01 10:00:00.000'),
      row('new', 0, 0, '2026-01-01 10:10:00.000'),
      row('new', 1, 2, '2026-01-01 10:10:00.000'),
    ],
    { token: 'audits' },
  );
  expect(await audit('all')).toMatchObject({
    finished_at: '2026-01-01T10:10:00.000Z',
    findings: 2,
    checks: [
      { check: 'check-0', findings: 0, places: [] },
      { check: 'check-1', findings: 2, places: ['tenant acme run 17: lost'] },
    ],
  });
});

test('a caller of one tenant learns that something is wrong, and no place of another tenant', async () => {
  const told = await audit('one');
  expect(told.findings).toBe(2);
  expect(JSON.stringify(told)).not.toContain('acme');
});
