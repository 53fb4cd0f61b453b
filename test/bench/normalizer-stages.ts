/**
 * Where the normalizer's CPU goes: a CPU profile of `tacho normalizer` while it drains a Kafka topic, told by stages.
 *
 *   node test/bench/normalizer-stages.ts [--quick] [--payload captured|synthetic|both] [--spans 150000]
 *        [--work all|same] [--functions 25] [--keep DIR] [--out FILE]
 *
 * The profile samples the main thread by the clock on the wall, so its shares are laid on the CPU seconds that Linux
 * counts for that thread; other threads (garbage collector's helpers, compiler, compression) are the process's rest. `--keep DIR` leaves the profiles there, for Chrome's or VS Code's viewer.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestEngine } from '../support/engine.ts';
import { benchKafka, fillTopic, startBenchBroker } from './broker-topics.ts';
import { type CpuProfile, hottest, STAGES, stageMicros } from './cpu-stages.ts';
import { drainByNormalizer } from './normalizer-drain.ts';
import { PAYLOAD_KINDS, payloadsOf } from './payloads.ts';
import { benchOptions, machine, type Row, report } from './report.ts';
import { tidyEnd } from './tidy-end.ts';

const MICROS = 1e6;
/** Names of regular expressions are their whole text. */
const PLACE_CHARS_MAX = 80;
tidyEnd();
const options = benchOptions(
  { payload: 'both', spans: '150000', work: 'all', functions: '25', keep: '', partitions: '4' },
  { spans: '40000', payload: 'captured' },
);
const where = machine();
const work = options.text('work') === 'same' ? 'same' : 'all';
const keep = options.text('keep');
const broker = await startBenchBroker();
const engine = await startTestEngine();
const kafka = benchKafka(broker.brokers);
const dir = mkdtempSync(join(tmpdir(), 'tacho-profile-'));

/** The one profile of a folder. */
const profileIn = (folder: string): CpuProfile => {
  const [name] = readdirSync(folder);
  if (name === undefined) throw new Error('the normalizer left no profile');
  return JSON.parse(readFileSync(join(folder, name), 'utf8'));
};

const stageRows = (profile: CpuProfile, cpuSeconds: number, mainSeconds: number, spans: number): readonly Row[] => {
  const micros = stageMicros(profile);
  const sampled = [...micros.values()].reduce((sum, value) => sum + value, 0);
  const row = (stage: string, seconds: number): Row => ({
    stage,
    'CPU s': seconds.toFixed(2),
    'share %': ((seconds / cpuSeconds) * 100).toFixed(1),
    'µs a span': ((seconds * MICROS) / spans).toFixed(2),
  });
  return [
    ...STAGES.map((stage) => row(stage, ((micros.get(stage) ?? 0) / sampled) * mainSeconds)),
    row('other threads', cpuSeconds - mainSeconds),
    row('all', cpuSeconds),
  ];
};

try {
  const tables: Record<string, readonly Row[]> = {};
  for (const kind of PAYLOAD_KINDS.filter((one) => ['both', one].includes(options.text('payload')))) {
    const payloads = payloadsOf(kind, options.count('spans'));
    const { topic, spans } = await fillTopic(kafka, `bench_${kind}`, options.count('partitions'), payloads, 'none');
    const folder = join(dir, kind);
    mkdirSync(folder);
    const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${folder}`];
    const drained = await drainByNormalizer(
      { brokers: broker.brokers, kafka, engine },
      { topic, work, nodeArgs },
      spans,
    );
    const profile = profileIn(folder);
    tables[
      `${kind}: ${spans} spans, ${work} work, ${Math.round(spans / drained.cpuSeconds)} spans per CPU-second with start-up and profiler`
    ] = stageRows(profile, drained.cpuSeconds, drained.mainThreadSeconds, spans);
    tables[`${kind}: functions by their own time`] = hottest(profile, options.count('functions')).map(
      ([place, micros]) => ({
        place: place.slice(0, PLACE_CHARS_MAX),
        'CPU s': (micros / MICROS).toFixed(2),
        'µs a span': (micros / spans).toFixed(2),
      }),
    );
    if (keep !== '') {
      mkdirSync(keep, { recursive: true });
      for (const name of readdirSync(folder)) copyFileSync(join(folder, name), join(keep, `${kind}-${name}`));
    }
  }
  report('normalizer-stages', options, where, tables);
} finally {
  await engine.close();
  await broker.stop();
  rmSync(dir, { recursive: true, force: true });
}
