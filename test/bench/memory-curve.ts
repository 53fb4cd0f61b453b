/**
 * Resident memory of every process under steady load: at rest, at its highest, and how fast it still grows at the end.
 *
 *   node test/bench/memory-curve.ts [--quick] [--minutes 4] [--world embedded|kafka] [--rate 1000] [--every 5]
 *        [--csv FILE] [--svg FILE] [--out FILE]
 *
 * The form for a release is `--minutes 30` and more. At rest = 15 s after it is ready, before the first span. Growth is a
 * straight line (least squares) through the second half of the load, in MiB an hour: caches fill in the first.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Curve, curveSvg } from './curve-svg.ts';
import { type LiveSystem, startLiveSystem, startUsage } from './live-system.ts';
import { residentMib } from './process-figures.ts';
import { benchOptions, machine, type Row, report, say } from './report.ts';
import { slope } from './statistics.ts';
import { startLoad } from './steady-load.ts';
import { tidyEnd } from './tidy-end.ts';

const REST_MS = 15_000;
const SECONDS_PER_HOUR = 3_600;

tidyEnd();
const options = benchOptions(
  { minutes: '4', world: 'embedded', rate: '1000', every: '5', csv: '', svg: '' },
  { minutes: '1' },
);
const where = machine();
const world = options.text('world') === 'kafka' ? 'kafka' : 'embedded';
const seconds = options.count('minutes') * 60;
const rate = options.count('rate');

/** One look at all processes, MiB. */
interface Sample {
  readonly second: number;
  readonly mib: readonly number[];
}

const look = (system: LiveSystem, beganMs: number): Sample => ({
  second: (performance.now() - beganMs) / 1000,
  mib: system.parts.map(({ pid }) => residentMib(pid()).now),
});

const watch = async (system: LiveSystem): Promise<readonly Sample[]> => {
  const samples: Sample[] = [];
  const beganMs = performance.now();
  while (performance.now() - beganMs < seconds * 1000) {
    samples.push(look(system, beganMs));
    await delay(options.count('every') * 1000);
  }
  return samples;
};

const curvesOf = (names: readonly string[], samples: readonly Sample[]): readonly Curve[] =>
  [...names, 'all'].map((name, at) => ({
    name,
    points: samples.map(({ second, mib }) => [second, mib[at] ?? mib.reduce((sum, one) => sum + one, 0)] as const),
  }));

const rowOf = ({ name, points }: Curve, rest: number, cores: number | undefined): Row => {
  const late = points.filter(([second]) => second >= seconds / 2);
  return {
    process: name,
    'at rest MiB': Math.round(rest),
    'highest MiB': Math.round(Math.max(...points.map(([, mib]) => mib))),
    'at the end MiB': Math.round(points.at(-1)?.[1] ?? Number.NaN),
    'growth, second half, MiB/h': Math.round(slope(late) * SECONDS_PER_HOUR),
    cores: cores?.toFixed(2) ?? '',
  };
};

const system = await startLiveSystem(world);
try {
  await delay(REST_MS);
  const rest = look(system, performance.now());
  const load = startLoad(system.otlp, rate, seconds);
  const usageOf = startUsage(system.parts);
  const samples = await watch(system);
  const usage = usageOf();
  const counts = await load.counts;
  say(`${counts.accepted} of ${counts.due} spans accepted`);
  const curves = curvesOf(
    system.parts.map(({ name }) => name),
    samples,
  );
  const restAll = rest.mib.reduce((sum, one) => sum + one, 0);
  const rows = curves.map((curve, at) => rowOf(curve, rest.mib[at] ?? restAll, usage[at]?.cores));
  const title = `${world}: ${options.count('minutes')} min of ${rate} spans/s, ${counts.accepted} accepted`;
  if (options.text('csv') !== '') {
    const head = `second,${curves.map(({ name }) => name).join()}`;
    const lines = samples.map(
      ({ second }, at) => `${second.toFixed(0)},${curves.map(({ points }) => points[at]?.[1].toFixed(1)).join()}`,
    );
    writeFileSync(options.text('csv'), `${[head, ...lines].join('\n')}\n`);
  }
  if (options.text('svg') !== '') writeFileSync(options.text('svg'), curveSvg(title, 'MiB', curves));
  report('memory-curve', options, where, { [title]: rows }, { counts, samples });
} finally {
  await system.stop();
}
