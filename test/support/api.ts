import type { FastifyInstance } from 'fastify';
import type { ApiParts } from '../../services/api/deps.ts';
import { buildApi } from '../../services/api/service.ts';
import { explainRun } from '../../services/ledger/explain.ts';
import { createPriceBook } from '../../services/ledger/prices/registry.ts';
import { priceStored } from '../../services/ledger/stored-usage.ts';
import { createAccess } from '../../services/runtime/access-tokens.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Store } from '../../services/runtime/ports.ts';
import { silentLogger, startTestEngine, type TestEngine } from './engine.ts';
import { richRunRows } from './seed-rich-run.ts';
import { insertRows, seedRows } from './seed-rows.ts';
import { watchRows } from './seed-watch.ts';

const TEST_BOOK = createPriceBook();

/** The parts of an api over a given store, as `main.ts` would wire them for a caller on this machine. */
export const testContext = (store: Store, change: Partial<ApiParts> = {}): ApiParts => ({
  settings: { host: '127.0.0.1', port: 0, readonlyStore: store },
  store,
  log: createMemoryEventLog({ clock: systemClock, random: systemRandom }),
  access: createAccess({ tokens: [], requireTokens: false, allowedHosts: [] }),
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  metrics: createMetrics(),
  pipeline: () => ({
    services: [
      {
        service: 'normalizer',
        state: 'ok',
        detail: '',
        partitions: [
          {
            topic: 'otlp_spans',
            partition: 0,
            log_id: 'seed-log',
            next_offset: 300,
            log_end: 300,
            lag: 0,
            is_stopped: false,
            confirmed_at_ms: systemClock.nowMs() - 1500,
          },
        ],
      },
      { service: 'ledger', state: 'ok', detail: '', partitions: [] },
    ],
  }),
  explainRun: (stateText) => explainRun(stateText, TEST_BOOK),
  priceUsage: (usage, tsMicros) => priceStored(TEST_BOOK, usage, tsMicros),
  owners: [],
  demo: true,
  ...change,
});

/** The api without a socket. */
export const testApi = (store: Store, change: Partial<ApiParts> = {}): FastifyInstance =>
  buildApi(testContext(store, change));

/** An engine that holds the seeded month and the rich run, all relative to now. */
export const startSeededEngine = async (): Promise<TestEngine> => {
  const engine = await startTestEngine();
  const nowMs = systemClock.nowMs();
  await insertRows(engine.store, seedRows(nowMs), 'seed');
  await insertRows(engine.store, richRunRows(nowMs), 'rich');
  await insertRows(engine.store, watchRows(nowMs), 'watch');
  return engine;
};
