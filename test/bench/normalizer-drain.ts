/** Our side of `normalizer-kafka`: a normalizer in a process of its own drains a topic. */
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
import { createPace, DRAIN_MAX_MS, type Drained, SETTLE_MS } from './drain.ts';
import { type MeasuredChild, startChild, untilChild } from './measured-child.ts';
import { cpuSeconds, mainThreadSeconds } from './process-figures.ts';

/**
 * `all`: `tacho normalizer` as it is. `same`: the same modules without what the collector does not do: see
 * plain-normalizer.ts.
 */
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

interface Running {
  readonly child: MeasuredChild;
  readonly database: string;
  readonly finish: () => Promise<void>;
}

const DEPS = { clock: systemClock, random: systemRandom, logger: silentLogger };

let runs = 0;

const begin = async ({ brokers, kafka, engine }: NormalizerPlace, run: NormalizerRun): Promise<Running> => {
  runs += 1;
  const database = `bench_${runs}`;
  // Made here, so that making tables is no part of the normalizer's figures.
  await migrate(engine.adminStore, { database, fsyncInserts: false, ...DEPS });
  await forgetGroup(kafka, groupOf('normalizer'));
  const dir = mkdtempSync(join(tmpdir(), 'tacho-bench-'));
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
    // As bin/tacho.mjs sets them.
    MALLOC_ARENA_MAX: '2',
    MALLOC_TRIM_THRESHOLD_: '131072',
    MALLOC_MMAP_THRESHOLD_: '131072',
  };
  const child = startChild(process.execPath, [...(run.nodeArgs ?? []), ...PROGRAMS[run.work]], env);
  return {
    child,
    database,
    finish: async () => {
      await child.stop();
      await engine.adminStore.command(`DROP DATABASE ${database}`);
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

/** CPU seconds that a normalizer without any work takes to be ready: compiling, connecting, joining. */
export const normalizerStartup = async (place: NormalizerPlace, run: NormalizerRun): Promise<number> => {
  const { child, finish } = await begin(place, run);
  try {
    const isReady = async (): Promise<true | null> => (child.output().includes('is running') ? true : null);
    await untilChild('the normalizer is ready', child, isReady, 60_000);
    await delay(SETTLE_MS);
    return child.cpu();
  } finally {
    await finish();
  }
};

/** Drains a topic of `spans` spans. Throws when they are not all stored, each once. */
export const drainByNormalizer = async (
  place: NormalizerPlace,
  run: NormalizerRun,
  spans: number,
): Promise<Drained & { readonly mainThreadSeconds: number }> => {
  const { engine } = place;
  const sinkBefore = cpuSeconds(engine.engine.pid());
  const { child, database, finish } = await begin(place, run);
  const store = createClickHouseStore({ ...engine, database }, { ...DEPS, metrics: createMetrics() });
  try {
    const pace = createPace(spans);
    await untilChild(
      'the normalizer drains the topic',
      child,
      async () => {
        const [row] = await store.query<{ stored: string; refused: string }>(
          "SELECT toString(sum(rows['spans'])) AS stored, toString(sum(dead_letters)) AS refused FROM batches",
        );
        if (Number(row?.refused) > 0) throw new Error(`${row?.refused} dead letters`);
        const stored = Number(row?.stored);
        pace.saw(stored);
        return stored >= spans ? true : null;
      },
      DRAIN_MAX_MS,
    );
    const drained = {
      spans,
      cpuSeconds: child.cpu(),
      mainThreadSeconds: mainThreadSeconds(child.pid),
      sinkCpuSeconds: cpuSeconds(engine.engine.pid()) - sinkBefore,
      spansPerSecond: pace.spansPerSecond(),
      peakMib: child.memory().peak,
    };
    const [rows] = await store.query<{ rows: string; distinct: string }>(
      'SELECT toString(count()) AS rows, toString(uniqExact(trace_id, span_id)) AS distinct FROM spans',
    );
    const stored = { rows: Number(rows?.rows), distinct: Number(rows?.distinct) };
    if (stored.rows !== spans || stored.distinct !== spans)
      throw new Error(`${spans} spans sent, ${stored.rows} rows of ${stored.distinct} spans stored`);
    return { ...drained, stored };
  } finally {
    await store.close();
    await finish();
  }
};
