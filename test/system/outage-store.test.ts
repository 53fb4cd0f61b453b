import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRunningEngine } from '../../services/runtime/engine/engine-file.ts';
import { type EngineServer, startEngineServer } from '../support/engine-server.ts';
import { type FaultyStore, startFaultyStore } from '../support/faulty-store.ts';
import { expectAllOnce, storedSpans, untilCaughtUp, untilFlows } from '../support/outage.ts';
import { watchMemory } from '../support/process-memory.ts';
import { startSteadySender } from '../support/steady-sender.ts';
import { createSite, type Site, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

/** How long the store is away; long enough for every queue that is not bounded to show. */
const OUTAGE_MS = Number(process.env['OUTAGE_SECONDS'] ?? 60) * 1000;
/** Growth of the process while the store is away, MiB: its bounded queues, batches waiting, and what the heap breathes. */
const GROWTH_MIB_MAX = 200;
const LOAD = { requestsPerSecond: 20, spansPerRequest: 10 };

describe('a store that goes away under load', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tacho-outage-'));
  let engine: EngineServer;
  let way: FaultyStore;
  let site: Site;
  let up: Tacho;
  beforeAll(async () => {
    engine = await startEngineServer(folder);
    way = await startFaultyStore(engine.url);
    const made = await createSite({
      TACHO_CLICKHOUSE_URL: way.url,
      TACHO_CLICKHOUSE_USER: engine.user,
      TACHO_CLICKHOUSE_PASSWORD: engine.password,
    });
    site = { ...made, clickhouse: engine.url };
    up = startTacho(site, ['up']);
    await untilReady(site, up);
  });
  afterAll(async () => {
    up?.kill('SIGKILL');
    await up?.exited;
    await way?.close();
    await engine?.stop();
    site?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is waited for in the log: senders notice nothing, memory stays, and the backlog drains while data keeps coming', async () => {
    const sender = startSteadySender({ url: site.otlp, ...LOAD });
    await untilFlows(site, 500);
    const before = sender.tally().acknowledgedSpans;
    way.set({ kind: 'refused' });
    const memory = watchMemory(up.child.pid ?? 0);
    await delay(OUTAGE_MS);
    const seen = memory.stop();
    const taken = sender.tally();
    // The load of the outage was taken whole: its log, not the sender, is the buffer.
    expect(taken.acknowledgedSpans - before).toBeGreaterThan((OUTAGE_MS / 1000) * 100);
    expect([taken.turnedAway, taken.unanswered]).toEqual([0, 0]);
    const growth = Math.max(...seen) - (seen[0] ?? 0);
    console.log(`resident: ${seen[0]?.toFixed(0)} MiB at first, ${Math.max(...seen).toFixed(0)} at most`);
    expect(growth).toBeLessThan(GROWTH_MIB_MAX);
    const backlog = taken.acknowledgedSpans - (await storedSpans(site));
    way.set({ kind: 'none' });
    const startedMs = Date.now();
    await untilCaughtUp(site, sender, 0);
    const seconds = (Date.now() - startedMs) / 1000;
    console.log(`backlog of ${backlog} spans drained within ${seconds.toFixed(1)} s beside new data`);
    await expectAllOnce(site, sender, 0);
  });

  test('and that answers nothing at all: requests left without an answer are looked up, not repeated blindly', async () => {
    const stored = await storedSpans(site);
    const sender = startSteadySender({ url: site.otlp, ...LOAD });
    await untilFlows(site, 500);
    way.set({ kind: 'mute' });
    await delay(10_000);
    // The connections die at last, as a server that is rebooted lets them.
    way.set({ kind: 'refused' });
    await delay(1_000);
    way.set({ kind: 'none' });
    await untilCaughtUp(site, sender, stored);
    await expectAllOnce(site, sender, stored);
  });

  test('and that takes two seconds longer for each insert gets larger batches, and keeps up', async () => {
    const stored = await storedSpans(site);
    const sender = startSteadySender({ url: site.otlp, ...LOAD });
    way.set({ kind: 'slow', insertMs: 2_000 });
    await untilFlows(site, 2_000);
    const { turnedAway, unanswered } = sender.tally();
    expect([turnedAway, unanswered]).toEqual([0, 0]);
    await expectAllOnce(site, sender, stored);
    way.set({ kind: 'none' });
  });
});

describe('an embedded engine', () => {
  test('that freezes and is then killed under load loses nothing and is started anew', async () => {
    const site = await createSite();
    const up = startTacho(site, ['up']);
    try {
      await untilReady(site, up);
      const sender = startSteadySender({ url: site.otlp, ...LOAD });
      await untilFlows(site, 500);
      const pid = (await findRunningEngine(site.dir))?.pid ?? 0;
      process.kill(pid, 'SIGSTOP');
      await delay(20_000);
      process.kill(pid, 'SIGCONT');
      await untilCaughtUp(site, sender, 0);
      process.kill(pid, 'SIGSTOP');
      await delay(3_000);
      process.kill(pid, 'SIGKILL');
      await until('another engine runs', async () => {
        const running = await findRunningEngine(site.dir);
        return running !== null && running.pid !== pid ? true : null;
      });
      await untilCaughtUp(site, sender, 0);
      await expectAllOnce(site, sender, 0);
    } finally {
      up.kill('SIGKILL');
      await up.exited;
      site.remove();
    }
  });
});
