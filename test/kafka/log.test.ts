import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKafkaClient } from '../../services/runtime/event-log/kafka-settings.ts';
import { partitionOf } from '../../services/runtime/event-log/murmur2.ts';
import type { EventLog, OutgoingRecord } from '../../services/runtime/ports.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { freshTopic, openLog, read, settingsOf, testLogger, texts, until } from './kit.ts';

const record = (topic: string, text: string, more: Partial<OutgoingRecord> = {}): OutgoingRecord => ({
  topic,
  key: null,
  value: Buffer.from(text),
  ...more,
});

describe.skipIf(!kafkaAvailable())('the event log on Kafka', () => {
  let broker: KafkaBroker;
  let log: EventLog;
  beforeAll(async () => {
    broker = await startKafkaBroker();
    log = openLog(broker.brokers);
  });
  afterAll(async () => {
    await log?.close();
    await broker?.stop();
  });

  test('gives positions in the order of the records, and what was written comes back byte by byte', async () => {
    const spec = freshTopic(3);
    await log.ensureTopics([spec]);
    const sent = Array.from({ length: 50 }, (_, i) =>
      record(spec.topic, `v${i}`, { key: i % 5 === 0 ? null : `k${i}`, headers: { n: String(i), toString: 'ü' } }),
    );
    const positions = await log.append(sent);
    expect(positions.length).toBe(50);
    const reader = await read(log, 'g-bytes', [spec.topic]);
    await until('50 records', () => reader.records.length === 50);
    await reader.close();
    for (const [index, position] of positions.entries()) {
      const outgoing = sent[index];
      if (outgoing?.key) expect(position.partition).toBe(partitionOf(outgoing.key, 3));
    }
    const byN = new Map(reader.records.map((one) => [one.headers['n'], one]));
    for (const [index, position] of positions.entries()) {
      const found = byN.get(String(index));
      expect(found?.offset).toBe(position.offset);
      expect(found?.headers['toString']).toBe('ü');
      expect(Buffer.from(found?.value ?? []).toString()).toBe(`v${index}`);
      expect(found?.key === null).toBe(index % 5 === 0);
      expect(Math.abs(Date.now() - (found?.timestampMs ?? 0))).toBeLessThan(60_000);
    }
  });

  test('places keys as the Java client does', async () => {
    const spec = freshTopic(6);
    await log.ensureTopics([spec]);
    const keys = ['a', 'tenant|0123456789abcdef', 'ключ', '😀x', 'x'.repeat(1_001)];
    const properties = ['--property', 'parse.key=true', '--property', 'key.separator=:'];
    await broker.tool(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--bootstrap-server', broker.brokers.join(), '--topic', spec.topic, ...properties],
      keys.map((key) => `${key}:${key}\n`).join(''),
    );
    const partitions = new Map<string, number>();
    const reader = await read(log, 'g-java', [spec.topic], {
      take: async (batch, { partition }) => {
        for (const text of texts(batch.records)) partitions.set(text, partition);
        return undefined;
      },
    });
    await until('all keys', () => partitions.size === keys.length);
    await reader.close();
    for (const key of keys) expect(partitions.get(key)).toBe(partitionOf(key, 6));
  });

  test.each(['GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const)('reads back what kafkajs compressed with %s', async (codec) => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    const producer = createKafkaClient(settingsOf(broker.brokers), testLogger).producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const values = Array.from({ length: 300 }, (_, i) => `${i} ${'lorem ipsum '.repeat(20)}`);
    await producer.send({
      topic: spec.topic,
      compression: kafkajs.CompressionTypes[codec],
      messages: values.map((value) => ({ value })),
    });
    await producer.disconnect();
    const reader = await read(log, `g-${codec}`, [spec.topic]);
    await until('all records', () => reader.records.length >= values.length);
    await reader.close();
    expect(texts(reader.records)).toEqual(values);
  });

  test.each(['gzip', 'snappy', 'lz4', 'zstd'])('reads what the Java producer compressed with %s', async (codec) => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    const lines = Array.from({ length: 2_000 }, (_, i) => `${i} ${'dolor sit amet '.repeat(10)}`);
    await broker.tool(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--bootstrap-server', broker.brokers.join(), '--topic', spec.topic, '--compression-codec', codec],
      lines.map((line) => `${line}\n`).join(''),
    );
    const reader = await read(log, `g-java-${codec}`, [spec.topic]);
    await until('all records', () => reader.records.length >= lines.length);
    await reader.close();
    expect(texts(reader.records)).toEqual(lines);
  });

  test('the Java consumer reads what we wrote', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    const values = Array.from({ length: 100 }, (_, i) => `value ${i} ${'x'.repeat(100)}`);
    await log.append(values.map((value) => record(spec.topic, value)));
    const output = await broker.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--bootstrap-server', broker.brokers.join(), '--topic', spec.topic],
      ...['--from-beginning', '--max-messages', '100', '--timeout-ms', '20000'],
    ]);
    expect(output.trim().split('\n')).toEqual(values);
  });

  test('refuses a record that is too large without hurting its neighbours', async () => {
    const spec = freshTopic(1, { recordBytesMax: 20_000 });
    await log.ensureTopics([spec]);
    const noise = (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes));
    // A client that did not create the topic knows no limit: the broker refuses the batch they all share.
    const other = openLog(broker.brokers);
    const append = () => other.append([{ topic: spec.topic, key: null, value: noise(15_000) }]);
    const large = other.append([{ topic: spec.topic, key: null, value: noise(40_000) }]);
    const small = Array.from({ length: 20 }, append);
    await expect(large).rejects.toMatchObject({ code: 'LOG_RECORD_TOO_LARGE', retryable: false });
    const offsets = (await Promise.all(small)).map(([position]) => position?.offset ?? -1);
    expect(new Set(offsets).size).toBe(20);
    await expect(other.append([record(spec.topic, 'still works')])).resolves.toHaveLength(1);
    await other.close();
  });

  test('knows ranges and commits, and a topic that does not exist is empty, not an error', async () => {
    const spec = freshTopic(2);
    expect(await log.ranges(spec.topic)).toEqual([]);
    expect((await log.committed('nobody', spec.topic)).size).toBe(0);
    await expect(log.append([record(spec.topic, 'x')])).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    await log.ensureTopics([spec]);
    await log.ensureTopics([spec]);
    await log.append([record(spec.topic, 'x', { partition: 1 }), record(spec.topic, 'y', { partition: 1 })]);
    expect(await log.ranges(spec.topic)).toEqual([
      { partition: 0, start: 0, end: 0 },
      { partition: 1, start: 0, end: 2 },
    ]);
    expect((await log.committed('nobody', spec.topic)).size).toBe(0);
    expect(await log.ranges('a topic name that Kafka does not allow')).toEqual([]);
  });

  test('says which topics are missing when it must not create them', async () => {
    const strict = openLog(broker.brokers, { manageTopics: false });
    const spec = freshTopic();
    await expect(strict.ensureTopics([spec])).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: false });
    await log.ensureTopics([spec]);
    await expect(strict.ensureTopics([spec])).resolves.toBeUndefined();
    await strict.close();
  });

  test('a topic deleted and created again has another log id, and can be written to at once', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    await log.append([record(spec.topic, 'first life')]);
    const first = await log.logId(spec.topic);
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    expect(await log.logId(spec.topic)).toBe(first);
    const admin = createKafkaClient(settingsOf(broker.brokers), testLogger).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [spec.topic] });
    await admin.disconnect();
    await until('the topic is gone', async () => (await log.ranges(spec.topic)).length === 0);
    await expect(log.logId(spec.topic)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    await log.ensureTopics([spec]);
    expect(await log.logId(spec.topic)).not.toBe(first);
    const position = await until('a write to the new life', () =>
      log.append([record(spec.topic, 'second life')]).catch(() => undefined),
    );
    expect(position[0]?.offset).toBe(0);
  });

  test('takes 1 KiB records fast enough', async () => {
    const spec = freshTopic(6);
    await log.ensureTopics([spec]);
    // Distinct noise: nothing for the compressor to win.
    const values = Array.from({ length: 4_096 }, () => crypto.getRandomValues(new Uint8Array(1_024)));
    const noiseAt = (n: number): Uint8Array => values[n % values.length] ?? new Uint8Array(1_024);
    const value = noiseAt(0);
    const startedMs = performance.now();
    const count = 40_000;
    const writers = Array.from({ length: 40 }, async (_, writer) => {
      for (let i = 0; i < count / 40 / 100; i += 1) {
        await log.append(
          Array.from({ length: 100 }, (_, n) => ({
            topic: spec.topic,
            key: `${writer}-${i}-${n}`,
            value: noiseAt(writer * 1_000 + i * 100 + n),
          })),
        );
      }
    });
    await Promise.all(writers);
    const seconds = (performance.now() - startedMs) / 1_000;
    console.log(`append: ${Math.round(count / seconds)} records/s of 1 KiB, ${seconds.toFixed(2)} s`);
    expect((await log.ranges(spec.topic)).reduce((sum, { end }) => sum + end, 0)).toBe(count);
    const one = performance.now();
    for (let i = 0; i < 50; i += 1) await log.append([{ topic: spec.topic, key: 'k', value }]);
    console.log(`append of one record alone: ${((performance.now() - one) / 50).toFixed(1)} ms`);
    const readMs = performance.now();
    const reader = await read(log, 'g-speed', [spec.topic], { recordsMax: 20_000, bytesMax: 8 * 1_048_576 });
    await until('all read', () => reader.records.length >= count);
    console.log(`read: ${Math.round(count / ((performance.now() - readMs) / 1_000))} records/s with join and commits`);
    await reader.close();
  });

  test('a cluster that is not there is unavailable, and worth a retry', async () => {
    const nowhere = openLog(['127.0.0.1:1']);
    await expect(nowhere.ping()).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: true });
    await nowhere.close();
    await expect(log.ping()).resolves.toBeUndefined();
  });
});
