/**
 * Freshness: how long after the receiver's 200 a span is queryable in `spans`, and its call booked in `ledger_entries`.
 *
 *   node test/bench/freshness.ts [--quick] [--world embedded|kafka|both] [--rates 1000,5000,10000] [--seconds 20]
 *        [--out FILE]
 *
 * embedded = `tacho up`, all services in one process, with its engine beside it; kafka = every service a process of its
 * own over a real broker. A sender of its own sends 50 spans a request at a steady rate; amid them a span of a tenant of
 * its own every 100 ms, which is looked for every 40 ms. The first 5 s of each rate are not counted. What was not seen a
 * minute after the load ended counts as that long. Everything shares this machine, also the sender, whose CPU is told.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type LiveSystem, startLiveSystem, startUsage, type Usage, WORLDS, within } from './live-system.ts';
import { type Probe, startProbes } from './probes.ts';
import { benchOptions, machine, type Row, report, say } from './report.ts';
import { percentile } from './statistics.ts';
import { startLoad } from './steady-load.ts';
import { tidyEnd } from './tidy-end.ts';

const WARM_UP_MS = 5_000;
const CATCH_UP_MAX_MS = 60_000;

tidyEnd();
const options = benchOptions(
  { world: 'both', rates: '1000,5000,10000', seconds: '20' },
  { rates: '1000', seconds: '10', world: 'embedded' },
);
const where = machine();
const seconds = options.count('seconds');
const rates = options.text('rates').split(',').map(Number);

/** Milliseconds from 200 to `seen`; what was never seen counts as if it were seen now. */
const ages = (probes: readonly Probe[], seen: (probe: Probe) => number | null): readonly number[] =>
  probes.map((probe) => (seen(probe) ?? performance.now()) - probe.acceptedMs);

const text = (values: readonly number[], share: number): string => Math.round(percentile(values, share)).toString();

const measure = async (
  system: LiveSystem,
  rate: number,
): Promise<{ readonly row: Row; readonly usage: readonly Usage[] }> => {
  const load = startLoad(system.otlp, rate, seconds + WARM_UP_MS / 1000);
  await delay(WARM_UP_MS);
  const probes = startProbes(system, rate);
  const usageOf = startUsage([...system.parts, { name: 'sender', pid: () => load.child.pid }]);
  await delay((seconds - 1) * 1000);
  const usage = usageOf();
  const counts = await load.counts;
  const endedMs = performance.now();
  await probes.finish(CATCH_UP_MAX_MS);
  const sent = probes.sent();
  const queryable = ages(sent, ({ queryableMs }) => queryableMs);
  const booked = ages(sent, ({ bookedMs }) => bookedMs);
  const row = {
    'spans/s': rate,
    'accepted/s': Math.round(counts.accepted / (seconds + WARM_UP_MS / 1000)),
    'not taken %': (((counts.due - counts.accepted) / counts.due) * 100).toFixed(1),
    probes: sent.length,
    'queryable p50 ms': text(queryable, 0.5),
    'p99 ms': text(queryable, 0.99),
    'booked p50 ms': text(booked, 0.5),
    'booked p99 ms': text(booked, 0.99),
    'never seen': sent.filter(({ queryableMs }) => queryableMs === null).length,
    'last seen after load s': ((performance.now() - endedMs) / 1000).toFixed(1),
  };
  return { row, usage };
};

/** The next rate must not inherit a backlog; what this one left is stored and booked within a minute or so, or not at all. */
const untilQuiet = async (system: LiveSystem): Promise<boolean> => {
  let last = '';
  return within(CATCH_UP_MAX_MS, async () => {
    const now = JSON.stringify(
      await system.ask('SELECT service, max(logged_at), sum(records) FROM batches GROUP BY service ORDER BY 1'),
    );
    const isSame = now === last;
    last = now;
    if (!isSame) await delay(2_000);
    return isSame;
  });
};

const tables: Record<string, readonly Row[]> = {};
for (const world of WORLDS.filter((one) => ['both', one].includes(options.text('world')))) {
  const system = await startLiveSystem(world);
  try {
    const rows: Row[] = [];
    const cores: Row[] = [];
    for (const rate of rates) {
      const { row, usage } = await measure(system, rate);
      say(`${world}, ${rate} spans/s: ${JSON.stringify(row)}`);
      rows.push(row);
      for (const { name, cores: used, residentMib } of usage)
        cores.push({ 'spans/s': rate, process: name, cores: used.toFixed(2), 'resident MiB': Math.round(residentMib) });
      if (!(await untilQuiet(system))) {
        say('the backlog was not worked off; no higher rate is tried');
        break;
      }
    }
    tables[`${world}: 200 → queryable and booked`] = rows;
    tables[`${world}: CPU of each process`] = cores;
  } finally {
    await system.stop();
  }
}
report('freshness', options, where, tables);
