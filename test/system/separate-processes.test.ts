import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attributeList, logRequest } from '../../services/normalizer/batch-fixture.ts';
import { type EngineServer, startEngineServer } from '../support/engine-server.ts';
import { type ImageFolder, makeImageFolder } from '../support/image-folder.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { type Place, type ServiceProcess, startService, untilServiceReady } from '../support/services.ts';
import { captureDir, writeShiftedCaptures } from '../support/shifted-captures.ts';
import { differences, type StoredRows, storedRows } from '../support/stored-rows.ts';
import { runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';
import { helpServices } from '../support/tacho-help.ts';
import { createWatchedSite } from '../support/watched-site.ts';
import { startWebhook, type Webhook } from '../support/webhook.ts';
import { rogueRequest } from './rogue-agent.ts';

/** As recorded, long ago: rows, bookings, edges, violations, but no budget of today. */
const RECORDED = ['otel-openai', 'vercel-ai7', 'google-adk', 'gemini-cli'];
/** Moved to today. */
const TODAY = ['strands', 'openlit', 'codex', 'mcp-traceloop'];
/** Comes while processes are killed. */
const LATER = ['openllmetry', 'genkit'];

/** Rules that the traffic must break, or the comparison would say little. */
const FIRING = ['llm.forbidden-model', 'llm.model-not-approved', 'llm.max-tokens', 'loop', 'secret.in-content'].concat([
  'tool.not-allowed',
  'test.tool-used',
  'test.watched-call',
]);

/** One world: where it is asked, and who it tells. */
interface World {
  readonly site: Site;
  readonly hook: Webhook;
}

/** An evaluation, for the table of scores. */
const evaluationRequest = (nowMs: number): Uint8Array =>
  logRequest([
    {
      timeUnixNano: String(BigInt(nowMs) * 1_000_000n),
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      eventName: 'gen_ai.evaluation.result',
      attributes: attributeList({ 'gen_ai.evaluation.name': 'Relevance', 'gen_ai.evaluation.score.value': 0.5 }),
    },
  ]);

const importInto = async ({ site }: World, tenant: string, paths: readonly string[]): Promise<void> => {
  const { code, output } = await runTacho(site, ['import', ...paths, '--tenant', tenant, '--wait']);
  expect(code, output).toBe(0);
};

const acknowledge = async ({ site }: World, id: string): Promise<void> => {
  const answer = await fetch(`${site.api}/api/v1/incidents/${id}/acknowledge`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ comment: 'seen' }),
  });
  expect([200, 202], await answer.text()).toContain(answer.status);
};

describe.runIf(kafkaAvailable())('every service as a process of its own, over Kafka and one ClickHouse', () => {
  const nowMs = Date.now();
  const scratch = mkdtempSync(join(tmpdir(), 'tacho-separate-'));
  let broker: KafkaBroker;
  let engine: EngineServer;
  let image: ImageFolder;
  let place: Place;
  let apart: World;
  let together: World;
  let up: Tacho;
  const running: ServiceProcess[] = [];
  let today: readonly string[];
  let later: readonly string[];

  const start = async (name: string): Promise<ServiceProcess> => {
    const service = await startService(place, name);
    running.push(service);
    return service;
  };

  beforeAll(async () => {
    image = makeImageFolder();
    today = [
      ...writeShiftedCaptures(TODAY, scratch, nowMs),
      ...['rogue.json', 'evaluation.json'].map((name) => join(scratch, name)),
    ];
    later = writeShiftedCaptures(LATER, scratch, nowMs);
    writeFileSync(join(scratch, 'rogue.json'), rogueRequest(nowMs));
    writeFileSync(join(scratch, 'evaluation.json'), evaluationRequest(nowMs));
    broker = await startKafkaBroker();
    engine = await startEngineServer(join(scratch, 'engine'));
    const watched = { tenants: ['acme'], nowMs };
    const hooks = [await startWebhook(), await startWebhook()] as const;
    const bare = await createWatchedSite(
      { ...watched, hookUrl: hooks[0].url },
      {
        TACHO_KAFKA_BROKERS: broker.brokers.join(','),
        TACHO_KAFKA_SESSION_TIMEOUT_MS: '1500',
        TACHO_KAFKA_PARTITIONS: '3',
        TACHO_CLICKHOUSE_URL: engine.url,
        TACHO_CLICKHOUSE_USER: engine.user,
        TACHO_CLICKHOUSE_PASSWORD: engine.password,
      },
    );
    apart = { site: { ...bare, clickhouse: engine.url }, hook: hooks[0] };
    together = { site: await createWatchedSite({ ...watched, hookUrl: hooks[1].url }), hook: hooks[1] };
    place = { site: apart.site, home: image.dir, brokers: broker.brokers, engine };
  });
  afterAll(async () => {
    for (const one of [...running, up]) one?.kill('SIGKILL');
    for (const one of [...running, up]) await one?.exited;
    for (const world of [apart, together]) {
      await world?.hook.close();
      world?.site.remove();
    }
    await engine?.stop();
    await broker?.stop();
    image?.remove();
    rmSync(scratch, { recursive: true, force: true });
  });

  test('migrate makes the schema, then every service becomes ready, the alerter twice', async () => {
    const migrate = await startService(place, 'migrate');
    expect(await migrate.exited, migrate.output()).toBe(0);
    for (const name of [...helpServices(), 'alerter']) await start(name);
    up = startTacho(together.site, ['up']);
    for (const service of running) await untilServiceReady(service);
    await untilReady(together.site, up);
  });

  /** What both say once they say the same; a difference that stays is shown. */
  const untilEqual = async (): Promise<StoredRows> => {
    let found: readonly [StoredRows, StoredRows] = [{}, {}];
    await until(
      'both worlds say the same, and nothing is on its way',
      async () => {
        found = [await storedRows(apart.site), await storedRows(together.site)];
        const isTold = found.every((rows) => rows['incidents']?.every((row) => row.includes('"pending":0')));
        return isTold && differences(...found).length === 0 ? true : null;
      },
      20_000,
    ).catch(() => {});
    expect(differences(...found)).toEqual([]);
    return found[0];
  };

  const told = ({ hook }: World): readonly string[] =>
    hook.received.map(({ body }) => `${body.incident.source} ${body.incident.incident_id} ${body.transition}`).sort();

  test('the same traffic gives the same rows as in one process, and each incident is told once in each', async () => {
    for (const world of [apart, together]) {
      await importInto(world, 'recorded', RECORDED.map(captureDir));
      await importInto(world, 'acme', today);
      // A sender that tries again: nothing new.
      await importInto(world, 'acme', today.slice(0, 1));
    }
    const rows = await untilEqual();
    expect(Object.keys(rows).filter((table) => table !== 'dead_letters' && rows[table]?.length === 0)).toEqual([]);
    const violations = await sql<{ rule_id: string }>(apart.site, 'SELECT DISTINCT rule_id FROM policy_violations');
    expect(violations.map(({ rule_id }) => rule_id)).toEqual(expect.arrayContaining(FIRING));
    const budgets = await sql<{ id: string; state: string }>(
      apart.site,
      'SELECT budget_id AS id, state FROM budget_status FINAL WHERE period_end > now() ORDER BY id',
    );
    expect(budgets.map(({ id, state }) => `${id} ${state}`)).toEqual([
      'acme-all exceeded',
      'acme-month exceeded',
      'acme-much ok',
    ]);
    expect(told(apart)).toEqual(told(together));
    expect(new Set(told(apart)).size).toBe(told(apart).length);
    expect(told(apart).length).toBe(rows['incident_deliveries']?.length);
  });

  test('an alerter and the policies killed in the midst of traffic, incidents taken by somebody: told once', async () => {
    const before = await sql<{ id: string }>(apart.site, 'SELECT incident_id AS id FROM incidents FINAL ORDER BY id');
    const killed = ['alerter', 'policy'].map((name) => running.find((service) => service.name === name));
    const importing = importInto(apart, 'acme', later);
    importing.catch(() => {});
    for (const service of killed) service?.kill('SIGKILL');
    for (const service of killed) expect(await service?.exited).toBeNull();
    for (const { id } of before) await acknowledge(apart, id);
    await untilServiceReady(await start('policy'));
    await importing;
    for (const { id } of before) await acknowledge(together, id);
    await importInto(together, 'acme', later);

    const rows = await untilEqual();
    expect(rows['incidents']?.filter((row) => row.includes('"state":"acknowledged"')).length).toBe(before.length);
    expect(new Set(told(apart))).toEqual(new Set(told(together)));
    for (const { id } of before)
      expect(told(apart).filter((line) => line.endsWith(`${id} acknowledged`))).toHaveLength(1);
    expect(told(apart).length).toBe(rows['incident_deliveries']?.length);
  });

  test('the audit is clean in both', async () => {
    for (const { site } of [apart, together]) {
      const { code, output } = await runTacho(site, ['audit']);
      expect(code, output).toBe(0);
    }
  });

  test('SIGTERM ends every process with exit code 0, and none has more to tell', async () => {
    const before = [told(apart), told(together)];
    const alive = [...running.filter(({ child }) => child.signalCode === null), up];
    expect(alive.length).toBe(helpServices().length + 1);
    for (const one of alive) one.kill('SIGTERM');
    for (const one of alive) expect(await one.exited, one.output()).toBe(0);
    expect([told(apart), told(together)]).toEqual(before);
  });
});
