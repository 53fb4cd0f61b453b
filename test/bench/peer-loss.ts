/**
 * What is lost and what is doubled, side by side with an OTel Collector: the store stands still for 8 s in mid-backlog;
 * the process is killed (SIGKILL) in mid-backlog and started again.
 *
 *   node test/bench/peer-loss.ts [--quick] [--spans 300000] [--stall 8] [--kill-at 30] [--fault stall|kill|both]
 *        [--forms 2] [--out FILE]
 *
 * TACHO_PEER_COLLECTOR names the collector; without it only our side runs. It is tried as its exporter's README has it
 * and with block_on_overflow; with --forms 3 also in the form that commits after the export and has no queue
 * (at-least-once), which inserts each record alone and needs some minutes more: give it --spans 30000. Its store is
 * the same engine as ours, over HTTP: it is stopped by SIGSTOP, so connections stay open and nothing answers.
 * Lost = spans of the topic that are in no row though all offsets are committed; doubled = rows beyond one a span.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startTestEngine } from '../support/engine.ts';
import { benchKafka, fillTopic, lagOf, startBenchBroker } from './broker-topics.ts';
import { type CollectorRun, peerSinkOf, startCollector, storedByCollector } from './collector-drain.ts';
import type { Stored } from './drain.ts';
import { within } from './live-system.ts';
import type { MeasuredChild } from './measured-child.ts';
import { startNormalizer } from './normalizer-drain.ts';
import { payloadsOf } from './payloads.ts';
import { benchOptions, machine, type Row, report, say } from './report.ts';
import { tidyEnd } from './tidy-end.ts';

/** After the last offset was committed: rows that are still in a queue come within a flush, a retry, an insert. */
const STANDSTILL_MS = 30_000;
/** When every span is there, doubles may still come for so long. */
const COMPLETE_MS = 8_000;
const FAULT_WAIT_MAX_MS = 180_000;
const END_MAX_MS = 180_000;

const OUTPUT_CHARS = 2_000;

tidyEnd();
const options = benchOptions(
  { spans: '300000', stall: '8', 'kill-at': '30', fault: 'both', partitions: '4', forms: '2' },
  { spans: '100000' },
);
const where = machine();
const binary = process.env['TACHO_PEER_COLLECTOR'];
const broker = await startBenchBroker();
const engine = await startTestEngine();
const kafka = benchKafka(broker.brokers);
const sink = peerSinkOf(engine, {});

/** A side in mid-backlog. */
interface Drainer {
  readonly child: () => MeasuredChild;
  readonly group: string;
  readonly stored: () => Promise<Stored>;
  readonly restart: () => void;
  readonly finish: () => Promise<void>;
}

interface Side {
  readonly name: string;
  readonly start: (topic: string) => Promise<Drainer>;
}

/** Forms of the collector: what its README recommends, what stops it from dropping, and what commits last. */
const COLLECTORS: readonly (readonly [name: string, parts: Pick<CollectorRun, 'exporter' | 'receiver'>])[] = [
  [
    'collector, as recommended',
    { exporter: { sending_queue: { num_consumers: 10, batch: { min_size: 5_000, flush_timeout: '5s' } } } },
  ],
  ['collector, block_on_overflow', {}],
  [
    'collector, at-least-once (no queue, commit after)',
    {
      exporter: { sending_queue: { enabled: false } },
      receiver: { message_marking: { after: true, on_error: false } },
    },
  ],
];

const sides: readonly Side[] = [
  {
    name: 'ours',
    start: (topic) => startNormalizer({ brokers: broker.brokers, kafka, engine }, { topic, work: 'all' }),
  },
  ...(binary === undefined
    ? []
    : COLLECTORS.slice(0, options.count('forms')).map(([name, parts]) => ({
        name,
        start: async (topic: string): Promise<Drainer> => {
          const run = { binary, brokers: broker.brokers, topic, sink, gogc: 400, ...parts };
          const collector = await startCollector(run);
          // Its table is not there before its first start has made it.
          const none = { rows: 0, distinct: 0 };
          return { ...collector, stored: () => storedByCollector(sink, collector.table).catch(() => none) };
        },
      }))),
];

const stall = async (): Promise<void> => {
  const pid = engine.engine.pid();
  process.kill(pid, 'SIGSTOP');
  try {
    await delay(options.count('stall') * 1000);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
};

const FAULTS: Readonly<Record<string, (drainer: Drainer) => Promise<void>>> = {
  stall,
  kill: async (drainer) => {
    await drainer.child().kill();
    drainer.restart();
  },
};

interface Settled extends Stored {
  /** Longest time without a new row between the fault and the last row. */
  readonly standstillMs: number;
  /** Records whose offsets were still not committed at the end: what is missing then is late, not lost. */
  readonly lag: number;
}

/** Until all offsets are committed and no row comes any more, three minutes at most. */
const untilSettled = async (drainer: Drainer, topic: string, spans: number): Promise<Settled> => {
  let last: Stored = { rows: -1, distinct: -1 };
  let changedMs = performance.now();
  let standstillMs = 0;
  let lag = Number.NaN;
  await within(END_MAX_MS, async () => {
    const now = await drainer.stored();
    if (now.rows !== last.rows) {
      standstillMs = Math.max(standstillMs, performance.now() - changedMs);
      changedMs = performance.now();
    }
    last = now;
    lag = await lagOf(kafka, drainer.group, topic);
    if (lag > 0) return false;
    return performance.now() - changedMs > (now.distinct >= spans ? COMPLETE_MS : STANDSTILL_MS);
  });
  return { ...last, standstillMs, lag };
};

const measure = async (side: Side, fault: string, topic: string, spans: number): Promise<Row> => {
  const drainer = await side.start(topic);
  try {
    const share = options.count('kill-at') / 100;
    const isReached = await within(FAULT_WAIT_MAX_MS, async () => (await drainer.stored()).rows >= spans * share);
    const before = await drainer.stored();
    if (!isReached) throw new Error(`${side.name} stored ${before.rows} of ${spans} spans, too few for the fault`);
    await FAULTS[fault]?.(drainer);
    const { rows, distinct, standstillMs, lag } = await untilSettled(drainer, topic, spans);
    const row = {
      fault,
      side: side.name,
      spans,
      'stored at the fault': before.rows,
      rows,
      lost: lag === 0 ? spans - distinct : `${spans - distinct} not yet there`,
      doubled: rows - distinct,
      'longest standstill s': Math.round(standstillMs / 1000),
    };
    say(JSON.stringify(row));
    if (distinct !== spans) say(drainer.child().output().slice(-OUTPUT_CHARS));
    return row;
  } finally {
    await drainer.finish();
  }
};

try {
  const payloads = payloadsOf('captured', options.count('spans'));
  const { topic, spans } = await fillTopic(kafka, 'bench_loss', options.count('partitions'), payloads, 'none');
  const rows: Row[] = [];
  for (const fault of Object.keys(FAULTS).filter((one) => ['both', one].includes(options.text('fault'))))
    for (const side of sides) rows.push(await measure(side, fault, topic, spans));
  report('peer-loss', options, where, { [`${spans} spans in ${options.count('partitions')} partitions`]: rows });
} finally {
  await engine.close();
  await broker.stop();
}
