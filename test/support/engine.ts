import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createSupervisedEngine, type SupervisedEngine } from '../../services/runtime/engine/supervise.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Logger, Store } from '../../services/runtime/ports.ts';
import { createClickHouseStore } from '../../services/runtime/store/clickhouse.ts';
import { migrate } from '../../services/runtime/store/migrate.ts';

/** Says nothing: tests that fail on purpose would fill the report. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

export interface TestEngine {
  /** On database `tacho`, migrated. */
  readonly store: Store;
  /** On database `default`. */
  readonly adminStore: Store;
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly dataDir: string;
  readonly engine: SupervisedEngine;
  readonly close: () => Promise<void>;
}

/** A fresh embedded engine with the whole schema, in a folder of its own. Takes about a second: share one per file. */
export const startTestEngine = async (): Promise<TestEngine> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'tacho-test-'));
  const deps = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: createMetrics() };
  const engine = await createSupervisedEngine({
    dataDir,
    host: '127.0.0.1',
    port: 0,
    startDeadlineMs: 30_000,
    ...deps,
  });
  const access = { url: engine.url, user: engine.user, password: engine.password };
  const adminStore = createClickHouseStore({ ...access, database: 'default' }, deps);
  const store = createClickHouseStore({ ...access, database: 'tacho' }, deps);
  await migrate(adminStore, { database: 'tacho', fsyncInserts: true, clock: systemClock, random: systemRandom });
  return {
    store,
    adminStore,
    ...access,
    dataDir,
    engine,
    close: async () => {
      await store.close();
      await adminStore.close();
      await engine.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
