import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../schemas/tenant.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { openSqliteEventLog } from '../../services/runtime/event-log/sqlite.ts';
import { silentLogger } from '../support/engine.ts';
import { misreadCalls } from '../support/misread-calls.ts';
import { createSite, runTacho, sql, startTacho, until, untilReady } from '../support/tacho.ts';

const site = await createSite();
const up = startTacho(site, ['up']);
afterAll(async () => {
  up.kill('SIGKILL');
  await up.exited;
  site.remove();
});

const capture = resolve(import.meta.dirname, '..', 'fixtures', 'captures', 'vercel-ai7');

const sums = async (): Promise<object | undefined> =>
  (
    await sql<object>(
      site,
      `SELECT sum(calls) AS calls, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(cost_usd) AS cost FROM ledger_entries`,
    )
  )[0];

test('tacho ledger rebuild shows what reading stored steps anew changes, and books it when told to', async () => {
  await untilReady(site, up);
  expect((await runTacho(site, ['import', capture, '--now', '--wait'])).code).toBe(0);
  const right = await sums();
  const untilSums = (what: string, isThere: (now: string) => boolean) =>
    until(what, async () => (isThere(JSON.stringify(await sums())) ? true : null));

  const unchanged = await runTacho(site, ['ledger', 'rebuild', '--from', '3h']);
  expect(unchanged.output).toContain(': 0 of 0 runs are read differently now');
  expect(unchanged.code).toBe(0);

  const log = await openSqliteEventLog({
    ...{ path: join(site.dir, 'log', 'events.sqlite'), clock: systemClock, random: systemRandom },
    logger: silentLogger,
  });
  await log.append(await misreadCalls(site, DEFAULT_TENANT));
  await log.close();
  await untilSums('the calls are misread', (now) => now !== JSON.stringify(right));
  const wrong = await sums();

  const shown = await runTacho(site, ['ledger', 'rebuild', '--from', '3h', '--family', 'vercel-ai7']);
  expect(shown.output).toMatch(/vercel-ai7 +gpt-5\S* +0 +\+\d+/);
  expect(shown.output).toContain('nothing was booked; --yes books it');
  expect(await sums()).toEqual(wrong);

  const booked = await runTacho(site, ['ledger', 'rebuild', '--from', '3h', '--yes']);
  expect(booked.code).toBe(0);
  expect(booked.output).toContain('it books them as it reads them');
  await untilSums('the books are right again', (now) => now === JSON.stringify(right));
  const reasons = await sql<{ reason: string }>(site, 'SELECT DISTINCT reason FROM ledger_entries ORDER BY reason');
  expect(reasons).toContainEqual({ reason: 're_recognised' });
  const again = await runTacho(site, ['ledger', 'rebuild', '--from', '3h']);
  expect(again.output).toContain(': 0 of 0 runs are read differently now');
  expect(await runTacho(site, ['audit'])).toMatchObject({ code: 0 });
}, 240_000);

test('a time that is none, or the wrong way round, is refused with what is allowed', async () => {
  for (const args of [[], ['--from', 'yesterday'], ['--from', '1h', '--to', '2h']]) {
    const { code, output } = await runTacho(site, ['ledger', 'rebuild', ...args]);
    expect(code).not.toBe(0);
    expect(output).toContain('--');
  }
});
