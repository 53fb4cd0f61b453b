import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { openSqliteEventLog, type SqliteLogOptions } from '../../services/runtime/event-log/sqlite.ts';
import type { EventLog } from '../../services/runtime/ports.ts';
import { joinGroup, quietLogger, record, text, topicSpec, until } from './event-log-fixture.ts';

const TOPIC = 'otlp_spans';
const GROUP = 'tacho-normalizer';
let folder = '';
let logs: EventLog[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tacho-limits-'));
});
afterEach(async () => {
  for (const log of logs) await log.close();
  logs = [];
  await rm(folder, { recursive: true, force: true });
});

const open = async (more: Partial<SqliteLogOptions> = {}): Promise<EventLog> => {
  const world = { clock: systemClock, random: systemRandom, logger: quietLogger };
  const log = await openSqliteEventLog({ path: join(folder, 'log.sqlite'), ...world, ...more });
  logs.push(log);
  return log;
};

const allValues = async (log: EventLog): Promise<string[]> => {
  const count = (await log.ranges(TOPIC)).reduce((sum, { start, end }) => sum + end - start, 0);
  const reader = await joinGroup(log, { group: systemRandom.uuid(), topics: [TOPIC], options: { recordsMax: 1_000 } });
  await until('everything is read', () => reader.values.length >= count);
  await reader.close();
  return reader.seen.flatMap(({ partition, batch }) =>
    batch.records.map((one) => `${text(one.value)} ${partition} ${one.offset}`),
  );
};

describe('what a sqlite log keeps, by size and by age', () => {
  test('full of unread records it refuses, retryably; what is consumed makes room', async () => {
    const log = await open({ maxBytes: 1_000_000 });
    await log.ensureTopics([topicSpec(TOPIC, 1)]);
    const value = new Uint8Array(100_000);
    const one = () => log.append([{ topic: TOPIC, key: null, value }]);
    for (let n = 0; n < 9; n += 1) await one();
    await expect(one()).rejects.toMatchObject({ code: 'LOG_FULL', retryable: true });
    expect(await log.ranges(TOPIC)).toEqual([{ partition: 0, start: 0, end: 9 }]);
    const member = await joinGroup(log, { group: GROUP, topics: [TOPIC] });
    await until('it is consumed', () => member.values.length === 9);
    await one();
    await until('the new one is consumed', () => member.values.length === 10);
    const [range] = await log.ranges(TOPIC);
    expect(range?.end).toBe(10);
    expect(range?.start).toBeGreaterThan(0);
  });

  test('a full log still takes what services make of it: unwritten, nothing could ever be freed', async () => {
    const STEPS = 'agent_steps';
    const log = await open({ maxBytes: 1_000_000, boundedTopics: [TOPIC] });
    await log.ensureTopics([topicSpec(TOPIC, 1), topicSpec(STEPS, 1)]);
    const value = new Uint8Array(100_000).fill(7);
    const append = (topic: string) => log.append([{ topic, key: null, value }]);
    for (let n = 0; n < 9; n += 1) await append(TOPIC);
    await expect(append(TOPIC)).rejects.toMatchObject({ code: 'LOG_FULL', retryable: true });
    for (let n = 0; n < 5; n += 1) await append(STEPS);
    const member = await joinGroup(log, { group: GROUP, topics: [TOPIC, STEPS] });
    await until('all is consumed', () => member.values.length === 14);
    await append(TOPIC);
    await until('the new one is consumed', () => member.values.length === 15);
  });

  test('a retention that was changed counts for topics that are there already', async () => {
    let nowMs = 1_800_000_000_000;
    const sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 20), signal);
    const log = await open({ clock: { nowMs: () => nowMs, sleep } });
    const keep = (retentionMs: number) => log.ensureTopics([{ ...topicSpec(TOPIC, 1), retentionMs }]);
    await keep(60_000);
    await log.append([record(TOPIC, 'one')]);
    await keep(3_600_000);
    nowMs += 120_000;
    await log.append([record(TOPIC, 'two')]);
    // Long enough for many looks of the retention: the first record would be gone by the second of them.
    for (let n = 0; n < 20; n += 1) await systemClock.sleep(20);
    expect((await log.ranges(TOPIC))[0]?.start).toBe(0);
    await keep(60_000);
    await until('the old one is gone', async () => (await log.ranges(TOPIC))[0]?.start === 1);
  });

  test('records older than the retention go, and the range moves', async () => {
    let nowMs = 1_800_000_000_000;
    const clock = { ...systemClock, nowMs: () => nowMs };
    const sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 20), signal);
    const log = await open({ clock: { ...clock, sleep } });
    await log.ensureTopics([{ ...topicSpec(TOPIC, 1), retentionMs: 60_000 }]);
    await log.append(Array.from({ length: 1_200 }, (_, n) => record(TOPIC, `${n}`)));
    nowMs += 30_000;
    await log.append([record(TOPIC, 'young')]);
    nowMs += 40_000;
    await until('the old ones are gone', async () => (await log.ranges(TOPIC))[0]?.start === 1_200);
    // Another client: this one's clock stands still.
    expect(await allValues(await open())).toEqual(['young 0 1200']);
  });

  /** The machine's clock, as wrong as a test wants it; looks come quickly. */
  const wrongClock = () => {
    let wrongMs = 0;
    const nowMs = (): number => systemClock.nowMs() + wrongMs;
    const sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 20), signal);
    const jump = (ms: number): void => {
      wrongMs += ms;
    };
    return { clock: { nowMs, sleep }, jump };
  };
  const READ_LATER = ['agent_steps', 'agent_steps.dlq'] as const;

  test('age spares what a reader has not read, however long it is away or far the clock jumps; not what nobody reads', async () => {
    const { clock, jump } = wrongClock();
    const log = await open({ clock });
    const [STEPS, UNREAD] = READ_LATER;
    await log.ensureTopics([STEPS, UNREAD].map((topic) => ({ ...topicSpec(topic, 1), retentionMs: 60_000 })));
    const first = await joinGroup(log, { group: GROUP, topics: [STEPS] });
    await log.append([record(STEPS, 'read')]);
    await until('it is read', () => first.values.length === 1);
    await until('and committed', async () => (await log.committed(GROUP, STEPS)).get(0)?.offset === 1);
    await first.close();
    await log.append([record(STEPS, 'unread'), record(UNREAD, 'letter')]);
    jump(30 * 60_000);
    await until('what nobody reads is gone', async () => (await log.ranges(UNREAD))[0]?.start === 1);
    expect(await log.ranges(STEPS)).toEqual([{ partition: 0, start: 1, end: 2 }]);
    const second = await joinGroup(log, { group: GROUP, topics: [STEPS] });
    await until('the reader is back', () => second.values.length === 1);
    expect(second.values).toEqual(['unread']);
    await until('what was read is gone', async () => (await log.ranges(STEPS))[0]?.start === 2);
  });

  test('a group that never comes back keeps nothing for ever', async () => {
    const { clock, jump } = wrongClock();
    const log = await open({ clock });
    await log.ensureTopics([{ ...topicSpec(TOPIC, 1), retentionMs: 60_000 }]);
    const member = await joinGroup(log, { group: GROUP, topics: [TOPIC] });
    await log.append([record(TOPIC, 'read')]);
    await until('it is committed', async () => (await log.committed(GROUP, TOPIC)).get(0)?.offset === 1);
    await member.close();
    await log.append([record(TOPIC, 'unread')]);
    jump(50 * 60_000);
    await until('what was read is gone', async () => (await log.ranges(TOPIC))[0]?.start === 1);
    for (let n = 0; n < 20; n += 1) await systemClock.sleep(20);
    expect((await log.ranges(TOPIC))[0]?.start).toBe(1);
    // The hour counts from when it was last looked for, which on a quick disk may be after the first jump.
    jump(70 * 60_000);
    await until('all is gone', async () => (await log.ranges(TOPIC))[0]?.start === 2);
  });

  test('a clock that jumps ahead by a day and back again under two members loses and doubles nothing', async () => {
    const { clock, jump } = wrongClock();
    const DAY_MS = 86_400_000;
    const log = await open({ clock });
    await log.ensureTopics([{ ...topicSpec(TOPIC, 2), retentionMs: 3_600_000 }]);
    const members = [
      await joinGroup(log, { group: GROUP, topics: [TOPIC] }),
      await joinGroup(log, { group: GROUP, topics: [TOPIC] }),
    ];
    const wanted: string[] = [];
    for (const [round, by] of [0, DAY_MS, -DAY_MS, -DAY_MS, DAY_MS].entries()) {
      jump(by);
      for (let n = 0; n < 40; n += 1) {
        wanted.push(`${round}-${n}`);
        await log.append([record(TOPIC, `${round}-${n}`)]);
      }
      await until('all is committed', async () => {
        const committed = await log.committed(GROUP, TOPIC);
        const ranges = await log.ranges(TOPIC);
        return ranges.every(({ partition, end }) => end === 0 || committed.get(partition)?.offset === end);
      });
    }
    // A batch cut off between its reading and its commit is read again: never lost, and committed once.
    const read = new Set(members.flatMap(({ values }) => values));
    expect([...read].sort()).toEqual(wanted.sort());
    const stamps = members.flatMap(({ seen }) =>
      seen.map(({ partition, batch }) => ({ partition, ms: batch.records.map((one) => one.timestampMs) })),
    );
    for (const { ms } of stamps) expect(ms).toEqual(ms.toSorted((a, b) => a - b));
  });
});
