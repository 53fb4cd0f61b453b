import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { audit } from '../../services/audit/audit.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { Store } from '../../services/runtime/ports.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { capturedRecords, createPipeline, createPipelineLog, untilDone } from '../support/pipeline.ts';
import { seeded } from '../support/random.ts';

const failure = () => new TransportError('STORE_UNAVAILABLE', 'chaos', { retryable: true });

/** A store that loses requests, loses answers, lands parts of inserts, and swallows tokens after such a failure. */
const unreliable = (store: Store, random: () => number): Store => {
  const swallowed = new Set<string>();
  const { blocks } = store;
  const attempt = async (token: string, land: () => Promise<void>, landPart: () => Promise<void>): Promise<void> => {
    const dice = random();
    if (swallowed.has(token)) return;
    if (dice < 0.05) throw failure();
    if (dice < 0.08) {
      swallowed.add(token);
      throw failure();
    }
    if (dice < 0.12) {
      await landPart();
      throw failure();
    }
    await land();
    if (dice < 0.17) throw failure();
  };
  return {
    ...store,
    insert: (table, rows, options) =>
      attempt(
        options.token,
        () => store.insert(table, rows, options),
        () => store.insert(table, rows.slice(1), { ...options, token: `${options.token}/part` }),
      ),
    // Encoded rows land whole or not at all here; rows of a verification go in by the door above.
    ...(blocks === undefined
      ? {}
      : {
          blocks: {
            begin: blocks.begin,
            insert: (table, encoded, options) =>
              attempt(
                options.token,
                () => blocks.insert(table, encoded, options),
                async () => {},
              ),
          },
        }),
  };
};

/** A seed takes half a minute; more of them by hand: CHAOS_SEEDS=20. */
const SEEDS = Array.from({ length: Number(process.env['CHAOS_SEEDS'] ?? 1) }, (_, at) => [at + 1] as const);

const GROUPS = ['tacho-normalizer', 'tacho-ledger', 'tacho-lineage', 'tacho-policy'] as const;

/** Starts the services as a process of its own. */
const startProcess = async (log: MemoryEventLog, store: Store) => {
  const client = log.openClient();
  const services = createPipeline(client, store);
  for (const service of services) await service.start();
  return { client, services };
};

/** Every fourth recorded request, twice, while members are taken for dead, processes die and offsets get lost. */
const feed = async (log: MemoryEventLog, store: Store, random: () => number) => {
  const some = capturedRecords().filter((_, at) => at % 4 === 0);
  const records = [...some, ...some];
  let running = await startProcess(log, store);
  while (records.length > 0) {
    await log.append(records.splice(0, 16));
    await systemClock.sleep(Math.floor(random() * 100));
    const dice = random();
    const group = GROUPS[Math.floor(dice * 20)];
    if (group !== undefined) log.faults.evictMembers(group);
    if (dice < 0.6) continue;
    running.client.crash();
    if (dice > 0.8) for (const group of GROUPS) log.faults.loseOffsets(group);
    running = await startProcess(log, store);
  }
  return running;
};

describe('the pipeline under failures', () => {
  let engine: TestEngine;
  beforeEach(async () => {
    engine = await startTestEngine();
  });
  afterEach(async () => engine.close());

  test.each(SEEDS)(
    'seed %i: crashes, rebalances, lost offsets and a store that lies lose nothing and double nothing',
    async (seed) => {
      const random = seeded(seed);
      const log = await createPipelineLog();
      const { client, services } = await feed(log, unreliable(engine.store, random), random);
      await untilDone(client, services);
      const running = await audit(engine.store, { clock: systemClock, settleMs: 400 });
      expect(running.results.flatMap((result) => result.findings).slice(0, 9)).toEqual([]);
      for (const service of services) await service.drain();
      const report = await audit(engine.store, { clock: systemClock, settleMs: 0 });
      expect(report.results.flatMap((result) => [...result.findings, ...result.waiting]).slice(0, 9)).toEqual([]);
    },
    120_000,
  );

  test('an audit while batches land is clean', async () => {
    const log = await createPipelineLog();
    const services = createPipeline(log, engine.store);
    for (const service of services) await service.start();
    let isDone = false;
    const feeding = (async () => {
      for (const record of capturedRecords()) {
        await log.append([record]);
        await systemClock.sleep(20);
      }
      isDone = true;
    })();
    while (!isDone) {
      const report = await audit(engine.store, { clock: systemClock, settleMs: 2_000 });
      expect(report.results.flatMap((result) => result.findings)).toEqual([]);
    }
    await feeding;
    await untilDone(log, services);
    for (const service of services) await service.drain();
  }, 120_000);
});
