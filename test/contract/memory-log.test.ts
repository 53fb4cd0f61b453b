import { describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMemoryEventLog, type MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { Assignment } from '../../services/runtime/ports.ts';
import { codeOf, joinGroup, record, topicSpec, until } from './event-log-fixture.ts';

const TOPIC = 'otlp_spans';
const GROUP = 'tacho-normalizer';
const open = async (): Promise<MemoryEventLog> => {
  const log = createMemoryEventLog({ clock: systemClock, random: systemRandom });
  await log.ensureTopics([topicSpec(TOPIC, 1)]);
  return log;
};

describe('faults of the memory log', () => {
  test('an evicted member is told by its signal, its commit is refused, and it is assigned anew', async () => {
    const log = await open();
    const held: Assignment[] = [];
    const member = await joinGroup(log, { group: GROUP, topics: [TOPIC], onAssigned: async (a) => void held.push(a) });
    await until('assigned', () => held.length === 1);
    log.faults.evictMembers(GROUP);
    expect(await codeOf(held[0]?.commit(0, '') ?? Promise.resolve())).toBe('FENCED');
    await until('assigned anew', () => held.length === 2);
    expect(held[0]?.signal.aborted).toBe(true);
    await log.append([record(TOPIC, 'after')]);
    await until('it reads on', () => member.values.length === 1);
    await log.close();
  });

  test('a crashed client has no effect any more, and others take over at once', async () => {
    const log = await open();
    const doomed = log.openClient();
    const held: Assignment[] = [];
    await joinGroup(doomed, { group: GROUP, topics: [TOPIC], onAssigned: async (a) => void held.push(a) });
    await until('assigned', () => held.length === 1);
    const heir = await joinGroup(log, { group: GROUP, topics: [TOPIC] });
    doomed.crash();
    await until('the heir has it', () => heir.assignments.length === 1);
    expect(held[0]?.signal.aborted).toBe(true);
    expect(await codeOf(doomed.append([record(TOPIC, 'ghost')]))).toBe('LOG_UNAVAILABLE');
    await log.append([record(TOPIC, 'real')]);
    await until('the heir reads', () => heir.values.length === 1);
    await log.close();
  });

  test('retention past the reader: nothing is skipped silently, the partition is assigned anew with its new start', async () => {
    const log = await open();
    const member = await joinGroup(log, {
      ...{ group: GROUP, topics: [TOPIC], options: { recordsMax: 1, lingerMs: 0 } },
      onBatch: async ({ batch }, assignment) => {
        if (batch.records[0]?.offset === 0) log.faults.trim(TOPIC, 0, 3);
        await assignment.commit((batch.records[0]?.offset ?? 0) + 1, '');
        return 'continue';
      },
      startOffset: ({ committed, logStart }) => Math.max(committed?.offset ?? 0, logStart),
    });
    await log.append(Array.from({ length: 5 }, (_, n) => record(TOPIC, `${n}`)));
    await until('the rest is read', () => member.values.length === 3);
    expect(member.values).toEqual(['0', '3', '4']);
    expect(member.assignments.map(({ committed, logStart }) => [committed?.offset, logStart])).toEqual([
      [undefined, 0],
      [1, 3],
    ]);
    await log.close();
  });

  test('lost offsets and a remade topic are what the next assignment tells', async () => {
    const log = await open();
    await log.append([record(TOPIC, 'old')]);
    const first = await joinGroup(log, { group: GROUP, topics: [TOPIC] });
    await until('read', () => first.values.length === 1);
    await first.close();
    log.faults.loseOffsets(GROUP);
    log.faults.remakeTopic(TOPIC);
    const second = await joinGroup(log, { group: GROUP, topics: [TOPIC] });
    await until('assigned', () => second.assignments.length === 1);
    expect(second.assignments[0]).toMatchObject({ committed: null, logStart: 0, logEnd: 0 });
    expect(second.assignments[0]?.logId).not.toBe(first.assignments[0]?.logId);
    await log.close();
  });
});
