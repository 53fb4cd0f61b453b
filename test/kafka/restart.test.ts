import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EventLog } from '../../services/runtime/ports.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { commitOf, freshTopic, openLog, read, texts, until } from './kit.ts';

const canRestart = kafkaAvailable() && !process.env['TACHO_KAFKA_BROKERS'];

describe.skipIf(!canRestart)('a Kafka broker that goes away', () => {
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

  test.each(['SIGTERM', 'SIGKILL'])('a restart by %s during writing and reading loses nothing', async (how) => {
    const spec = freshTopic(2);
    await log.ensureTopics([spec]);
    const group = `g-restart-${how}`;
    const reader = await read(log, group, [spec.topic]);
    let sent = 0;
    let isDone = false;
    const writer = (async () => {
      while (!isDone) {
        const value = Buffer.from(`v${sent}`);
        // Retried as writers do; a duplicate is the reader's to recognise.
        const landed = await log.append([{ topic: spec.topic, key: `k${sent}`, value }]).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: true });
          return null;
        });
        if (landed) sent += 1;
      }
    })();
    await until('some records', () => reader.records.length > 20);
    const restartedAt = performance.now();
    if (how === 'SIGKILL') await broker.kill();
    await broker.restart();
    const upAt = performance.now();
    const sentBefore = sent;
    await until('writing goes on', () => sent > sentBefore + 20, 60_000);
    const writingAt = performance.now();
    isDone = true;
    await writer;
    const missing = (): number => {
      const seen = new Set(texts(reader.records));
      return Array.from({ length: sent }, (_, i) => `v${i}`).filter((text) => !seen.has(text)).length;
    };
    await until('everything read', () => missing() === 0, 60_000);
    const times = [upAt, writingAt, performance.now()].map((at) => Math.round(at - restartedAt));
    console.log(`${how}: broker up after ${times[0]} ms, writing after ${times[1]} ms, all read after ${times[2]} ms`);
    await until('idle', async () => (await commitOf(log, group, spec.topic))?.metadata === '');
    await reader.close();
    expect(reader.crashes).toEqual([]);
  });

  test('append says LOG_UNAVAILABLE while the broker is down, and works again after it', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    await log.append([{ topic: spec.topic, key: null, value: Buffer.from('before') }]);
    await broker.kill();
    const startedAt = performance.now();
    await expect(log.append([{ topic: spec.topic, key: null, value: Buffer.from('down') }])).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      retryable: true,
    });
    console.log(`append failed after ${Math.round(performance.now() - startedAt)} ms`);
    await broker.restart();
    await until('a write', () =>
      log.append([{ topic: spec.topic, key: null, value: Buffer.from('after') }]).catch(() => undefined),
    );
  });

  test('a broker that freezes with its connections open is left, and found again when it goes on', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    const append = (text: string) => log.append([{ topic: spec.topic, key: null, value: Buffer.from(text) }]);
    const reader = await read(log, 'g-freeze', [spec.topic]);
    await append('before');
    await until('the first record is committed', () => reader.idles.at(-1) === 1);
    const held = reader.assignments[0];
    broker.freeze();
    // Six sessions of silence: the reader gives its hanging client up, and with it the epoch.
    await until('the epoch is over', () => held?.signal.aborted, 20_000);
    broker.thaw();
    const thawedAt = performance.now();
    await until('a write', () => append('after').catch(() => undefined), 60_000);
    await until('the record after', () => texts(reader.records).includes('after'), 60_000);
    console.log(`read again ${Math.round(performance.now() - thawedAt)} ms after the thaw`);
    await reader.close();
    expect(texts(reader.records)).toEqual(['before', 'after']);
    expect(reader.crashes).toEqual([]);
  });
});
