/**
 * Spans per CPU-second from Kafka into ClickHouse: our normalizer (exactly-once) against an OTel Collector on the same
 * topic, in turns, in one run.
 *
 *   node test/bench/normalizer-kafka.ts [--quick] [--payload captured|synthetic|both] [--spans 150000] [--rounds 3]
 *        [--work all|same|both] [--partitions 4] [--compression none|zstd] [--out FILE]
 *
 * A broker of its own is started (test/support/kafka-broker.ts) and so is an embedded engine. Each round
 * drains the whole topic by fresh processes with fresh groups and tables. CPU is that of the process, of all its
 * threads, from /proc, less what the same process takes to start on an empty topic; the store's is told apart.
 *
 * all  = `tacho normalizer` as it is.
 * same = as little beyond what the collector does as the switches allow: see plain-normalizer.ts for what is off.
 * peer = the collector named by TACHO_PEER_COLLECTOR (left out without it), GOGC=400, its exporter's recommended queue.
 *        It writes into the same engine over HTTP, or where TACHO_PEER_CLICKHOUSE_TCP says: see collector-drain.ts.
 */
import { startTestEngine } from '../support/engine.ts';
import { benchKafka, type Filled, fillTopic, startBenchBroker } from './broker-topics.ts';
import { collectorStartup, drainByCollector, peerSinkOf } from './collector-drain.ts';
import type { Drained } from './drain.ts';
import { drainByNormalizer, normalizerStartup } from './normalizer-drain.ts';
import { PAYLOAD_KINDS, payloadsOf } from './payloads.ts';
import { benchOptions, machine, type Row, report, say } from './report.ts';
import { median } from './statistics.ts';
import { tidyEnd } from './tidy-end.ts';

const GOGC = 400;
const EMPTY_TOPIC = 'bench_empty';

tidyEnd();
const options = benchOptions(
  { payload: 'both', spans: '150000', rounds: '3', work: 'both', partitions: '4', compression: 'none' },
  { spans: '40000', rounds: '1', payload: 'captured' },
);
const where = machine();
const kinds = PAYLOAD_KINDS.filter((kind) => ['both', kind].includes(options.text('payload')));
const works = (['all', 'same'] as const).filter((work) => ['both', work].includes(options.text('work')));
const compression = options.text('compression') === 'zstd' ? 'zstd' : 'none';
const partitions = options.count('partitions');
const binary = process.env['TACHO_PEER_COLLECTOR'];

const broker = await startBenchBroker();
const engine = await startTestEngine();
const kafka = benchKafka(broker.brokers);
const sink = peerSinkOf(engine, process.env);
const place = { brokers: broker.brokers, kafka, engine };

/** A side of the comparison: what it takes to start, and one drain of a topic. */
interface Side {
  readonly name: string;
  readonly startup: () => Promise<number>;
  readonly drain: (filled: Filled) => Promise<Drained>;
}

const sides: readonly Side[] = [
  ...works.map((work) => ({
    name: `ours, ${work} work`,
    startup: () => normalizerStartup(place, { topic: EMPTY_TOPIC, work }),
    drain: ({ topic, spans }: Filled) => drainByNormalizer(place, { topic, work }, spans),
  })),
  ...(binary === undefined
    ? []
    : [
        {
          name: `collector, ${sink.name}`,
          startup: () => collectorStartup({ ...place, binary, topic: EMPTY_TOPIC, sink, gogc: GOGC }),
          drain: ({ topic, spans }: Filled) => drainByCollector({ ...place, binary, topic, sink, gogc: GOGC }, spans),
        },
      ]),
];

interface Measured extends Drained {
  readonly side: string;
  readonly rate: number;
}

/** Interleaved: the machine drifts, so each side's n-th run stands beside the others' n-th run. */
const measure = async (filled: Filled, startups: ReadonlyMap<string, number>): Promise<readonly Measured[]> => {
  const measured: Measured[] = [];
  for (let round = 1; round <= options.count('rounds'); round += 1)
    for (const { name, drain } of sides) {
      const drained = await drain(filled);
      const rate = drained.spans / (drained.cpuSeconds - (startups.get(name) ?? 0));
      say(`${filled.topic} round ${round}: ${name}: ${Math.round(rate)} spans per CPU-second`);
      measured.push({ ...drained, side: name, rate });
    }
  return measured;
};

const rowOf = (side: string, startup: number, runs: readonly Measured[], peerRate: number): Row => {
  const rates = runs.map(({ rate }) => rate);
  const of = (pick: (run: Measured) => number): number => median(runs.map(pick));
  return {
    side,
    'spans/CPU-s': Math.round(median(rates)),
    range: `${Math.round(Math.min(...rates))}–${Math.round(Math.max(...rates))}`,
    'times the collector': Number.isNaN(peerRate) ? '–' : (median(rates) / peerRate).toFixed(2),
    'spans/s (wall)': Math.round(of(({ spansPerSecond }) => spansPerSecond)),
    'start-up CPU s': startup.toFixed(2),
    'store CPU s': of(({ sinkCpuSeconds }) => sinkCpuSeconds).toFixed(1),
    'peak MiB': Math.round(of(({ peakMib }) => peakMib)),
    'rows − spans': of(({ stored, spans }) => stored.rows - spans),
  };
};

try {
  await fillTopic(kafka, EMPTY_TOPIC, partitions, [], 'none');
  const startups = new Map<string, number>();
  for (const { name, startup } of sides) startups.set(name, await startup());
  const tables: Record<string, readonly Row[]> = {};
  const details: unknown[] = [];
  for (const kind of kinds) {
    const payloads = payloadsOf(kind, options.count('spans'));
    const filled = await fillTopic(kafka, `bench_${kind}`, partitions, payloads, compression);
    const runs = await measure(filled, startups);
    const perSide = Map.groupBy(runs, ({ side }) => side);
    const peer = sides.find(({ name }) => name.startsWith('collector'));
    const peerRate = median((perSide.get(peer?.name ?? '') ?? [{ rate: Number.NaN }]).map(({ rate }) => rate));
    const title = `${kind}: ${filled.spans} spans in ${filled.records} records, ${Math.round(filled.bytes / filled.spans)} bytes a span, ${partitions} partitions, compression ${compression}`;
    tables[title] = [...perSide].map(([side, of]) => rowOf(side, startups.get(side) ?? 0, of, peerRate));
    details.push({ kind, filled, runs });
  }
  report('normalizer-kafka', options, where, tables, details);
} finally {
  await engine.close();
  await broker.stop();
}
