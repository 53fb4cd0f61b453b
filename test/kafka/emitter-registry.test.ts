import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEmitter } from '../../emitter/src/emitter.ts';
import { decodeActionEvent } from '../../schemas/action-event-codec.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { EventLog } from '../../services/runtime/ports.ts';
import { createSpanSource } from '../support/emitter-spans.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { startTestRegistry } from '../support/schema-registry.ts';
import { openLog, recordsOf, until } from './kit.ts';

describe.skipIf(!kafkaAvailable())('action events under a schema registry', () => {
  const topic = 'registered_actions';
  let broker: KafkaBroker;
  let log: EventLog;
  beforeAll(async () => {
    broker = await startKafkaBroker();
    log = openLog(broker.brokers, { sessionTimeoutMs: 10_000 });
    const more = { partitions: 1, retentionMs: 86_400_000, recordBytesMax: 1_000_000 };
    await log.ensureTopics([topic, TOPICS.spans].map((name) => ({ topic: name, ...more })));
  });
  afterAll(async () => {
    await log?.close();
    await broker?.stop();
  });

  test('wait through its outage and then carry its id; spans never wait for it', async () => {
    const registry = await startTestRegistry(815, 2);
    const topic = 'registered_actions';
    const emitter = createEmitter({
      ...{ brokers: broker.brokers, tenant: 'registered', topics: { actions: topic } },
      ...{ flushTimeoutMs: 60_000, schemaRegistry: { url: registry.url } },
    });
    for (const number of [1, 2, 3]) emitter.emitAction({ kind: 'control', name: `act ${number}` });
    const spans = createSpanSource(emitter.spanExporter);
    spans.emit(0, 10);
    await spans.handOver();
    await until('the spans are there', () => emitter.stats().sent >= 10, 60_000);
    expect(await emitter.flush()).toBe(true);
    emitter.emitAction({ kind: 'control', name: 'act 4' });
    expect(await emitter.flush()).toBe(true);
    const records = await recordsOf(log, topic);
    expect(records.map(({ value }) => Buffer.from(value).readUInt32BE(1))).toEqual([815, 815, 815, 815]);
    expect(records.every(({ value }) => decodeActionEvent(value).kind === 'ok')).toBe(true);
    expect(emitter.stats()).toMatchObject({ offered: 14, sent: 14, waiting: 0 });
    expect(registry.requests.map(({ path }) => path)).toEqual(Array(3).fill(`/subjects/${topic}-value/versions`));
    await emitter.shutdown();
    await registry.close();
  }, 180_000);
});
