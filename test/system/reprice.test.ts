import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { createDice } from '../support/random.ts';
import { createSite, runTacho, sql, startTacho, until, untilReady } from '../support/tacho.ts';

const SEED = Number(process.env['SEED'] ?? 31);
const dice = createDice(SEED);
const RUNS = 400;
const CALLS_OF_A_RUN = 4;
const CALLS = RUNS * CALLS_OF_A_RUN;

const site = await createSite();
let up = startTacho(site, ['up']);
afterAll(async () => {
  up.kill('SIGKILL');
  await up.exited;
  site.remove();
});

const hex = (digits: number): string => Array.from({ length: digits }, () => dice.within(0, 16).toString(16)).join('');
const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
const count = (key: string, value: number) => ({ key, value: { intValue: String(value) } });

/** A run of model calls nobody has a price for yet, today. */
const runOfCalls = (nowMs: number) => {
  const traceId = hex(32);
  return Array.from({ length: CALLS_OF_A_RUN }, () => {
    const startMs = nowMs - dice.within(60_000, 3_000_000);
    return {
      ...{ traceId, spanId: hex(16), name: 'chat acme-large', kind: 3, status: {} },
      startTimeUnixNano: String(BigInt(startMs) * 1_000_000n),
      endTimeUnixNano: String(BigInt(startMs + 900) * 1_000_000n),
      attributes: [
        ...[text('gen_ai.operation.name', 'chat'), text('gen_ai.provider.name', 'acme-ai')],
        text('gen_ai.request.model', dice.chance(0.5) ? 'acme-large' : 'acme-small'),
        ...[
          count('gen_ai.usage.input_tokens', dice.within(1, 90_000)),
          count('gen_ai.usage.output_tokens', dice.within(1, 4_000)),
        ],
      ],
    };
  });
};

const send = async (): Promise<void> => {
  const nowMs = Date.now();
  for (let at = 0; at < RUNS; at += 100) {
    const spans = Array.from({ length: 100 }, () => runOfCalls(nowMs)).flat();
    const resource = { attributes: [text('service.name', 'shop')] };
    const body = JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'agent' }, spans }] }] });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${site.otlp}/v1/traces`, { method: 'POST', headers, body })).status).toBe(200);
  }
};

const pricesDir = (name: string, large: number, small: number) => {
  const dir = join(site.dir, name);
  mkdirSync(dir);
  const price = (model: string, usd: number) =>
    `  - {id: ${name}-${model}, provider: acme-ai, models: [${model}], rates: {input_mtok: ${usd}, output_mtok: ${usd * 4}}}\n`;
  writeFileSync(join(dir, 'acme.yaml'), `prices:\n${price('acme-large', large)}${price('acme-small', small)}`);
  return { TACHO_PRICES_DIR: dir };
};

const figures = async () =>
  (
    await sql<{ calls: string; usd: string; sql: string; entries: string; ids: string; unpriced: string }>(
      site,
      `SELECT sum(e.calls) AS calls, toString(toInt128(ifNull(sum(e.cost_usd), 0) * 1000000000000)) AS usd,
         toString(sum(if(model = 'acme-large', 3, 1) * 1000000 * (toInt128(input_tokens) + 4 * output_tokens))) AS sql,
         count() AS entries, uniqExact(entry_id) AS ids, sumIf(e.calls, e.cost_usd IS NULL) AS unpriced FROM ledger_entries AS e`,
    )
  )[0] ?? expect.fail('no figures');

/** The line in `access_log` is written just before the first command is. */
const begunToTell = (times: number) =>
  until('it has begun to tell the ledger', async () => {
    const [row] = await sql<{ n: string }>(site, `SELECT count() AS n FROM access_log WHERE action = 'ledger_reprice'`);
    return Number(row?.n) >= times ? true : null;
  });

test(`a re-pricing killed with its ledger and begun again books what SQL makes of it, once (seed ${SEED})`, async () => {
  await untilReady(site, up);
  await send();
  await until('all calls are booked', async () => ((await figures()).calls === String(CALLS) ? true : null), 180_000);
  expect((await figures()).unpriced).toBe(String(CALLS));
  const env = pricesDir('bought', 3, 1);
  const args = ['price', 'reprice', '--from', '2h', '--yes'];

  // The command dies where it may; then the ledger, and with it everything else, while it books what it was told.
  for (let round = 0; round < 2; round += 1) {
    const killed = startTacho(site, args, env);
    await Promise.race([begunToTell(round + 1).catch(() => null), killed.exited]);
    await delay(dice.within(0, 120));
    killed.kill('SIGKILL');
    await killed.exited;
    await delay(dice.within(0, 400));
    up.kill('SIGKILL');
    await up.exited;
    up = startTacho(site, ['up']);
    await untilReady(site, up);
  }
  const whole = startTacho(site, args, env);
  expect(await whole.exited, whole.output()).toBe(0);
  await until('the books are as asked', async () => ((await figures()).unpriced === '0' ? true : null), 180_000);
  const booked = await figures();
  expect(booked).toMatchObject({ calls: String(CALLS), usd: booked.sql, entries: booked.ids });
  expect(booked.entries).toBe(String(CALLS * 3));

  const again = startTacho(site, args, env);
  expect(await again.exited).toBe(0);
  expect(again.output()).toContain(`looked at ${CALLS} calls of ${RUNS} runs: 0 have another price`);
  expect(await figures()).toEqual(booked);
  expect(await runTacho(site, ['audit'])).toMatchObject({ code: 0 });

  // A closed month stays as it is.
  const month = new Date().toISOString().slice(0, 7);
  expect((await runTacho(site, ['price', 'close', month])).output).toContain(`closed ${month}  every tenant`);
  const dearer = startTacho(site, args, pricesDir('dearer', 30, 10));
  expect(await dearer.exited).toBe(0);
  expect(dearer.output()).toContain('calls in closed months');
  const acts = await sql<{ action: string }>(site, 'SELECT DISTINCT action FROM access_log ORDER BY action');
  expect(acts).toEqual([{ action: 'ledger_reprice' }, { action: 'month_close' }]);
}, 400_000);
