import { describe, expect, test } from 'vitest';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { joinGroup, record, topicSpec } from '../contract/event-log-fixture.ts';
import { createDice } from '../support/random.ts';
import { createScheduler, type Scheduler, settled } from './scheduler.ts';

const TOPIC = 'otlp_spans';
const DAY_MS = 86_400_000;
const WAIT_MS = 1_000;

/** Lets the world go on until something is true, for so much of its own time at most; how much it took. */
const passUntil = async (scheduler: Scheduler, isTrue: () => boolean, ms: number): Promise<number> => {
  const beganMs = scheduler.elapsedMs();
  while (!isTrue() && scheduler.elapsedMs() - beganMs < ms) await scheduler.step();
  return scheduler.elapsedMs() - beganMs;
};

/** A member of a log on a clock that can be set, with a record that waits for others to fill its batch. */
const startMember = async () => {
  const dice = createDice(1);
  const scheduler = createScheduler(dice, () => {});
  let ids = 0;
  const random = { uuid: () => `id-${++ids}`, float: dice.float };
  const log = createMemoryEventLog({ clock: scheduler.clock, random });
  await log.ensureTopics([topicSpec(TOPIC, 1)]);
  const options = { lingerMs: WAIT_MS, idleMs: WAIT_MS };
  const member = await joinGroup(log, { group: 'tacho-normalizer', topics: [TOPIC], options });
  await passUntil(scheduler, () => member.assignments.length > 0, 10_000);
  await log.append([record(TOPIC, 'one')]);
  await settled();
  expect(member.values).toEqual([]);
  return { scheduler, member };
};

describe('a clock that is set back', () => {
  test('holds no batch longer than it lingers', async () => {
    const { scheduler, member } = await startMember();
    scheduler.jump(-DAY_MS);
    expect(await passUntil(scheduler, () => member.values.length > 0, DAY_MS)).toBeLessThanOrEqual(2 * WAIT_MS);
  });

  test('keeps nobody from saying that a partition is idle', async () => {
    const { scheduler, member } = await startMember();
    await passUntil(scheduler, () => member.values.length > 0, 10_000);
    scheduler.jump(-DAY_MS);
    expect(await passUntil(scheduler, () => member.idles.length > 0, DAY_MS)).toBeLessThanOrEqual(6 * WAIT_MS);
  });
});
