import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEmitter } from '../../emitter/src/emitter.ts';
import { decodeActionEvent } from '../../schemas/action-event-codec.ts';
import { decodeTraces } from '../../schemas/otlp/decode.ts';
import { dlqOf, TOPIC_RECORD_BYTES_MAX, TOPICS } from '../../schemas/topics.ts';
import { createNormalizerTask } from '../../services/normalizer/service.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { partitionOf } from '../../services/runtime/event-log/murmur2.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { EventLog, Store } from '../../services/runtime/ports.ts';
import { createStreamService, type StreamService } from '../../services/runtime/stream/service.ts';
import { createSpanSource } from '../support/emitter-spans.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { type Found, openLog, recordsOf, testLogger, until } from './kit.ts';

const PARTITIONS = 3;
const agentProgram = join(import.meta.dirname, '..', 'support', 'emitter-agent.ts');
const canRestart = kafkaAvailable() && !process.env['TACHO_KAFKA_BROKERS'];

/** How often each span of the test stands in the topic, by its number. */
const numbersIn = (records: readonly Found[], tenant: string): ReadonlyMap<number, number> => {
  const counts = new Map<number, number>();
  for (const { value, headers } of records) {
    if (headers['x-tacho-tenant'] !== tenant) continue;
    const decoded = decodeTraces(value, 'protobuf');
    if (decoded.kind === 'refused') throw new Error(decoded.detail);
    for (const { item } of decoded.value.items) {
      const number = Number(item.attributes.get('test.number'));
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
  }
  return counts;
};
const missing = (counts: ReadonlyMap<number, number>, count: number): readonly number[] =>
  Array.from({ length: count }, (_, number) => number).filter((number) => !counts.has(number));

/** The normalizer, reading the spans that come by header for any tenant. */
const normalizerOver = (log: EventLog, store: Store): StreamService => {
  const deps = { log, store, clock: systemClock, logger: testLogger, metrics: createMetrics() };
  const spans = {
    topic: TOPICS.spans,
    signal: 'spans',
    tenant: '',
    tenant_from: 'header',
    vantage: 'agent',
  } as const;
  return createStreamService(deps, createNormalizerTask({ sources: [spans], content: 'full', redact: true }, deps), {
    ...{ batchRecordsMax: 200, batchBytesMax: 8_000_000, lingerMs: 50, idleMs: 500 },
    onCrash: (error: unknown) => {
      throw error;
    },
  });
};

interface Agent {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exited: Promise<number | null>;
}

const startAgent = (args: readonly (string | number)[]): Agent => {
  const child = spawn(process.execPath, [agentProgram, ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const exited = new Promise<number | null>((done) => {
    child.once('exit', (code) => done(code));
  });
  return { child, output: () => output, exited };
};

describe.skipIf(!canRestart)('the emitter over a real broker', () => {
  let broker: KafkaBroker;
  let log: EventLog;
  let dir: string;
  beforeAll(async () => {
    broker = await startKafkaBroker();
    // A starved machine must not lose its place in the group every other second.
    log = openLog(broker.brokers, { sessionTimeoutMs: 10_000 });
    dir = mkdtempSync(join(tmpdir(), 'tacho-emitter-'));
    const topics = Object.values(TOPICS).flatMap((topic) => [topic, dlqOf(topic)]);
    await log.ensureTopics(
      topics.map((topic) => ({
        ...{ topic, partitions: PARTITIONS, retentionMs: 86_400_000, recordBytesMax: TOPIC_RECORD_BYTES_MAX },
      })),
    );
  });
  afterAll(async () => {
    await log?.close();
    await broker?.stop();
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  test('10,000 spans through a restart of the broker are in the store once each', async () => {
    const engine: TestEngine = await startTestEngine();
    const normalizer = normalizerOver(log, engine.store);
    await normalizer.start();
    const emitter = createEmitter({ brokers: broker.brokers, tenant: 'restart' });
    const spans = createSpanSource(emitter.spanExporter);
    let restarting: Promise<void> = Promise.resolve();
    for (let first = 0; first < 10_000; first += 500) {
      spans.emit(first, 500);
      await new Promise((resolve) => setImmediate(resolve));
      if (first === 3_000) {
        await until('some are sent', () => emitter.stats().sent > 500, 60_000);
        await broker.kill();
        restarting = broker.restart();
      }
    }
    await restarting;
    await until('all are sent', () => emitter.stats().sent === 10_000, 90_000);
    expect(emitter.stats()).toMatchObject({ offered: 10_000, waiting: 0, droppedFull: 0, droppedRefused: 0 });
    expect(emitter.stats().failures).toBeGreaterThan(0);
    const counted = async (): Promise<{ readonly n: string; readonly d: string; readonly sum: string }> => {
      const [row] = await engine.store.query<{ n: string; d: string; sum: string }>(
        `SELECT count() AS n, uniqExact(attributes['test.number']) AS d, sum(toUInt64OrZero(attributes['test.number'])) AS sum
         FROM spans WHERE tenant_id = 'restart'`,
      );
      if (row === undefined) throw new Error('a count has a row');
      return row;
    };
    await expect.poll(async () => Number((await counted()).d), { timeout: 180_000, interval: 1_000 }).toBe(10_000);
    expect(await counted()).toEqual({ n: '10000', d: '10000', sum: String((9_999 * 10_000) / 2) });
    await emitter.shutdown();
    await normalizer.drain();
    await engine.close();
  }, 400_000);

  test('a trace stands in the partition where the receiver and the Java client put it', async () => {
    const emitter = createEmitter({ brokers: broker.brokers, tenant: 'placed' });
    const spans = createSpanSource(emitter.spanExporter);
    spans.emit(0, 200);
    await spans.shutdown();
    const records = (await recordsOf(log, TOPICS.spans)).filter(
      ({ headers }) => headers['x-tacho-tenant'] === 'placed',
    );
    expect(records).toHaveLength(20);
    for (const { key, value, partition } of records) {
      const text = Buffer.from(key ?? []).toString();
      const decoded = decodeTraces(value, 'protobuf');
      const traces = decoded.kind === 'ok' ? decoded.value.items.map(({ item }) => item.traceId) : [];
      expect(new Set(traces)).toEqual(new Set([text]));
      expect(partition).toBe(partitionOf(text, PARTITIONS));
    }
    await emitter.shutdown();
  });

  test('an action event reaches the topic as the registry would frame it', async () => {
    const emitter = createEmitter({ brokers: broker.brokers, tenant: 'acts', service: 'shop', actionSchemaId: 4711 });
    const told = { kind: 'egress', name: 'POST', session_id: 's-1', egress: { host: 'example.com' } } as const;
    expect(emitter.emitAction(told)).toEqual({ kind: 'queued' });
    expect(emitter.emitAction({ ...told, egress: { host: '' } })).toMatchObject({ kind: 'refused' });
    expect(await emitter.flush()).toBe(true);
    const [record] = await recordsOf(log, TOPICS.actions);
    expect(Buffer.from(record?.value ?? []).readUInt32BE(1)).toBe(4711);
    expect(decodeActionEvent(record?.value ?? new Uint8Array())).toMatchObject({
      kind: 'ok',
      value: { tenant_id: 'acts', vantage: 'agent', service: 'shop', egress: { host: 'example.com' } },
    });
    expect(emitter.stats()).toMatchObject({ offered: 2, sent: 1, droppedRefused: 1 });
    await emitter.shutdown();
  });

  test('a record that the broker never takes costs its own spans, counted, and nobody else', async () => {
    await log.ensureTopics([{ topic: 'narrow', partitions: 1, retentionMs: 86_400_000, recordBytesMax: 50_000 }]);
    const emitter = createEmitter({ brokers: broker.brokers, tenant: 'narrow', topics: { spans: 'narrow' } });
    const spans = createSpanSource(emitter.spanExporter);
    const noise = randomBytes(60_000).toString('base64');
    spans.emit(0, 100, (number) => (number === 37 ? { noise } : {}));
    await spans.handOver();
    expect(await emitter.flush()).toBe(true);
    expect(emitter.stats()).toMatchObject({ offered: 100, sent: 90, droppedRefused: 10, waiting: 0 });
    const counts = numbersIn(await recordsOf(log, 'narrow'), 'narrow');
    expect(missing(counts, 100)).toEqual(Array.from({ length: 10 }, (_, at) => 30 + at));
    await emitter.shutdown();
  }, 180_000);

  test('a broker that is frozen holds up neither the agent nor its end', async () => {
    const emitter = createEmitter({ brokers: broker.brokers, tenant: 'frozen', flushTimeoutMs: 500 });
    const control = emitter.onControl({ agents: ['a'] }, () => {});
    await control.ready;
    broker.freeze();
    try {
      const spans = createSpanSource(emitter.spanExporter);
      spans.emit(0, 100);
      await spans.handOver();
      expect(await emitter.flush()).toBe(false);
      await emitter.shutdown();
      expect(emitter.stats()).toMatchObject({ offered: 100, sent: 0, droppedShutdown: 100, waiting: 0 });
    } finally {
      broker.thaw();
    }
  }, 180_000);

  test('what a killed process left in its spool arrives with the next, whole and in the order of each trace', async () => {
    const spool = join(dir, 'spool');
    const gone = '127.0.0.1:1';
    const first = startAgent([gone, spool, 0, 1_500, 'wait']);
    await until('the records wait', () => first.output().includes('kept'), 60_000);
    first.child.kill('SIGKILL');
    await first.exited;
    const second = startAgent([gone, spool, 1_500, 500, 'wait']);
    await until('more records wait', () => second.output().includes('kept'), 60_000);
    second.child.kill('SIGKILL');
    await second.exited;
    const third = startAgent([broker.brokers.join(','), spool, 2_000, 500, 'shutdown']);
    expect(await third.exited).toBe(0);
    expect(JSON.parse(third.output().split('\n')[1] ?? '')).toMatchObject({
      recovered: 2_002,
      waiting: 0,
      sent: 2_503,
    });
    const counts = numbersIn(await recordsOf(log, TOPICS.spans), 'agents');
    expect(missing(counts, 2_500)).toEqual([]);
    expect([...counts.values()].reduce((a, b) => a + b)).toBe(2_500);
    expect(readdirSync(spool)).toEqual([]);
  }, 180_000);

  test('a process that is killed while it sends loses nothing, and repeats no more than one round', async () => {
    const spool = join(dir, 'spool-sending');
    const topicBefore = (await recordsOf(log, TOPICS.spans)).length;
    const agent = startAgent([broker.brokers.join(','), spool, 0, 20_000, 'wait']);
    await until('some are in the topic', async () => {
      const ranges = await log.ranges(TOPICS.spans);
      return ranges.reduce((sum, { end }) => sum + end, 0) > topicBefore + 100;
    });
    agent.child.kill('SIGKILL');
    await agent.exited;
    const isWhole = agent.output().includes('kept');
    const next = startAgent([broker.brokers.join(','), spool, 20_000, 10, 'shutdown']);
    expect(await next.exited).toBe(0);
    const counts = numbersIn(
      (await recordsOf(log, TOPICS.spans)).filter(({ headers }) => headers['x-tacho-tenant'] === 'agents'),
      'agents',
    );
    // Of the first test with this tenant 2,500 numbers stand there once already.
    const sums = [...counts].filter(([number]) => number >= 2_500 && number < 20_000);
    const { recovered, waiting } = JSON.parse(next.output().split('\n')[1] ?? '');
    console.log(`killed after keeping ${isWhole ? 'all' : 'some'}; recovered ${recovered} items`);
    expect(waiting).toBe(0);
    if (isWhole) expect(missing(counts, 20_000)).toEqual([]);
    expect(sums.filter(([, count]) => count > 2)).toEqual([]);
    // A round is a thousand records of ten spans at most.
    expect(sums.filter(([, count]) => count === 2).length).toBeLessThanOrEqual(10_000);
  }, 180_000);

  test('a process that has nothing more to do ends by itself, connected or not', async () => {
    const connected = startAgent([broker.brokers.join(','), '', 0, 10, 'leave']);
    const alone = startAgent(['127.0.0.1:1', '', 0, 10, 'leave']);
    expect(await connected.exited).toBe(0);
    expect(await alone.exited).toBe(0);
  }, 120_000);
});
