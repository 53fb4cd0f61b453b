import { expect, test } from 'vitest';
import { systemClock } from '../../services/runtime/clock.ts';
import type { Assignment, EventLog } from '../../services/runtime/ports.ts';
import { type ContractContext, codeOf, gate, joinGroup, record, text, topicSpec, until } from './event-log-fixture.ts';

/** Time given to an adapter to break a promise about what must not happen. */
const MUST_NOT_MS = 300;

/** Promises about several members of a group. */
export const describeGroups = (context: ContractContext): void => {
  const setUp = async (partitions = 2): Promise<{ topic: string; group: string; second: EventLog }> => {
    const [topic, group] = [context.unique('topic'), context.unique('group')];
    const { log, openSecond } = context.under();
    await log.ensureTopics([topicSpec(topic, partitions)]);
    const second = await openSecond();
    context.defer(second.close);
    return { topic, group, second };
  };
  const eventually = (what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> =>
    until(what, isTrue, context.deadlineMs);
  const feed = (topic: string, from: number, count: number): Promise<unknown> =>
    context
      .under()
      .log.append(Array.from({ length: count }, (_, n) => record(topic, `${from + n}`, { partition: (from + n) % 2 })));

  test('two groups each get every record', async () => {
    const { log } = context.under();
    const { topic, group } = await setUp();
    await feed(topic, 0, 10);
    const one = await joinGroup(log, { group, topics: [topic] });
    const two = await joinGroup(log, { group: context.unique('group'), topics: [topic] });
    context.defer(one.close);
    context.defer(two.close);
    await eventually('both read all', () => one.values.length >= 10 && two.values.length >= 10);
    expect([...one.values].sort()).toEqual([...two.values].sort());
  });

  test('two members share the partitions and each record is handled once', async () => {
    const { log } = context.under();
    const { topic, group, second } = await setUp();
    const one = await joinGroup(log, { group, topics: [topic], options: { recordsMax: 5 } });
    context.defer(one.close);
    await feed(topic, 0, 40);
    const two = await joinGroup(second, { group, topics: [topic], options: { recordsMax: 5 } });
    context.defer(two.close);
    await eventually('the newcomer gets a partition', () => two.assignments.length > 0);
    await feed(topic, 40, 40);
    await eventually('all records', () => one.values.length + two.values.length >= 80);
    expect([...one.values, ...two.values].map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 80 }, (_, n) => n),
    );
    expect(two.values.length).toBeGreaterThan(0);
    await two.close();
    await feed(topic, 80, 10);
    await eventually('the one left takes over', () => one.values.length + two.values.length >= 90);
    expect(new Set([...one.values, ...two.values]).size).toBe(90);
  });

  test("the loser's late commit is refused", async () => {
    const { log } = context.under();
    const { topic, group, second } = await setUp();
    await feed(topic, 0, 4);
    const held = new Map<number, Assignment>();
    const one = await joinGroup(log, {
      ...{ group, topics: [topic] },
      onBatch: async ({ partition }, assignment) => {
        if (!held.has(partition)) held.set(partition, assignment);
        return 'continue';
      },
    });
    context.defer(one.close);
    await eventually('both partitions begun', () => held.size === 2);
    const two = await joinGroup(second, { group, topics: [topic] });
    context.defer(two.close);
    await eventually('a partition moved and is committed by its new owner', () => two.values.length >= 2);
    const moved = two.assignments[0]?.partition ?? Number.NaN;
    const late = held.get(moved);
    expect(late?.signal.aborted).toBe(true);
    expect(await codeOf(late?.commit(1, 'late') ?? Promise.resolve())).toBe('FENCED');
    expect((await log.committed(group, topic)).get(moved)).toEqual({ offset: 2, metadata: '' });
    expect(two.assignments[0]?.epoch).toBeGreaterThan(0);
  });

  test('a batch in flight is finished and committed before its partition moves', async () => {
    const { log } = context.under();
    const { topic, group, second } = await setUp();
    await feed(topic, 0, 4);
    const mayEnd = gate();
    const history: string[] = [];
    const one = await joinGroup(log, {
      ...{ group, topics: [topic] },
      onBatch: async ({ partition, batch }, assignment) => {
        history.push(`begin ${partition}`);
        await mayEnd.opened;
        await assignment.commit((batch.records.at(-1)?.offset ?? 0) + 1, '');
        history.push(`committed ${partition}`);
        return 'continue';
      },
    });
    context.defer(one.close);
    await eventually('both partitions in flight', () => history.length === 2);
    const joining = joinGroup(second, {
      ...{ group, topics: [topic] },
      onAssigned: async ({ partition }) => void history.push(`moved ${partition}`),
    });
    await systemClock.sleep(MUST_NOT_MS);
    expect(history.filter((line) => line.startsWith('moved'))).toEqual([]);
    mayEnd.open();
    const two = await joining;
    context.defer(two.close);
    await eventually('a partition moved', () => history.some((line) => line.startsWith('moved')));
    const moved = two.assignments[0]?.partition ?? Number.NaN;
    expect(history.indexOf(`committed ${moved}`)).toBeGreaterThan(-1);
    expect(history.indexOf(`committed ${moved}`)).toBeLessThan(history.indexOf(`moved ${moved}`));
    expect([...one.crashes, ...two.crashes]).toEqual([]);
  });

  test('no two calls overlap for one partition, while members come and go', async () => {
    const { log } = context.under();
    const { topic, group, second } = await setUp();
    const active = new Map<number, number>();
    const handled: string[] = [];
    let overlaps = 0;
    const join = (client: EventLog) =>
      joinGroup(client, {
        ...{ group, topics: [topic], options: { recordsMax: 7, lingerMs: 0 } },
        onBatch: async ({ partition, batch }, assignment) => {
          active.set(partition, (active.get(partition) ?? 0) + 1);
          if ((active.get(partition) ?? 0) > 1) overlaps += 1;
          await systemClock.sleep(3);
          await assignment.commit((batch.records.at(-1)?.offset ?? 0) + 1, '');
          handled.push(...batch.records.map((r) => text(r.value)));
          active.set(partition, (active.get(partition) ?? 0) - 1);
          return 'continue';
        },
      });
    let fed = 0;
    const feedSome = async (): Promise<void> => {
      await feed(topic, fed, 50);
      fed += 50;
    };
    const stays = await join(log);
    context.defer(stays.close);
    for (let round = 0; round < 3; round += 1) {
      await feedSome();
      const guest = await join(second);
      await feedSome();
      await eventually('the guest works', () => guest.seen.length > 0 || handled.length >= fed);
      await guest.close();
      expect(guest.crashes).toEqual([]);
    }
    await eventually('all is handled', () => handled.length >= fed);
    expect(overlaps).toBe(0);
    expect(handled.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: fed }, (_, n) => n));
    expect(stays.crashes).toEqual([]);
  });

  test('order within a partition holds across a move', async () => {
    const { log } = context.under();
    const { topic, group, second } = await setUp();
    const order = new Map<number, number[]>();
    const join = (client: EventLog) =>
      joinGroup(client, {
        ...{ group, topics: [topic], options: { recordsMax: 3, lingerMs: 0 } },
        onBatch: async ({ partition, batch }, assignment) => {
          await assignment.commit((batch.records.at(-1)?.offset ?? 0) + 1, '');
          order.set(partition, [...(order.get(partition) ?? []), ...batch.records.map((r) => r.offset)]);
          return 'continue';
        },
      });
    const one = await join(log);
    context.defer(one.close);
    await feed(topic, 0, 100);
    const two = await join(second);
    context.defer(two.close);
    await feed(topic, 100, 100);
    await eventually('all records', () => [...order.values()].flat().length >= 200);
    const expected = Array.from({ length: 100 }, (_, n) => n);
    expect([order.get(0), order.get(1)]).toEqual([expected, expected]);
  });

  test('closing a client lets a batch in flight append what it makes, and commit', async () => {
    const { log, openSecond } = context.under();
    const { topic, group } = await setUp();
    const client = await openSecond();
    const [begun, mayEnd] = [gate(), gate()];
    const member = await joinGroup(client, {
      ...{ group, topics: [topic] },
      onBatch: async ({ batch, partition }, assignment) => {
        begun.open();
        await mayEnd.opened;
        await client.append([record(topic, 'made', { partition: 1 - partition })]);
        await assignment.commit((batch.records.at(-1)?.offset ?? 0) + 1, '');
        return 'continue';
      },
    });
    await log.append([record(topic, 'source', { partition: 0 })]);
    await begun.opened;
    const closing = client.close();
    mayEnd.open();
    await closing;
    expect(member.crashes).toEqual([]);
    expect((await log.committed(group, topic)).get(0)?.offset).toBe(1);
    expect((await log.ranges(topic)).map(({ end }) => end)).toEqual([1, 1]);
  });

  test('a client closed with members at work leaves its partitions to the others', async () => {
    const { log, openSecond } = context.under();
    const { topic, group } = await setUp();
    const leaver = await openSecond();
    const gone = await joinGroup(leaver, { group, topics: [topic] });
    await feed(topic, 0, 4);
    await eventually('the first member reads', () => gone.values.length === 4);
    const one = await joinGroup(log, { group, topics: [topic] });
    context.defer(one.close);
    await leaver.close();
    await feed(topic, 4, 4);
    await eventually('the rest', () => one.values.length + gone.values.length >= 8);
    expect(new Set([...one.values, ...gone.values]).size).toBe(8);
    expect(await codeOf(leaver.append([record(topic, 'x')]))).toBe('LOG_UNAVAILABLE');
  });
};
