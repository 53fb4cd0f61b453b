import { expect, test } from 'vitest';
import { TransportError } from '../../services/runtime/errors.ts';
import { type ContractContext, codeOf, gate, joinGroup, record, text, topicSpec, until } from './event-log-fixture.ts';

const numbered = (topic: string, from: number, count: number, partition = 0) =>
  Array.from({ length: count }, (_, n) => record(topic, `${from + n}`, { partition }));
const values = (from: number, count: number): string[] => Array.from({ length: count }, (_, n) => `${from + n}`);

/** Promises about one member of a group. */
export const describeConsume = (context: ContractContext): void => {
  const setUp = async (partitions = 1): Promise<{ topic: string; group: string }> => {
    const [topic, group] = [context.unique('topic'), context.unique('group')];
    await context.under().log.ensureTopics([topicSpec(topic, partitions)]);
    return { topic, group };
  };
  const eventually = (what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> =>
    until(what, isTrue, context.deadlineMs);

  test('an assignment tells the truth about the partition', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 3));
    const member = await joinGroup(log, { group, topics: [topic] });
    context.defer(member.close);
    await eventually('the assignment', () => member.assignments.length > 0);
    expect(member.assignments[0]).toMatchObject({ topic, partition: 0, committed: null, logStart: 0, logEnd: 3 });
    expect(member.assignments[0]?.logId).toBe(await log.logId(topic));
    expect(member.assignments[0]?.signal.aborted).toBe(false);
  });

  test('a commit comes back with its metadata, and the next member goes on from it', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 5));
    const metadata = '{"v":1,"end":5,"ü":"x"}';
    const first = await joinGroup(log, {
      ...{ group, topics: [topic], options: { recordsMax: 2, lingerMs: 0 } },
      onBatch: async (_seen, assignment) => {
        await assignment.commit(2, metadata);
        return 'stop';
      },
    });
    await eventually('the commit', async () => (await log.committed(group, topic)).get(0)?.offset === 2);
    expect((await log.committed(group, topic)).get(0)).toEqual({ offset: 2, metadata });
    expect((await log.committed(context.unique('nobody'), topic)).size).toBe(0);
    await first.close();
    const second = await joinGroup(log, { group, topics: [topic] });
    context.defer(second.close);
    await eventually('the rest', () => second.values.length >= 3);
    expect(second.assignments[0]?.committed).toEqual({ offset: 2, metadata });
    expect(second.values).toEqual(values(2, 3));
  });

  test.each([
    ['before', 1],
    ['after', 4],
  ])('reading begins at startOffset, %s the committed offset', async (_where, startOffset) => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 6));
    const first = await joinGroup(log, {
      ...{ group, topics: [topic], options: { recordsMax: 2, lingerMs: 0 } },
      onBatch: async (_seen, assignment) => {
        await assignment.commit(2, '');
        return 'stop';
      },
    });
    await eventually('the commit', async () => (await log.committed(group, topic)).get(0)?.offset === 2);
    await first.close();
    const second = await joinGroup(log, { group, topics: [topic], startOffset: () => startOffset });
    context.defer(second.close);
    await eventually('the records', () => second.values.length >= 6 - startOffset);
    expect(second.values).toEqual(values(startOffset, 6 - startOffset));
    expect(second.seen[0]?.batch.records[0]?.offset).toBe(startOffset);
  });

  test('batches keep the limits of records and bytes, and none is empty', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 25));
    const big = Array.from({ length: 8 }, () => ({ topic, key: null, partition: 0, value: new Uint8Array(30_000) }));
    await log.append(big);
    const member = await joinGroup(log, {
      ...{ group, topics: [topic] },
      options: { recordsMax: 10, bytesMax: 100_000, lingerMs: 200 },
    });
    context.defer(member.close);
    await eventually('all records', () => member.values.length >= 33);
    for (const { batch } of member.seen) {
      const size = batch.records.reduce((sum, r) => sum + r.value.length, 0);
      expect(batch.records.length).toBeGreaterThan(0);
      expect(batch.records.length).toBeLessThanOrEqual(10);
      expect(size).toBeLessThanOrEqual(100_000);
      expect(batch.logEnd).toBeGreaterThan(batch.records.at(-1)?.offset ?? Number.NaN);
    }
    const offsets = member.seen.flatMap(({ batch }) => batch.records.map((r) => r.offset));
    expect(offsets).toEqual(Array.from({ length: 33 }, (_, n) => n));
  });

  test('records appended while a member waits reach it', async () => {
    const { log, openSecond } = context.under();
    const { topic, group } = await setUp(2);
    const member = await joinGroup(log, { group, topics: [topic] });
    context.defer(member.close);
    const other = await openSecond();
    context.defer(other.close);
    for (let n = 0; n < 10; n += 1) await (n % 2 === 0 ? log : other).append([record(topic, `${n}`, { key: `${n}` })]);
    await eventually('all records', () => member.values.length >= 10);
    expect([...member.values].sort()).toEqual(values(0, 10));
  });

  test('onIdle comes once after the last batch, and again only after another one', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 3));
    const member = await joinGroup(log, {
      ...{ group, topics: [topic] },
      onIdle: (assignment) => assignment.commit(3, ''),
    });
    context.defer(member.close);
    await eventually('idle', () => member.idles.length === 1);
    expect((await log.committed(group, topic)).get(0)).toEqual({ offset: 3, metadata: '' });
    await log.append(numbered(topic, 3, 1));
    await eventually('idle again', () => member.idles.length === 2);
    expect(member.values).toEqual(values(0, 4));
  });

  test('onIdle comes again and again while the consumer waits with what it was handed, and then no more', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 1));
    let looks = 0;
    const member = await joinGroup(log, {
      ...{ group, topics: [topic] },
      onBatch: async () => 'continue',
      onIdle: async () => {
        looks += 1;
      },
      isWaiting: () => looks < 3,
    });
    context.defer(member.close);
    await eventually('told three times', () => looks === 3);
    await log.append(numbered(topic, 1, 1));
    await eventually('told once more, after another record', () => looks === 4);
    expect(member.seen.length).toBe(2);
    expect(looks).toBe(4);
  });

  test("'stop' stops that partition alone", async () => {
    const { log } = context.under();
    const { topic, group } = await setUp(2);
    await log.append([...numbered(topic, 0, 4, 0), ...numbered(topic, 100, 4, 1)]);
    const member = await joinGroup(log, {
      ...{ group, topics: [topic], options: { recordsMax: 1, lingerMs: 0 } },
      onBatch: async ({ partition, batch }, assignment) => {
        if (partition === 0) return 'stop';
        await assignment.commit((batch.records[0]?.offset ?? 0) + 1, '');
        return 'continue';
      },
    });
    context.defer(member.close);
    await eventually('the other partition is read', () => member.values.filter((v) => v >= '100').length >= 4);
    await log.append([...numbered(topic, 4, 1, 0), ...numbered(topic, 104, 1, 1)]);
    await eventually('the other partition goes on', () => member.values.includes('104'));
    expect(member.seen.filter(({ partition }) => partition === 0)).toHaveLength(1);
    expect(member.crashes).toEqual([]);
  });

  test('close lets the batch in flight finish and commit, says idle, and is idempotent', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 2));
    const [begun, mayEnd] = [gate(), gate()];
    const member = await joinGroup(log, {
      ...{ group, topics: [topic], options: { idleMs: 60_000 } },
      onBatch: async (_seen, assignment) => {
        begun.open();
        await mayEnd.opened;
        await assignment.commit(2, 'in flight');
        return 'continue';
      },
    });
    await begun.opened;
    const closings = [member.close(), member.close()];
    mayEnd.open();
    await Promise.all(closings);
    expect(member.values).toEqual(values(0, 2));
    expect(member.idles).toEqual([0]);
    expect((await log.committed(group, topic)).get(0)).toEqual({ offset: 2, metadata: 'in flight' });
    expect(member.crashes).toEqual([]);
    expect(member.assignments[0]?.signal.aborted).toBe(true);
    expect(await codeOf(member.assignments[0]?.commit(2, 'late') ?? Promise.resolve())).toBe('FENCED');
  });

  test('a bug in a handler reaches onCrash, and the partition is not delivered on', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 3));
    const member = await joinGroup(log, {
      ...{ group, topics: [topic], options: { recordsMax: 1, lingerMs: 0 } },
      onBatch: async () => {
        throw new Error('a bug');
      },
    });
    context.defer(member.close);
    await eventually('the crash', () => member.crashes.length > 0);
    expect(member.crashes).toEqual([expect.objectContaining({ message: 'a bug' })]);
    await member.close();
    expect(member.seen).toHaveLength(1);
    expect((await log.committed(group, topic)).size).toBe(0);
  });

  test('a store that is not ready delays the assignment, it does not end it', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 1));
    let refusals = 2;
    const member = await joinGroup(log, {
      ...{ group, topics: [topic] },
      onAssigned: async () => {
        refusals -= 1;
        if (refusals >= 0) throw new TransportError('STORE_UNAVAILABLE', 'starting', { retryable: true });
      },
    });
    context.defer(member.close);
    await eventually('the record', () => member.values.length === 1);
    expect(member.crashes).toEqual([]);
  });

  test('a handler that reports FENCED is assigned anew and reads from what is committed', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await log.append(numbered(topic, 0, 4));
    const handled: string[] = [];
    const member = await joinGroup(log, {
      ...{ group, topics: [topic], options: { recordsMax: 2, lingerMs: 0 } },
      onBatch: async ({ batch }, assignment) => {
        if (member.assignments.length === 1 && handled.length > 0) {
          throw new TransportError('FENCED', 'says the handler', { retryable: false });
        }
        handled.push(...batch.records.map((r) => text(r.value)));
        await assignment.commit((batch.records.at(-1)?.offset ?? 0) + 1, '');
        return 'continue';
      },
    });
    context.defer(member.close);
    await eventually('all records', () => handled.length >= 4);
    expect(handled).toEqual(values(0, 4));
    expect(member.assignments[1]?.epoch).toBeGreaterThan(member.assignments[0]?.epoch ?? Number.NaN);
    expect(member.crashes).toEqual([]);
  });

  test('a topic created later is picked up; consuming creates none', async () => {
    const { log } = context.under();
    const [topic, group] = [context.unique('later'), context.unique('group')];
    const { topic: present } = await setUp();
    const member = await joinGroup(log, { group, topics: [present, topic] });
    context.defer(member.close);
    await log.append(numbered(present, 0, 1));
    await eventually('the present topic is read', () => member.values.length === 1);
    expect(await log.ranges(topic)).toEqual([]);
    await log.ensureTopics([topicSpec(topic, 1)]);
    await log.append(numbered(topic, 7, 1));
    await eventually('the later topic is read', () => member.values.includes('7'));
    expect(member.crashes).toEqual([]);
  });
};
