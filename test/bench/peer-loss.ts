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
 * Lost = spans of the topic that are in no row; doubled = rows beyond one a span.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startTestEngine } from '../support/engine.ts';
import { benchKafka, fillTopic, startBenchBroker } from './broker-topics.ts';
import { type CollectorRun, peerSinkOf, startCollector, storedByCollector } from './collector-drain.ts';
import type { Stored } from './drain.ts';
import { within } from './live-system.ts';
import type { MeasuredChild } from './measured-child.ts';
import { startNormalizer } from './normalizer-drain.ts';
import { payloadsOf } from './payloads.ts';
import { benchOptions, machine, type Row, report, say } from './report.ts';
import { tidyEnd } from './tidy-end.ts';

/** Longer than any deadline, flush, retry or rejoin of either side (an insert of ours may take 60 s to be given up). */
const STANDSTILL_MS = 75_000;
/** When every span is there, doubles may still come for so long. */
const COMPLETE_MS = 8_000;
const FAULT_WAIT_MAX_MS = 60_000;
const END_MAX_MS = 240_000;

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
}

/** Until all spans are there, or nothing has changed for longer than any flush, retry or rejoin takes. */
const untilSettled = async (drainer: Drainer, spans: number): Promise<Settled> => {
  let last: Stored = { rows: -1, distinct: -1 };
  let changedMs = performance.now();
  let standstillMs = 0;
  await within(END_MAX_MS, async () => {
    const now = await drainer.stored();
    if (now.rows !== last.rows) {
      standstillMs = Math.max(standstillMs, performance.now() - changedMs);
      changedMs = performance.now();
    }
    last = now;
    return performance.now() - changedMs > (now.distinct >= spans ? COMPLETE_MS : STANDSTILL_MS);
  });
  return { ...last, standstillMs };
};

const measure = async (side: Side, fault: string, topic: string, spans: number): Promise<Row> => {
  const drainer = await side.start(topic);
  try {
    const share = options.count('kill-at') / 100;
    const isReached = await within(FAULT_WAIT_MAX_MS, async () => (await drainer.stored()).rows >= spans * share);
    const before = await drainer.stored();
    if (!isReached) throw new Error(`${side.name} stored ${before.rows} of ${spans} spans in a minute`);
    await FAULTS[fault]?.(drainer);
    const { rows, distinct, standstillMs } = await untilSettled(drainer, spans);
    const row = {
      fault,
      side: side.name,
      spans,
      'stored at the fault': before.rows,
      rows,
      lost: spans - distinct,
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
