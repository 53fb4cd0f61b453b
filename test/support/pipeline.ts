import { readdirSync, readFileSync } from 'node:fs';
import { TOPICS } from '../../schemas/topics.ts';
import { createLedgerFold } from '../../services/ledger/fold.ts';
import { createPriceBook } from '../../services/ledger/prices/registry.ts';
import { createLineageFold } from '../../services/lineage/fold.ts';
import { createNormalizerTask } from '../../services/normalizer/service.ts';
import type { RuleSets } from '../../services/policy/fold.ts';
import { loadRuleSet } from '../../services/policy/load.ts';
import { createPolicyTask } from '../../services/policy/task.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMemoryEventLog, type MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { EventLog, OutgoingRecord, Store } from '../../services/runtime/ports.ts';
import { createFoldTask } from '../../services/runtime/stream/fold-task.ts';
import { createStreamService, type StreamService } from '../../services/runtime/stream/service.ts';
import type { StreamTask } from '../../services/runtime/stream/types.ts';
import { captures } from './captures.ts';
import { silentLogger } from './engine.ts';
import { until } from './tacho.ts';

const PARTITIONS = 2;

/** A memory log with every topic the pipeline needs. */
export const createPipelineLog = async (): Promise<MemoryEventLog> => {
  const log = createMemoryEventLog({ clock: systemClock, random: systemRandom });
  const topics = Object.values(TOPICS).flatMap((topic) => [topic, `${topic}.dlq`]);
  await log.ensureTopics(
    topics.map((topic) => ({ topic, partitions: PARTITIONS, retentionMs: 3_600_000, recordBytesMax: 22_000_000 })),
  );
  return log;
};

/** The tasks of the normalizer and of what folds its steps, as `tacho up` has them. Tenant '': as each record's header says. */
export const pipelineTasks = (store: Store, tenant = 'demo'): readonly StreamTask[] => {
  const deps = { store, logger: silentLogger, metrics: createMetrics() };
  const source = { tenant, tenant_from: 'header', vantage: 'agent' } as const;
  const normalizer = createNormalizerTask(
    {
      sources: [
        { ...source, topic: TOPICS.spans, signal: 'spans' },
        { ...source, topic: TOPICS.logs, signal: 'logs' },
      ],
      content: 'full',
      redact: true,
    },
    deps,
  );
  const ledger = createFoldTask(createLedgerFold(createPriceBook()), [TOPICS.steps], { store });
  const lineage = createFoldTask(createLineageFold(), [TOPICS.steps], { store });
  const policy = createPolicyTask(builtInRules(), deps);
  return [normalizer, ledger, lineage, policy];
};

/** The normalizer and what folds its steps, as `tacho up` wires them, on a given log and store. */
export const createPipeline = (log: EventLog, store: Store, tenant = 'demo'): readonly StreamService[] => {
  const deps = { log, store, clock: systemClock, logger: silentLogger, metrics: createMetrics() };
  const settings = {
    batchRecordsMax: 20,
    batchBytesMax: 8_000_000,
    lingerMs: 5,
    idleMs: 50,
    onCrash: (error: unknown) => {
      throw error;
    },
  };
  return pipelineTasks(store, tenant).map((task) => createStreamService(deps, task, settings));
};

/** The rules of config/policies, in force from the beginning and for ever. */
const builtInRules = (): RuleSets => {
  const below = new URL('../../config/policies/', import.meta.url);
  const files = readdirSync(below, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));
  const outcome = loadRuleSet(
    files.map((path) => ({ path, text: readFileSync(new URL(path, below), 'utf8'), problem: null })),
  );
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems));
  const { set } = outcome;
  return { current: () => set.hash, ready: async () => {}, find: async () => set.hash, get: () => set };
};

/** Every recorded request as a log record of its topic. */
export const capturedRecords = (): readonly OutgoingRecord[] =>
  captures()
    .filter(({ signal }) => signal === 'traces' || signal === 'logs')
    .map(({ name, signal, bytes }) => ({
      topic: signal === 'traces' ? TOPICS.spans : TOPICS.logs,
      key: name,
      value: bytes,
    }));

/** Resolves when every service has confirmed everything in its topics. */
export const untilDone = async (log: EventLog, services: readonly StreamService[]): Promise<void> => {
  const isDone = async (service: StreamService, topics: readonly string[]): Promise<boolean> => {
    for (const topic of topics)
      for (const range of await log.ranges(topic)) {
        const reader = service.report().partitions.find((p) => p.topic === topic && p.partition === range.partition);
        if (reader === undefined || reader.next_offset < range.end) return false;
      }
    return true;
  };
  const [normalizer, ...folds] = services;
  if (normalizer === undefined || folds.length === 0) throw new Error('a normalizer and folds make the pipeline');
  const endsOf = async (): Promise<string> => JSON.stringify(await log.ranges(TOPICS.steps));
  const isAllDone = async (): Promise<boolean> => {
    const ends = await endsOf();
    if (!(await isDone(normalizer, [TOPICS.spans, TOPICS.logs]))) return false;
    for (const fold of folds) if (!(await isDone(fold, [TOPICS.steps]))) return false;
    // The ledger writes to the topic it reads: done is what did not grow while it was looked at.
    return (await endsOf()) === ends;
  };
  await until('the pipeline is done', async () => ((await isAllDone()) ? true : null), 300_000).catch(
    (cause: unknown) => {
      throw new Error(JSON.stringify(services.map((service) => service.report())), { cause });
    },
  );
};
