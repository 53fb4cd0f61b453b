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
});
