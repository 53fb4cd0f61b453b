import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { writeShiftedCaptures } from '../support/shifted-captures.ts';
import { differences, type StoredRows, storedRows } from '../support/stored-rows.ts';
import { runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';
import { createWatchedSite } from '../support/watched-site.ts';

/** Emitters imported over and over while the process is killed: spans, logs, many traces, one large trace. */
const SET = ['strands', 'openlit', 'gemini-cli', 'vercel-ai7', 'codex'];
const KILLS = Number(process.env['KILLS'] ?? 10);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** mulberry32: small, seeded, printed on failure. */
const randomOf = (seed: number) => {
  let state = seed >>> 0;
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const itemsIn = (names: readonly string[]): number => {
  const file = resolve(import.meta.dirname, '..', 'fixtures', 'index.json');
  const index = JSON.parse(readFileSync(file, 'utf8')) as {
    emitters: Record<string, { totals: { spans: number; log_records: number } }>;
  };
  return names.reduce((sum, name) => {
    const totals = index.emitters[name]?.totals;
    return sum + (totals?.spans ?? 0) + (totals?.log_records ?? 0);
  }, 0);
};

/** The moment at which all imported traffic ends; budgets watch its day. */
const nowMs = Date.now();
const scratch = mkdtempSync(join(tmpdir(), 'tacho-kill-'));
const folders = writeShiftedCaptures(SET, scratch, nowMs);
const tenantOf = (round: number): string => `round-${round}`;
/** Rounds whose tenants have budgets; a slow machine may come to more, which then have none. */
const watched = { tenants: Array.from({ length: 8 }, (_, round) => tenantOf(round)), nowMs };

const importRound = async (site: Site, round: number): Promise<void> => {
  const result = await runTacho(site, ['import', ...folders, '--tenant', tenantOf(round), '--wait']);
  expect(result.code, `seed ${SEED}, round ${round}: ${result.output}`).toBe(0);
  expect(result.output).toContain(', 0 missing, 0 doubled');
};

/** Where nobody kills anything: what the other places must say too. */
let calm: { readonly site: Site; readonly up: Tacho };
let calmRounds = 0;
beforeAll(async () => {
  const site = await createWatchedSite(watched);
  calm = { site, up: startTacho(site, ['up']) };
  await untilReady(site, calm.up);
});
afterAll(async () => {
  calm?.up.kill('SIGKILL');
  await calm?.up.exited;
  calm?.site.remove();
  rmSync(scratch, { recursive: true, force: true });
});

/** Every table says of these rounds what it says where nobody was killed; incidents follow what they are made of. */
const expectUndisturbed = async (site: Site, rounds: number): Promise<void> => {
  for (; calmRounds < rounds; calmRounds++) await importRound(calm.site, calmRounds);
  const tenants = Array.from({ length: rounds }, (_, round) => tenantOf(round));
  let found: readonly [StoredRows, StoredRows] = [{}, {}];
  await until(
    'the rows of an undisturbed run',
    async () => {
      found = [await storedRows(site, tenants), await storedRows(calm.site, tenants)];
      return differences(...found).length === 0 ? true : null;
    },
    30_000,
  ).catch(() => {});
  expect(differences(...found), `seed ${SEED}`).toEqual([]);
  for (const table of ['ledger_entries', 'lineage_edges', 'policy_violations', 'policy_coverage', 'incidents'])
    expect(found[0][table]?.length, table).toBeGreaterThan(rounds);
  expect(found[0]['budget_status']?.some((row) => row.includes('"state":"exceeded"'))).toBe(true);
};

/** Kills `tacho up` KILLS times at random moments while imports go on, then lets it finish and audits. */
const killAndAudit = async (site: Site): Promise<void> => {
  const random = randomOf(SEED);
  let up: Tacho = startTacho(site, ['up']);
  let rounds = 0;
  let isKilling = true;
  const importing = (async () => {
    while (isKilling) {
      await importRound(site, rounds);
      rounds += 1;
    }
  })();
  // Awaited at the end; a round that fails earlier is no unhandled rejection until then.
  importing.catch(() => {});
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      // Half of the kills wait until all services are up, the others hit the start itself.
      if (random() < 0.7) await untilReady(site, up);
      await delay(100 + random() * 2_000);
      up.kill('SIGKILL');
      await up.exited;
      up = startTacho(site, ['up']);
    }
    isKilling = false;
    await importing;
    up.kill('SIGTERM');
    expect(await up.exited, `seed ${SEED}: ${up.output()}`).toBe(0);
    up = startTacho(site, ['up']);
    await untilReady(site, up);
    const rows = await sql<{ tenant_id: string; n: string; d: string }>(
      site,
      'SELECT tenant_id, count() AS n, uniqExact(step_id) AS d FROM spans GROUP BY tenant_id ORDER BY tenant_id',
    );
    const expected = String(itemsIn(SET));
    expect(rows.length).toBe(rounds);
    for (const row of rows) expect([row.n, row.d], `seed ${SEED}, ${row.tenant_id}`).toEqual([expected, expected]);
    await expectUndisturbed(site, rounds);
    const [events] = await sql<{ n: string; d: string }>(
      site,
      'SELECT count() AS n, uniqExact(event_id) AS d FROM incident_events',
    );
    expect(events?.n, `seed ${SEED}`).toBe(events?.d);
    const audited = await runTacho(site, ['audit']);
    expect(audited.code, `seed ${SEED}: ${audited.output}`).toBe(0);
  } finally {
    isKilling = false;
    up.kill('SIGKILL');
    await up.exited;
    await importing.catch(() => {});
  }
};

describe(`SIGKILL of the whole process in the midst of imports (${KILLS} kills, seed ${SEED})`, () => {
  test('on the sqlite log: nothing lost, nothing doubled', async () => {
    const site = await createWatchedSite(watched);
    await killAndAudit(site);
    site.remove();
  }, 600_000);

  describe.runIf(kafkaAvailable())('on a Kafka broker', () => {
    let broker: KafkaBroker;
    beforeAll(async () => {
      broker = await startKafkaBroker();
    });
    afterAll(async () => broker.stop());

    test('nothing lost, nothing doubled', async () => {
      const site = await createWatchedSite(watched, {
        TACHO_KAFKA_BROKERS: broker.brokers.join(','),
        TACHO_KAFKA_SESSION_TIMEOUT_MS: '3000',
        TACHO_KAFKA_PARTITIONS: '3',
      });
      await killAndAudit(site);
      site.remove();
    }, 600_000);
  });
});
