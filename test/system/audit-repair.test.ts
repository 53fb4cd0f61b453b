import { resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findRunningEngine } from '../../services/runtime/engine/engine-file.ts';
import { createSite, runTacho, startTacho, untilReady } from '../support/tacho.ts';

const site = await createSite();
afterAll(() => site.remove());

const capture = resolve(import.meta.dirname, '..', 'fixtures', 'captures', 'vercel-ai7');

/** With the rights of the owner, as only somebody with the data folder has them. */
const harm = async (statement: string): Promise<void> => {
  const engine = (await findRunningEngine(site.dir)) ?? expect.fail('no engine');
  const response = await fetch(`${engine.url}/?database=tacho&mutations_sync=2`, {
    method: 'POST',
    body: statement,
    headers: { 'X-ClickHouse-User': engine.user, 'X-ClickHouse-Key': engine.password },
  });
  expect(await response.text()).toBe('');
};

test('tacho audit --repair says what it would do, does it, and leaves a store whose audit is clean', async () => {
  const up = startTacho(site, ['up']);
  await untilReady(site, up);
  expect((await runTacho(site, ['import', capture, '--wait'])).code).toBe(0);
  expect(await runTacho(site, ['audit'])).toMatchObject({ code: 0 });
  await harm('ALTER TABLE spans DELETE WHERE step_id = (SELECT min(step_id) FROM spans)');
  await harm('INSERT INTO ledger_entries SELECT * FROM ledger_entries ORDER BY entry_id LIMIT 1');
  up.kill('SIGTERM');
  expect(await up.exited).toBe(0);

  const found = await runTacho(site, ['audit']);
  expect(found.code).toBe(1);
  expect(found.output).toMatch(/FAIL\S*\s+rows:spans/i);
  expect(found.output).toMatch(/FAIL\S*\s+entries-once/i);

  const planned = await runTacho(site, ['audit', '--repair', '--dry-run']);
  expect(planned.code).toBe(1);
  expect(planned.output).toContain('plan  ');
  expect((await runTacho(site, ['audit'])).code).toBe(1);

  const mended = await runTacho(site, ['audit', '--repair']);
  expect(mended.output).toContain('done  ');
  expect(mended.output).not.toContain('left  ');
  expect(mended.code).toBe(0);
  expect(await runTacho(site, ['audit'])).toMatchObject({ code: 0 });
}, 240_000);
