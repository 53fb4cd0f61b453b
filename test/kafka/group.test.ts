import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKafkaClient } from '../../services/runtime/event-log/kafka-settings.ts';
import type { Assignment, EventLog, OutgoingRecord } from '../../services/runtime/ports.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { commitOf, freshTopic, openLog, read, settingsOf, testLogger, texts, until } from './kit.ts';

const values = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `v${from + i}`);
const records = (topic: string, from: number, to: number, partition = 0): OutgoingRecord[] =>
  values(from, to).map((text) => ({ topic, key: null, value: Buffer.from(text), partition }));

describe.skipIf(!kafkaAvailable())('a group on Kafka', () => {
  let broker: KafkaBroker;
  let log: EventLog;
  let child: ChildProcess | undefined;
  beforeAll(async () => {
    broker = await startKafkaBroker();
    log = openLog(broker.brokers);
  });
  afterAll(async () => {
    child?.kill('SIGKILL');
    await log?.close();
    await broker?.stop();
  });

  test('hands over batches within the limits, commits intents with metadata, and is idle once', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    await log.append(records(spec.topic, 0, 25));
    const seen: string[] = [];
    const reader = await read(log, 'g-limits', [spec.topic], {
      recordsMax: 10,
      take: async (batch) => {
        const commit = await commitOf(log, 'g-limits', spec.topic);
        seen.push(`${commit?.offset} ${commit?.metadata} ${batch.records.length} ${batch.logEnd}`);
        return undefined;
      },
    });
    await until('idle', () => reader.idles.length > 0);
    expect(texts(reader.records)).toEqual(values(0, 25));
    expect(seen).toEqual(['0 {"v":1,"end":10} 10 25', '10 {"v":1,"end":20} 10 25', '20 {"v":1,"end":25} 5 25']);
    expect(await commitOf(log, 'g-limits', spec.topic)).toEqual({ offset: 25, metadata: '' });
    await log.append(records(spec.topic, 25, 26));
    await until('idle again', () => reader.idles.length > 1);
    expect(reader.idles).toEqual([25, 26]);
    await reader.close();
    expect(reader.crashes).toEqual([]);
  });

  test('cuts batches by bytes, and a record larger than the limit stands alone', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    const sizes = [400, 400, 400, 5_000, 10];
    await log.append(sizes.map((size) => ({ topic: spec.topic, key: null, value: new Uint8Array(size) })));
    const reader = await read(log, 'g-bytes', [spec.topic], { bytesMax: 1_000 });
    await until('all', () => reader.records.length === 5);
    await reader.close();
    expect(
      reader.batches.every((b) => b.records.length === 1 || b.records.reduce((n, r) => n + r.value.length, 0) <= 1_000),
    ).toBe(true);
    expect(reader.records.map((one) => one.value.length)).toEqual(sizes);
  });

  test('begins where the service says, also in the middle of a compressed batch', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    await log.append(
      values(0, 100).map((text) => ({ topic: spec.topic, key: null, value: Buffer.from(`${text} ${'x'.repeat(50)}`) })),
    );
    const reader = await read(log, 'g-middle', [spec.topic], { start: () => 37 });
    await until('the rest', () => reader.records.length >= 63);
    await reader.close();
    expect(reader.records.map(({ offset }) => offset)).toEqual(Array.from({ length: 63 }, (_, i) => 37 + i));
  });

  test('an intent left open is read back by the next member, and its offset is not passed', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    await log.append(records(spec.topic, 0, 5));
    const first = await read(log, 'g-intent', [spec.topic], { take: async () => 'stop' });
    await until('an intent', async () => (await commitOf(log, 'g-intent', spec.topic))?.metadata);
    await first.close();
    const second = await read(log, 'g-intent', [spec.topic]);
    await until('all records again', () => second.records.length === 5);
    await second.close();
    expect(second.assignments[0]?.committed).toEqual({ offset: 0, metadata: '{"v":1,"end":5}' });
  });

  test("two members: the loser's late commit is refused, and only one of them has the partition", async () => {
    const spec = freshTopic(2);
    await log.ensureTopics([spec]);
    const group = 'g-two';
    const first = await read(log, group, [spec.topic]);
    const lost = await until('both partitions', () => first.assignments.length === 2 && [...first.assignments]);
    const other = openLog(broker.brokers);
    const startedMs = performance.now();
    const second = await read(other, group, [spec.topic]);
    await until('one partition each', () => second.assignments.length === 1 && first.assignments.length === 3);
    console.log(`second member took over after ${Math.round(performance.now() - startedMs)} ms`);
    const taken = second.assignments[0];
    const kept = first.assignments[2];
    expect(new Set([taken?.partition, kept?.partition])).toEqual(new Set([0, 1]));
    for (const old of lost) {
      expect(old.signal.aborted).toBe(true);
      await expect(old.commit(0, 'late')).rejects.toMatchObject({ code: 'FENCED' });
    }
    expect(kept?.epoch).toBeGreaterThan(lost[0]?.epoch ?? 0);
    await taken?.commit(0, 'mine');
    expect((await log.committed(group, spec.topic)).get(taken?.partition ?? 0)).toEqual({
      offset: 0,
      metadata: 'mine',
    });
    await second.close();
    await until('the first has both again', () => first.assignments.length === 5);
    await first.close();
    await other.close();
  });

  test('a batch in flight at a rebalance is dropped before its commit, and read again by whoever owns it', async () => {
    const spec = freshTopic(2);
    await log.ensureTopics([spec]);
    const group = 'g-flight';
    let holding: Assignment | undefined;
    const first = await read(log, group, [spec.topic], {
      take: async (_batch, assignment) => {
        if (holding) return undefined;
        holding = assignment;
        // An insert that ends only when its epoch does.
        await new Promise((resolve) => assignment.signal.addEventListener('abort', resolve, { once: true }));
        await assignment.commit(99, 'must not land');
        return undefined;
      },
    });
    await until('both partitions', () => first.assignments.length === 2);
    await log.append(records(spec.topic, 0, 3, 1));
    await until('a batch in flight', () => holding);
    const other = openLog(broker.brokers);
    const second = await read(other, group, [spec.topic]);
    await until('the records', () => first.records.length + second.records.length === 3);
    const commits = await until('idle', async () => {
      const commit = (await log.committed(group, spec.topic)).get(1);
      return commit?.metadata === '' && commit;
    });
    expect(commits).toEqual({ offset: 3, metadata: '' });
    await Promise.all([first.close(), second.close()]);
    expect(first.crashes).toEqual([]);
    await other.close();
  });

  test('a member holding a batch for longer than the session keeps its partition', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    await log.append(records(spec.topic, 0, 2));
    const slow = Date.now();
    const reader = await read(log, 'g-slow', [spec.topic], {
      take: async () => {
        await until('4 s', () => Date.now() - slow > 4_000);
        return undefined;
      },
    });
    await until('the batch', () => reader.records.length === 2);
    await until('idle', () => reader.idles.length === 1);
    expect(reader.assignments).toHaveLength(1);
    await reader.close();
  });

  test('after close nothing is in flight, the offset is committed, and the group is empty', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    await log.append(records(spec.topic, 0, 4));
    const reader = await read(log, 'g-close', [spec.topic], { idleMs: 60_000 });
    await until('the records', () => reader.records.length === 4);
    await reader.close();
    await reader.close();
    expect(await commitOf(log, 'g-close', spec.topic)).toEqual({ offset: 4, metadata: '' });
    await expect(reader.assignments[0]?.commit(0, 'late')).rejects.toMatchObject({ code: 'FENCED' });
    const early = await read(log, 'g-close', [spec.topic]);
    await early.close();
  });

  test('waits for topics that do not exist yet', async () => {
    const [now, later] = [freshTopic(), freshTopic()];
    const reader = await read(log, 'g-later', [now.topic, later.topic]);
    await log.ensureTopics([now]);
    await log.append(records(now.topic, 0, 2));
    await until('the first topic', () => reader.records.length === 2);
    await log.ensureTopics([later]);
    await log.append(records(later.topic, 2, 4));
    await until('the second topic', () => reader.records.length === 4);
    await reader.close();
    expect(texts(reader.records)).toEqual(values(0, 4));
  });

  test('an offset that retention removed is never reset silently: the partition is assigned anew', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    // One by one: a fetch of one byte then gives one record, and the next fetch meets the gap.
    for (let i = 0; i < 10; i += 1) await log.append(records(spec.topic, i, i + 1));
    const admin = createKafkaClient(settingsOf(broker.brokers), testLogger).admin();
    await admin.connect();
    await admin.fetchTopicOffsets(spec.topic);
    let cut = false;
    const reader = await read(log, 'g-gone', [spec.topic], {
      recordsMax: 4,
      bytesMax: 1,
      start: ({ logStart, committed }) => Math.max(logStart, committed?.offset ?? 0),
      take: async (batch, { signal }) => {
        if (batch.records[0]?.offset !== 0 || cut) return undefined;
        cut = true;
        await admin.deleteTopicRecords({ topic: spec.topic, partitions: [{ partition: 0, offset: '7' }] });
        expect(signal.aborted).toBe(false);
        return undefined;
      },
    });
    await until('the rest', () => reader.records.some(({ offset }) => offset === 9) || reader.crashes.length > 0);
    expect(reader.crashes).toEqual([]);
    await admin.disconnect();
    await reader.close();
    const last = reader.assignments.at(-1);
    expect(last?.logStart).toBe(7);
    expect(last?.committed?.offset).toBeLessThan(7);
    expect(reader.records.map(({ offset }) => offset).slice(-3)).toEqual([7, 8, 9]);
  });

  test('steps over aborted transactions and control records', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    const producer = createKafkaClient(settingsOf(broker.brokers), testLogger).producer({
      transactionalId: 'tx-1',
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    const send = async (text: string, isKept: boolean): Promise<void> => {
      const transaction = await producer.transaction();
      await transaction.send({ topic: spec.topic, messages: [{ value: text }] });
      await (isKept ? transaction.commit() : transaction.abort());
    };
    const reader = await read(log, 'g-tx', [spec.topic]);
    await until('assigned', () => reader.assignments.length === 1);
    for (let i = 0; i < 6; i += 1) await send(`tx${i}`, i % 2 === 0);
    await producer.disconnect();
    await until('all kept', () => reader.records.length >= 3);
    await log.append(records(spec.topic, 0, 1));
    await until('the plain one', () => reader.records.length >= 4);
    await reader.close();
    expect(texts(reader.records)).toEqual(['tx0', 'tx2', 'tx4', 'v0']);
  });

  test('a handler that throws something else than a TransportError is a crash', async () => {
    const spec = freshTopic();
    await log.ensureTopics([spec]);
    await log.append(records(spec.topic, 0, 1));
    const reader = await read(log, 'g-bug', [spec.topic], {
      take: async () => {
        throw new Error('a bug');
      },
    });
    await until('a crash', () => reader.crashes.length === 1);
    await reader.close();
    expect(await commitOf(log, 'g-bug', spec.topic)).toMatchObject({ offset: 0 });
  });

  test('two members in two processes: after SIGKILL of one the other reads everything', async () => {
    const spec = freshTopic(4);
    await log.ensureTopics([spec]);
    const group = 'g-kill';
    const reader = await read(log, group, [spec.topic]);
    await until('all partitions', () => reader.assignments.length === 4);
    child = fork(fileURLToPath(new URL('./member.ts', import.meta.url)), [
      JSON.stringify({ brokers: broker.brokers, group, topic: spec.topic }),
    ]);
    const killed = new Set<string>();
    child.on('message', (text) => killed.add(String(text)));
    await until('half of the partitions', () => reader.assignments.length === 6);
    const append = (prefix: string) =>
      log.append(
        Array.from({ length: 400 }, (_, i) => ({
          topic: spec.topic,
          key: `k${i}`,
          value: Buffer.from(`${prefix}${i}`),
        })),
      );
    await append('v');
    await until('both read', () => killed.size > 0 && new Set([...killed, ...texts(reader.records)]).size >= 400);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const killedAt = performance.now();
    await append('w');
    await until('takeover', () => reader.assignments.length === 10);
    console.log(`takeover after SIGKILL of a member: ${Math.round(performance.now() - killedAt)} ms`);
    const after = () => texts(reader.records).filter((text) => text.startsWith('w'));
    await until('all that was written after the kill', () => after().length >= 400);
    expect(new Set(after()).size).toBe(400);
    await reader.close();
  });
});
