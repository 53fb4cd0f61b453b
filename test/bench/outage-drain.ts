/**
 * How fast a backlog is worked off after the store was away, while new data keeps arriving: spans a second stored (and
 * folded by the slowest of ledger, lineage, policy) from the moment it is back until nothing waits, against the rate of
 * arrival; and the memory of the process through it. Everything in one process, embedded log, a ClickHouse behind a way
 * that is cut. Usage: node test/bench/outage-drain.ts [--rate 1000] [--outage 120] (seconds; 1200 for the long form)
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startEngineServer } from '../support/engine-server.ts';
import { startFaultyStore } from '../support/faulty-store.ts';
import { watchMemory } from '../support/process-memory.ts';
import { createSite, runTacho, type Site, sql, startTacho, untilReady } from '../support/tacho.ts';
import { benchOptions, machine, report, say } from './report.ts';

const WARM_MS = 15_000;
const LOOK_MS = 500;
/** Waiting no longer than this, or than before the outage on a machine that is busy, is how it is without one. */
const CAUGHT_UP_SECONDS = 3;
/** A system that is slower than its senders never catches up: that is a result as well. */
const DRAIN_OUTAGES_MAX = 10;
const DRAIN_SECONDS_MIN = 60;

const options = benchOptions({ rate: '1000', outage: '120' }, { outage: '20' });
const [rate, outageSeconds] = [options.count('rate'), options.count('outage')];
const where = machine();
const drainSecondsMax = Math.max(DRAIN_SECONDS_MIN, DRAIN_OUTAGES_MAX * outageSeconds);

interface Moment {
  readonly ms: number;
  readonly accepted: number;
  readonly stored: number;
  readonly folded: number;
}

/** What the receiver took, what stands in the table, what the slowest fold has read. Spans. */
const look = async (site: Site): Promise<Moment> => {
  const metrics = await (await fetch(`${site.api}/metrics`)).text();
  const accepted = /^tacho_receiver_items_total\{signal="spans",outcome="accepted"\} (\d+)$/m.exec(metrics)?.[1];
  const [row] = await sql<{ stored: string; folded: string }>(
    site,
    `SELECT toString(sumIf(steps, service = 'normalizer')) AS stored,
       toString(least(sumIf(records, service = 'ledger'), sumIf(records, service = 'lineage'), sumIf(records, service = 'policy'))) AS folded
     FROM batches`,
  );
  return {
    ms: performance.now(),
    accepted: Number(accepted),
    stored: Number(row?.stored),
    folded: Number(row?.folded),
  };
};

const waitingAt = ({ accepted, stored, folded }: Moment): number => accepted - Math.min(stored, folded);

/** The most that waits while nothing is wrong; the first half of the time is the system warming up. */
const quietWaiting = async (site: Site): Promise<number> => {
  await delay(WARM_MS / 2);
  let most = 0;
  for (const endMs = performance.now() + WARM_MS / 2; performance.now() < endMs; await delay(LOOK_MS))
    most = Math.max(most, waitingAt(await look(site)));
  return most;
};

/** Looks until no more waits than in quiet times; the moments on the way. */
const drainTo = async (site: Site, startedMs: number, quiet: number): Promise<readonly Moment[]> => {
  const seen: Moment[] = [];
  for (;;) {
    const now = await look(site);
    seen.push(now);
    if (waitingAt(now) <= Math.max(quiet, rate * CAUGHT_UP_SECONDS) || now.ms - startedMs > drainSecondsMax * 1000)
      return seen;
    await delay(LOOK_MS);
  }
};

const folder = mkdtempSync(join(tmpdir(), 'tacho-drain-'));
const engine = await startEngineServer(folder);
const way = await startFaultyStore(engine.url);
const site: Site = {
  ...(await createSite({
    TACHO_CLICKHOUSE_URL: way.url,
    TACHO_CLICKHOUSE_USER: engine.user,
    TACHO_CLICKHOUSE_PASSWORD: engine.password,
    TACHO_LOG_LEVEL: 'error',
  })),
  clickhouse: engine.url,
};
const up = startTacho(site, ['up', '--no-demo']);
try {
  await untilReady(site, up);
  const seconds = Math.ceil(WARM_MS / 1000) + outageSeconds + drainSecondsMax;
  const program = fileURLToPath(new URL('./load-sender.ts', import.meta.url));
  const sender = spawn(process.execPath, [program, site.otlp, String(rate), String(seconds), '1'], { stdio: 'ignore' });
  const quiet = await quietWaiting(site);
  const memory = watchMemory(up.child.pid ?? 0);
  way.set({ kind: 'refused' });
  say(`store away for ${outageSeconds} s at ${rate} spans/s`);
  await delay(outageSeconds * 1000);
  const away = memory.stop();
  const draining = watchMemory(up.child.pid ?? 0);
  way.set({ kind: 'none' });
  const back = await look(site);
  const seen = await drainTo(site, back.ms, quiet);
  const drainMib = draining.stop();
  sender.kill('SIGTERM');
  const end = seen.at(-1) ?? back;
  const lasted = (end.ms - back.ms) / 1000;
  const perSecond = (of: 'accepted' | 'stored' | 'folded'): number => Math.round((end[of] - back[of]) / lasted);
  const arrival = perSecond('accepted');
  await delay(10_000);
  const audit = await runTacho(site, ['audit', '--no-record']);
  const mib = (values: readonly number[]): string =>
    `${Math.round(values[0] ?? 0)} → ${Math.round(Math.max(...values))}`;
  report('outage-drain', options, where, {
    [`store away ${outageSeconds} s`]: [
      {
        'backlog, spans': back.accepted - back.stored,
        'drained in, s': lasted.toFixed(1),
        'arrival, spans/s': arrival,
        'stored, spans/s': perSecond('stored'),
        'folded, spans/s': perSecond('folded'),
        'stored ÷ arrival': (perSecond('stored') / arrival).toFixed(2),
        'folded ÷ arrival': (perSecond('folded') / arrival).toFixed(2),
        'MiB while away': mib(away),
        'MiB draining': mib(drainMib),
        audit: audit.code === 0 ? 'clean' : 'FINDINGS',
      },
    ],
  });
  if (audit.code !== 0) console.log(audit.output);
} finally {
  up.kill('SIGTERM');
  await up.exited;
  await way.close();
  await engine.stop();
  site.remove();
  rmSync(folder, { recursive: true, force: true });
}
