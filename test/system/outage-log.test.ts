import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startEngineServer } from '../support/engine-server.ts';
import { startFaultyStore } from '../support/faulty-store.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { expectAllOnce, storedSpans, untilFlows } from '../support/outage.ts';
import { residentMib, watchMemory } from '../support/process-memory.ts';
import { startSteadySender } from '../support/steady-sender.ts';
import { createSite, startTacho, until, untilReady } from '../support/tacho.ts';

/** The process holds what senders wait with (64 MiB at most) and what waits to be written, whatever they send. */
const GROWTH_MIB_MAX = 350;
/** Far more than an answer takes: a sender must never be left without one. */
const ANSWER_MS_MAX = 60_000;

describe('the embedded log, full', () => {
  test('of what the store does not take, turns senders away until there is room, and never what it acknowledged', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tacho-outage-'));
    const engine = await startEngineServer(folder);
    const way = await startFaultyStore(engine.url);
    const made = await createSite({
      TACHO_CLICKHOUSE_URL: way.url,
      TACHO_CLICKHOUSE_USER: engine.user,
      TACHO_CLICKHOUSE_PASSWORD: engine.password,
      TACHO_RETENTION_LOG_MB_MAX: '64',
    });
    const site = { ...made, clickhouse: engine.url };
    const up = startTacho(site, ['up']);
    try {
      await untilReady(site, up);
      const sender = startSteadySender({
        url: site.otlp,
        requestsPerSecond: 15,
        spansPerRequest: 5,
        promptChars: 40_000,
      });
      await untilFlows(site, 100);
      way.set({ kind: 'refused' });
      const memory = watchMemory(up.child.pid ?? 0);
      await until('senders are turned away', async () => (sender.tally().turnedAway > 50 ? true : null), 120_000);
      const acknowledged = sender.tally().acknowledgedSpans;
      await delay(5_000);
      const seen = memory.stop();
      console.log(`resident: ${seen[0]?.toFixed(0)} MiB at first, ${Math.max(...seen).toFixed(0)} at most`);
      expect(Math.max(...seen) - (seen[0] ?? 0)).toBeLessThan(GROWTH_MIB_MAX);
      // 64 MiB of records of some 200 KB each, and not one more.
      expect(sender.tally().acknowledgedSpans - acknowledged).toBeLessThan(50);
      expect(await (await fetch(`${site.api}/readyz`)).text()).toContain('LOG_FULL');
      way.set({ kind: 'none' });
      await expectAllOnce(site, sender, 0);
    } finally {
      up.kill('SIGKILL');
      await up.exited;
      await way.close();
      await engine.stop();
      site.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe.runIf(kafkaAvailable())('a broker that goes away under load', () => {
  test('killed, frozen and come back: senders are answered in time and told to come back, and all arrives once', async () => {
    const broker: KafkaBroker = await startKafkaBroker();
    const site = await createSite({
      TACHO_KAFKA_BROKERS: broker.brokers.join(','),
      TACHO_KAFKA_SESSION_TIMEOUT_MS: '3000',
      TACHO_KAFKA_PARTITIONS: '2',
    });
    const up = startTacho(site, ['up']);
    try {
      await untilReady(site, up);
      const sender = startSteadySender({ url: site.otlp, requestsPerSecond: 20, spansPerRequest: 5 });
      await untilFlows(site, 200);
      const outages = [
        { down: () => broker.kill(), back: () => broker.restart() },
        { down: async () => broker.freeze(), back: async () => broker.thaw() },
      ];
      const before = residentMib(up.child.pid ?? 0);
      for (const { down, back } of outages) {
        await down();
        const turned = sender.tally().turnedAway;
        const answer = await fetch(`${site.otlp}/v1/traces`, {
          method: 'POST',
          signal: AbortSignal.timeout(ANSWER_MS_MAX),
          headers: { 'content-type': 'application/json' },
          body: `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${'e'.repeat(32)}","spanId":"${'e'.repeat(16)}","name":"probe"}]}]}]}`,
        });
        expect(answer.status).toBe(503);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        await until('senders are turned away', async () => (sender.tally().turnedAway > turned + 20 ? true : null));
        await delay(10_000);
        await back();
        await until(
          'data flows',
          async () => {
            const { acknowledgedSpans } = sender.tally();
            await delay(2_000);
            return sender.tally().acknowledgedSpans > acknowledgedSpans + 50 ? true : null;
          },
          180_000,
        );
      }
      console.log(`resident: ${before.toFixed(0)} MiB before, ${residentMib(up.child.pid ?? 0).toFixed(0)} after`);
      // The probe was refused, yet may have landed, as any record whose acknowledgement was lost: then it is the one more.
      const { acknowledgedSpans, broken } = await sender.finish(180_000);
      expect(broken).toEqual([]);
      await until('all is stored', async () => ((await storedSpans(site)) >= acknowledgedSpans ? true : null), 240_000);
      const probes = await until('the probe is counted', async () => {
        const stored = await storedSpans(site);
        return stored - acknowledgedSpans <= 1 ? stored - acknowledgedSpans : null;
      });
      await expectAllOnce(site, sender, probes);
    } finally {
      up.kill('SIGKILL');
      await up.exited;
      await broker.stop();
      site.remove();
    }
  });
});
