/** Our side of the comparisons with the collector: a normalizer in a process of its own on a topic. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { groupOf } from '../../schemas/topics.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import { createClickHouseStore } from '../../services/runtime/store/clickhouse.ts';
import { migrate } from '../../services/runtime/store/migrate.ts';
import { silentLogger, type TestEngine } from '../support/engine.ts';
import { forgetGroup } from './broker-topics.ts';
import { createPace, DRAIN_MAX_MS, type Drained, SETTLE_MS, type Stored } from './drain.ts';
import { type MeasuredChild, startOurs, untilChild } from './measured-child.ts';
import { cpuSeconds, mainThreadSeconds } from './process-figures.ts';

/** `all`: `tacho normalizer` as it is. `same`: without what the collector does not do, see plain-normalizer.ts. */
export type Work = 'all' | 'same';

export interface NormalizerPlace {
  readonly brokers: readonly string[];
  readonly kafka: Kafka;
  readonly engine: TestEngine;
}

export interface NormalizerRun {
  readonly topic: string;
  readonly work: Work;
  /** More arguments for Node, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
}

const PROGRAMS = {
  all: ['services/main.ts', 'normalizer'],
  same: ['test/bench/plain-normalizer.ts'],
} as const;
const GROUP = groupOf('normalizer');
const DEPS = { clock: systemClock, random: systemRandom, logger: silentLogger };

/** A running normalizer with a database of its own, kept over a restart. */
export interface Normalizer {
  readonly child: () => MeasuredChild;
  readonly group: string;
  /** Spans of confirmed batches, and dead letters, of which there must be none. */
  readonly confirmed: () => Promise<{ readonly spans: number; readonly refused: number }>;
  /** What stands in its table. */
  readonly stored: () => Promise<Stored>;
  /** Starts it again after it was killed. */
  readonly restart: () => void;
  readonly finish: () => Promise<void>;
}

let runs = 0;

/** Starts a normalizer at the beginning of a topic, with empty tables that are made here and not by it. */
export const startNormalizer = async (place: NormalizerPlace, run: NormalizerRun): Promise<Normalizer> => {
  const { brokers, kafka, engine } = place;
  runs += 1;
  const database = `bench_${runs}`;
  await migrate(engine.adminStore, { database, fsyncInserts: false, ...DEPS });
  await forgetGroup(kafka, GROUP);
  const dir = mkdtempSync(join(tmpdir(), 'normalizer-'));
  const config = join(dir, 'tachograph.yaml');
  const sources = [{ topic: run.topic, signal: 'spans', tenant: 'bench' }];
  writeFileSync(config, JSON.stringify({ kafka: { sources }, clickhouse: { manage_schema: false } }));
  const env = {
    TACHO_CONFIG: config,
    TACHO_DATA_DIR: dir,
    TACHO_KAFKA_BROKERS: brokers.join(','),
    TACHO_CLICKHOUSE_URL: engine.url,
    TACHO_CLICKHOUSE_USER: engine.user,
    TACHO_CLICKHOUSE_PASSWORD: engine.password,
    TACHO_CLICKHOUSE_DATABASE: database,
    TACHO_LOG_LEVEL: 'warn',
  };
  const start = (): MeasuredChild => startOurs(PROGRAMS[run.work], env, run.nodeArgs);
  const store = createClickHouseStore({ ...engine, database }, { ...DEPS, metrics: createMetrics() });
  let child = start();
  return {
    child: () => child,
    group: GROUP,
    confirmed: async () => {
      const [row] = await store.query<{ stored: string; refused: string }>(
        "SELECT toString(sum(rows['spans'])) AS stored, toString(sum(dead_letters)) AS refused FROM batches",
      );
      return { spans: Number(row?.stored), refused: Number(row?.refused) };
    },
    stored: async () => {
      const [row] = await store.query<{ rows: string; distinct: string }>(
        'SELECT toString(count()) AS rows, toString(uniqExact(trace_id, span_id)) AS distinct FROM spans',
      );
      return { rows: Number(row?.rows), distinct: Number(row?.distinct) };
    },
    restart: () => {
      child = start();
    },
    finish: async () => {
      await child.stop();
      await store.close();
      await engine.adminStore.command(`DROP DATABASE ${database}`);
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

/** CPU seconds that a normalizer without any work takes to be ready: compiling, connecting, joining. */
export const normalizerStartup = async (place: NormalizerPlace, run: NormalizerRun): Promise<number> => {
  const normalizer = await startNormalizer(place, run);
  const child = normalizer.child();
  try {
    const isReady = async (): Promise<true | null> => (child.output().includes('is running') ? true : null);
    await untilChild('the normalizer is ready', child, isReady, 60_000);
    await delay(SETTLE_MS);
    return child.cpu();
  } finally {
    await normalizer.finish();
  }
};

/** Drains a topic of `spans` spans. Throws when they are not all stored, each once. */
export const drainByNormalizer = async (
  place: NormalizerPlace,
  run: NormalizerRun,
  spans: number,
): Promise<Drained & { readonly mainThreadSeconds: number }> => {
  const enginePid = place.engine.engine.pid();
  const sinkBefore = cpuSeconds(enginePid);
  const normalizer = await startNormalizer(place, run);
  const child = normalizer.child();
  try {
    const pace = createPace(spans);
    const through = async (): Promise<{ readonly refused: number } | null> => {
      const confirmed = await normalizer.confirmed();
      pace.saw(confirmed.spans);
      return confirmed.spans >= spans || confirmed.refused > 0 ? confirmed : null;
    };
    const { refused } = await untilChild('the normalizer drains the topic', child, through, DRAIN_MAX_MS);
    if (refused > 0) throw new Error(`${refused} dead letters of requests that are whole`);
    const drained = {
      spans,
      cpuSeconds: child.cpu(),
      mainThreadSeconds: mainThreadSeconds(child.pid),
      sinkCpuSeconds: cpuSeconds(enginePid) - sinkBefore,
      spansPerSecond: pace.spansPerSecond(),
      peakMib: child.memory().peak,
    };
    const stored = await normalizer.stored();
    if (stored.rows !== spans || stored.distinct !== spans)
      throw new Error(`${spans} spans sent, ${stored.rows} rows of ${stored.distinct} spans stored`);
    return { ...drained, stored };
  } finally {
    await normalizer.finish();
  }
};
