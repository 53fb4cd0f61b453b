import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seeded } from '../support/random.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';
import { type HookServer, startHooks, takes } from './alerter-hooks.ts';

const captures = resolve(import.meta.dirname, '..', 'fixtures', 'captures');
const SECRET = Buffer.from('a key of 24 bytes or so.').toString('base64');
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const KILLS = Number(process.env['KILLS'] ?? 4);
const TENANTS = ['alpha', 'beta', 'gamma', 'delta'] as const;

/** A capture costs more than this, so that all of it is spent by the first import into a tenant. */
const budgetsOf = (tenants: readonly string[]): string =>
  `budgets:\n${tenants
    .map(
      (tenant) =>
        `  - {id: ${tenant}-day, title: "Day of <${tenant}>", scope: {tenant: ${tenant}}, period: day, limit_usd: 0.000001, unknown_call_ceiling_usd: 0}\n`,
    )
    .join('')}`;

/** A site with budgets for these tenants and these sinks. */
const siteWith = async (tenants: readonly string[], sinks: readonly string[]): Promise<Site> => {
  const bare = await createSite();
  const file = (name: string, text: string): string => {
    writeFileSync(join(bare.dir, name), text);
    return join(bare.dir, name);
  };
  const budgets = file('budgets.yaml', budgetsOf(tenants));
  const config = `alerts:\n  budgets_file: ${budgets}\n  sinks:\n${sinks.map((sink) => `    - ${sink}\n`).join('')}`;
  return { ...bare, env: { ...bare.env, TACHO_LOG_LEVEL: 'debug', TACHO_CONFIG: file('tachograph.yaml', config) } };
};

const importInto = async (site: Site, tenant: string): Promise<void> => {
  const args = ['import', join(captures, 'openlit'), '--tenant', tenant, '--now', '--wait'];
  const imported = await runTacho(site, args);
  expect(imported.code, imported.output).toBe(0);
};

interface DeliveryRow {
  readonly delivery_id: string;
  readonly sink: string;
  readonly state: string;
  readonly attempts: string;
  readonly last_error: string;
  readonly transition: string;
}
const deliveries = (site: Site) =>
  sql<DeliveryRow>(
    site,
    'SELECT delivery_id, sink, state, toString(attempts) AS attempts, last_error, transition FROM incident_deliveries FINAL',
  );

const untilSettled = async (site: Site, count: number): Promise<readonly DeliveryRow[]> =>
  until(`${count} deliveries are settled`, async () => {
    const rows = await deliveries(site);
    return rows.length >= count && rows.every((row) => row.state !== 'pending') ? rows : null;
  });

/** As untilReady, with what the process said when it never is. */
const untilUp = (site: Site, up: Tacho): Promise<void> =>
  untilReady(site, up).catch((cause: unknown) => {
    throw new Error(up.output().slice(-4_000), { cause });
  });

/** An address can be as good as a key: at the finest level of the log neither stands in it. */
const expectNoSecrets = (up: Tacho, hooks: HookServer): void => {
  expect(up.output()).toContain('"level"');
  expect(up.output()).not.toContain(hooks.url('/'));
  expect(up.output()).not.toContain(SECRET);
};

describe('an alerter that is killed', () => {
  let hooks: HookServer;
  let site: Site;
  beforeAll(async () => {
    const random = seeded(SEED);
    // Slow enough that a kill meets requests on their way; some are heard and never answered.
    hooks = await startHooks({
      '/oncall': async (response, nth) => {
        await delay(random() * 600);
        if (nth % 3 === 2) {
          response.destroy();
          return 0;
        }
        return takes(response, nth);
      },
    });
    site = await siteWith(TENANTS, [
      `{name: oncall, kind: webhook, url: "${hooks.url('/oncall')}", secret: whsec_${SECRET}}`,
    ]);
  });
  afterAll(async () => {
    await hooks.close();
    site.remove();
  });

  test(`tells each transition once for every idempotency key, the same bytes each time (seed ${SEED})`, async () => {
    const random = seeded(SEED + 1);
    let up: Tacho = startTacho(site, ['up']);
    await untilUp(site, up);
    const importing = (async () => {
      for (const tenant of TENANTS) await importInto(site, tenant);
    })();
    importing.catch(() => {});
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = hooks.hits.length;
      // After the first notifications half of the kills come right at a request, the others at any moment.
      if (random() < 0.5)
        await until('a request', async () => (hooks.hits.length > before ? true : null), 8_000).catch(() => {});
      await delay(random() * 1_500);
      up.kill('SIGKILL');
      await up.exited;
      up = startTacho(site, ['up']);
      await untilUp(site, up);
    }
    await importing;
    await untilSettled(site, TENANTS.length);
    up.kill('SIGTERM');
    expect(await up.exited, up.output()).toBe(0);
    expectNoSecrets(up, hooks);
    up = startTacho(site, ['up']);
    await untilUp(site, up);

    const incidents = await sql<{
      incident_id: string;
      tenant_id: string;
      state: string;
      level: number;
      pending: string;
    }>(
      site,
      'SELECT incident_id, tenant_id, state, level, toString(pending) AS pending FROM incidents FINAL ORDER BY tenant_id',
    );
    expect(incidents.map(({ tenant_id, state, level, pending }) => [tenant_id, state, level, pending])).toEqual(
      [...TENANTS].sort().map((tenant) => [tenant, 'open', 1, '0']),
    );
    const rows = await deliveries(site);
    expect(rows.map(({ sink, state, transition }) => [sink, state, transition])).toEqual(
      TENANTS.map(() => ['oncall', 'sent', 'opened']),
    );
    const byKey = Map.groupBy(hooks.hits, (hit) => hit.key);
    expect(new Set(byKey.keys())).toEqual(new Set(rows.map((row) => row.delivery_id)));
    for (const [key, hits] of byKey) {
      expect(new Set(hits.map((hit) => hit.text)).size, `seed ${SEED}: one body for ${key}`).toBe(1);
      for (const hit of hits) {
        const signed = `${key}.${hit.headers['webhook-timestamp']}.${hit.text}`;
        const mac = createHmac('sha256', Buffer.from(SECRET, 'base64')).update(signed).digest('base64');
        expect(hit.headers['webhook-signature']).toBe(`v1,${mac}`);
        expect(hit.headers['webhook-id']).toBe(key);
      }
    }
    const once = await sql<{ n: string; d: string }>(
      site,
      'SELECT count() AS n, uniqExact(event_id) AS d FROM incident_events',
    );
    expect(once[0]?.n).toBe(once[0]?.d);
    const audited = await runTacho(site, ['audit']);
    expect(audited.code, `seed ${SEED}: ${audited.output}`).toBe(0);
    up.kill('SIGTERM');
    await up.exited;
  });
});

describe('sinks of every kind of trouble', () => {
  let hooks: HookServer;
  let site: Site;
  let up: Tacho;
  beforeAll(async () => {
    hooks = await startHooks({
      '/flaky': async (response, nth) => {
        if (nth > 2) return takes(response, nth);
        response.writeHead(500).end('no <b>luck</b>');
        return 500;
      },
      '/limited': async (response, nth) => {
        if (nth > 1) return takes(response, nth);
        response.writeHead(429, { 'retry-after': '2' }).end();
        return 429;
      },
      '/moved': async (response) => {
        response.writeHead(302, { location: '/stolen' }).end();
        return 302;
      },
      '/gone': async (response) => {
        response.writeHead(410).end();
        return 410;
      },
      '/huge': async (response) => {
        response.writeHead(503);
        // Never ends by itself: only a reader that stops lets go of it.
        const pump = () => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
        };
        response.on('drain', pump);
        pump();
        return 503;
      },
      '/hangs': async () => 0,
    });
    const names = ['flaky', 'limited', 'moved', 'gone', 'huge', 'hangs', 'good'];
    site = await siteWith(
      ['alpha'],
      [
        ...names.map((name) => `{name: ${name}, kind: webhook, url: "${hooks.url(`/${name}`)}"}`),
        `{name: chat, kind: slack, url: "${hooks.url('/chat')}"}`,
        `{name: loud, kind: webhook, url: "${hooks.url('/loud')}", min_severity: critical}`,
      ],
    );
    up = startTacho(site, ['up']);
    await untilUp(site, up);
  });
  afterAll(async () => {
    up.kill('SIGKILL');
    await up.exited;
    await hooks.close();
    site.remove();
  });

  test('hold up nobody else, are tried again, and are never followed elsewhere', async () => {
    await importInto(site, 'alpha');
    const rows = await until('the willing sinks have it', async () => {
      const found = new Map((await deliveries(site)).map((row) => [row.sink, row]));
      const isDone =
        ['flaky', 'limited', 'good', 'chat'].every((sink) => found.get(sink)?.state === 'sent') &&
        found.get('gone')?.state === 'failed' &&
        Number(found.get('moved')?.attempts) >= 2 &&
        Number(found.get('huge')?.attempts) >= 2 &&
        Number(found.get('hangs')?.attempts) >= 1;
      return isDone ? found : null;
    });
    expect(rows.get('flaky')).toMatchObject({ attempts: '3', last_error: 'HTTP 500: no <b>luck</b>' });
    expect(rows.get('moved')).toMatchObject({ state: 'pending', last_error: 'HTTP 302: redirects are not followed' });
    expect(rows.get('gone')).toMatchObject({ attempts: '1', last_error: 'HTTP 410' });
    expect(rows.get('hangs')).toMatchObject({ state: 'pending', last_error: 'no answer within 10000 ms' });
    expect(rows.get('huge')?.last_error.length).toBeLessThan(400);
    expect(rows.has('loud')).toBe(false);
    expect(hooks.at('/good').length).toBe(1);
    expect(hooks.at('/stolen')).toEqual([]);
    const [chat] = hooks.at('/chat');
    expect(chat?.text).toContain('Day of &lt;alpha&gt;');
    expect(chat?.text).not.toContain('Day of <alpha>');
    const metrics = await (await fetch(`${site.api}/metrics`)).text();
    expectNoSecrets(up, hooks);
    expect(metrics).toMatch(/tacho_alerter_notifications_total\{sink="good",outcome="sent"\} 1/);
    expect(metrics).toMatch(/tacho_alerter_notifications_total\{sink="gone",outcome="given_up"\} 1/);
    expect(metrics).toMatch(/tacho_alerter_incidents_open\{source="budget",severity="high"\} 1/);
  });

  test('what people do is told to those who took the first word, and what waits outlives a restart', async () => {
    const [incident] = await sql<{ incident_id: string }>(site, 'SELECT incident_id FROM incidents FINAL');
    const act = (verb: string) =>
      fetch(`${site.api}/api/v1/incidents/${incident?.incident_id}/${verb}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ comment: 'seen' }),
      });
    const acknowledged = await act('acknowledge');
    expect(acknowledged.status, await acknowledged.text()).toBeLessThan(300);
    await until('it is told', async () => (hooks.at('/good').length === 2 ? true : null));
    up.kill('SIGKILL');
    await up.exited;
    up = startTacho(site, ['up']);
    await untilUp(site, up);
    expect((await act('resolve')).status).toBeLessThan(300);
    // Killed between the answer and its record, it says a word again under the same key: told is what keys are heard.
    const heard = () => [...new Map(hooks.at('/good').map((hit) => [hit.key, hit.text])).values()];
    await until('it is told', async () => (heard().length === 3 ? true : null));
    const told = heard().map((text) => (JSON.parse(text) as { transition: string }).transition);
    expect(told).toEqual(['opened', 'acknowledged', 'resolved']);
    // The sink that redirects has taken nothing: its second and third word wait behind its first.
    const moved = new Set(hooks.at('/moved').map((hit) => (JSON.parse(hit.text) as { transition: string }).transition));
    expect([...moved]).toEqual(['opened']);
  });
});
