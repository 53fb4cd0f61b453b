import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exportOpenLineage } from '../../services/commands/openlineage.ts';
import { createWorld, type World } from '../../services/commands/world.ts';
import { loadConfig } from '../../services/runtime/config.ts';
import { ConfigError } from '../../services/runtime/errors.ts';
import type { EventLog } from '../../services/runtime/ports.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { runRow } from '../support/seed-builders.ts';
import { freshTopic, openLog, recordsOf } from './kit.ts';

/** More than travel together. */
const RUNS = 130;
const ENDED_MS = Date.UTC(2026, 4, 1);
const runIdOf = (at: number): string => at.toString(16).padStart(32, '0');

describe.skipIf(!kafkaAvailable())('OpenLineage events to a topic', () => {
  let broker: KafkaBroker;
  let log: EventLog;
  let engine: TestEngine;
  const lines: string[] = [];

  beforeAll(async () => {
    [broker, engine] = await Promise.all([startKafkaBroker(), startTestEngine()]);
    log = openLog(broker.brokers);
    const rows = Array.from({ length: RUNS }, (_, at) =>
      runRow(ENDED_MS + at * 1_000, ENDED_MS + at * 1_000 + 500, [], { run_id: runIdOf(at), name: 'a run' }),
    );
    await engine.store.insert('runs', rows, { token: 'runs' });
  });
  afterAll(async () => {
    await log?.close();
    await broker?.stop();
    await engine?.close();
  });

  const world = (brokers = broker.brokers.join(',')): World => {
    const config = loadConfig(null, {
      TACHO_CLICKHOUSE_URL: engine.url,
      TACHO_CLICKHOUSE_USER: engine.user,
      TACHO_CLICKHOUSE_PASSWORD: engine.password,
      TACHO_DATA_DIR: engine.dataDir,
      TACHO_KAFKA_BROKERS: brokers,
    });
    return { ...createWorld(config, new AbortController().signal, 'error'), print: (line) => void lines.push(line) };
  };
  const send = (topic: string, brokers?: string) =>
    exportOpenLineage(world(brokers), {
      fromMs: ENDED_MS,
      toMs: ENDED_MS + 86_400_000,
      out: `kafka:${topic}`,
      tenant: null,
    });

  test('stand there each once, those of a run in one partition, its start before its end', async () => {
    const { topic } = freshTopic();
    expect(await send(topic)).toBe(0);
    expect(lines).toEqual([`${2 * RUNS} events to kafka:${topic}`]);
    const records = await recordsOf(log, topic);
    expect(records).toHaveLength(2 * RUNS);
    const byRun = Map.groupBy(records, ({ key }) => Buffer.from(key ?? []).toString());
    expect(byRun.size).toBe(RUNS);
    for (const [key, own] of byRun) {
      const events = own.map(({ value }) => JSON.parse(Buffer.from(value).toString()));
      expect(events.map(({ eventType }) => eventType)).toEqual(['START', 'COMPLETE']);
      expect(events.map(({ run }) => run.runId)).toEqual([key, key]);
      expect(new Set(own.map(({ partition }) => partition)).size).toBe(1);
    }
  });

  test('never go where our own services read, nor nowhere', async () => {
    await expect(send('agent_steps')).rejects.toBeInstanceOf(ConfigError);
    await expect(send('no such topic')).rejects.toBeInstanceOf(ConfigError);
    await expect(send('lineage', '')).rejects.toBeInstanceOf(ConfigError);
  });
});
