/**
 * The peer's side of `normalizer-kafka`: an OTel Collector with kafkareceiver and clickhouseexporter drains a topic. The
 * program is named by TACHO_PEER_COLLECTOR; it is not part of this project.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { TestEngine } from '../support/engine.ts';
import { freePort } from '../support/tacho.ts';
import { createPace, DRAIN_MAX_MS, type Drained, SETTLE_MS, type Stored } from './drain.ts';
import { type MeasuredChild, startChild, untilChild } from './measured-child.ts';
import { cpuSeconds } from './process-figures.ts';

/** A ClickHouse the collector writes to, and how to count what arrived. */
export interface PeerSink {
  readonly name: string;
  readonly exporter: Readonly<Record<string, string>>;
  /** CPU seconds of the store's process; NaN when it is not known. */
  readonly cpu: () => number;
  /** Rows of one query, as text cells. */
  readonly ask: (sql: string) => Promise<readonly (readonly string[])[]>;
}

const DATABASE = 'peer';

const asker =
  (url: string, headers: Readonly<Record<string, string>>): PeerSink['ask'] =>
  async (sql) => {
    const answer = await fetch(url, { method: 'POST', body: `${sql} FORMAT TSV`, headers });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text);
    return text
      .trim()
      .split('\n')
      .map((line) => line.split('\t'));
  };

/**
 * Where the collector writes. By default our embedded engine over HTTP, without compression: loopback, and the engine does
 * not speak ClickHouse's own block compression. With TACHO_PEER_CLICKHOUSE_TCP=host:port its best way, the native
 * protocol with LZ4, into a ClickHouse that is also at TACHO_PEER_CLICKHOUSE_HTTP (and runs as process
 * TACHO_PEER_CLICKHOUSE_PID).
 */
export const peerSinkOf = (engine: TestEngine, env: Readonly<Record<string, string | undefined>>): PeerSink => {
  const tcp = env['TACHO_PEER_CLICKHOUSE_TCP'];
  if (tcp === undefined)
    return {
      name: 'HTTP, not compressed, into our embedded engine',
      exporter: { endpoint: engine.url, username: engine.user, password: engine.password, compress: 'none' },
      cpu: () => cpuSeconds(engine.engine.pid()),
      ask: asker(engine.url, { 'x-clickhouse-user': engine.user, 'x-clickhouse-key': engine.password }),
    };
  const pid = Number(env['TACHO_PEER_CLICKHOUSE_PID']);
  return {
    name: 'native TCP with LZ4',
    exporter: { endpoint: `tcp://${tcp}?dial_timeout=10s`, compress: 'lz4' },
    cpu: () => cpuSeconds(pid),
    ask: asker(env['TACHO_PEER_CLICKHOUSE_HTTP'] ?? '', {}),
  };
};

/** A collector on a topic. */
export interface CollectorRun {
  readonly binary: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly sink: PeerSink;
  /** Go's garbage collector: 400 is its best here, 100 its default. */
  readonly gogc: number;
  /** Parts of the exporter's config that differ, such as its queue. */
  readonly exporter?: Readonly<Record<string, unknown>>;
  readonly receiver?: Readonly<Record<string, unknown>>;
}

/** A running collector with a table and a consumer group of its own, both kept over a restart. */
export interface Collector {
  readonly child: () => MeasuredChild;
  readonly group: string;
  readonly table: string;
  /** Sum of a counter of its own over all label values; 0 before it exists. */
  readonly counter: (name: string) => Promise<number>;
  /** Starts it again after it was killed. */
  readonly restart: () => void;
  readonly finish: () => Promise<void>;
}

/** As the exporter's README recommends (batches of 5,000 in the queue), and with block_on_overflow, without which it drops. */
const QUEUE = { num_consumers: 10, block_on_overflow: true, batch: { min_size: 5_000, flush_timeout: '5s' } };

let runs = 0;

/** Starts a collector. Keys: kafkareceiver/README.md and clickhouseexporter/README.md of opentelemetry-collector-contrib. */
export const startCollector = async (run: CollectorRun): Promise<Collector> => {
  runs += 1;
  const group = `peer-${process.pid}-${runs}`;
  const table = `otel_traces_${process.pid}_${runs}`;
  const dir = mkdtempSync(join(tmpdir(), 'tacho-peer-'));
  const port = await freePort();
  const config = {
    receivers: {
      kafka: {
        brokers: run.brokers,
        group_id: group,
        initial_offset: 'earliest',
        traces: { topics: [run.topic], encoding: 'otlp_proto' },
        ...run.receiver,
      },
    },
    exporters: {
      clickhouse: {
        ...run.sink.exporter,
        database: DATABASE,
        traces_table_name: table,
        create_schema: true,
        ttl: 0,
        timeout: '60s',
        retry_on_failure: { enabled: true },
        sending_queue: QUEUE,
        ...run.exporter,
      },
    },
    service: {
      telemetry: {
        logs: { level: 'warn' },
        metrics: { readers: [{ pull: { exporter: { prometheus: { host: '127.0.0.1', port } } } }] },
      },
      pipelines: { traces: { receivers: ['kafka'], processors: [], exporters: ['clickhouse'] } },
    },
  };
  const file = join(dir, 'collector.yaml');
  writeFileSync(file, stringify(config));
  const start = (): MeasuredChild => startChild(run.binary, ['--config', file], { GOGC: String(run.gogc) });
  let child = start();
  return {
    child: () => child,
    group,
    table: `${DATABASE}.${table}`,
    counter: async (name) => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const lines = text.matchAll(new RegExp(`^${name}(?:_total)?(?:\\{[^}]*\\})? (\\S+)$`, 'gm'));
      return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
    },
    restart: () => {
      child = start();
    },
    finish: async () => {
      await child.stop();
      for (const name of [`${table}_trace_id_ts_mv`, `${table}_trace_id_ts`, table])
        await run.sink.ask(`DROP TABLE IF EXISTS ${DATABASE}.${name}`);
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

/** Rows of a collector's table and how many distinct spans they are. */
export const storedByCollector = async (sink: PeerSink, table: string): Promise<Stored> => {
  const [row] = await sink.ask(`SELECT count(), uniqExact(TraceId, SpanId) FROM ${table}`);
  return { rows: Number(row?.[0]), distinct: Number(row?.[1]) };
};

/** CPU seconds that a collector without any work takes to be ready. */
export const collectorStartup = async (run: CollectorRun): Promise<number> => {
  const collector = await startCollector(run);
  try {
    const isUp = async (): Promise<true | null> => ((await collector.counter('up')) >= 0 ? true : null);
    await untilChild('the collector is up', collector.child(), isUp, 60_000);
    await delay(SETTLE_MS);
    return collector.child().cpu();
  } finally {
    await collector.finish();
  }
};

/** Drains a topic of `spans` spans; what it lost on the way is told by `stored`. */
export const drainByCollector = async (run: CollectorRun, spans: number): Promise<Drained> => {
  const sinkBefore = run.sink.cpu();
  const collector = await startCollector(run);
  const child = collector.child();
  try {
    const pace = createPace(spans);
    await untilChild(
      'the collector drains the topic',
      child,
      async () => {
        const sent = await collector.counter('otelcol_exporter_sent_spans');
        const failed = await collector.counter('otelcol_exporter_send_failed_spans');
        pace.saw(sent);
        return sent + failed >= spans ? true : null;
      },
      DRAIN_MAX_MS,
    );
    const drained = {
      spans,
      cpuSeconds: child.cpu(),
      sinkCpuSeconds: run.sink.cpu() - sinkBefore,
      spansPerSecond: pace.spansPerSecond(),
      peakMib: child.memory().peak,
    };
    return { ...drained, stored: await storedByCollector(run.sink, collector.table) };
  } finally {
    await collector.finish();
  }
};
