import { expect, test } from 'vitest';
import { TransportError } from '../../services/runtime/errors.ts';
import { LEASE_MS } from '../../services/runtime/event-log/member.ts';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { joinGroup, type MemberSettings, record, topicSpec } from '../contract/event-log-fixture.ts';
import { createDice } from '../support/random.ts';
import { createScheduler } from './scheduler.ts';

const TOPIC = 'otlp_spans';

/** A member of a log that can be made to refuse everything. */
const startMember = async (onBatch?: MemberSettings['onBatch']) => {
  const dice = createDice(1);
  const scheduler = createScheduler(dice, () => {});
  let ids = 0;
  const log = createMemoryEventLog({
    clock: scheduler.clock,
    random: { uuid: () => `id-${++ids}`, float: dice.float },
  });
  await log.ensureTopics([topicSpec(TOPIC, 2)]);
  const state = { isAway: false };
  const client = log.openClient(async () => {
    if (state.isAway) throw new TransportError('LOG_FULL', 'database or disk is full', { retryable: true });
  });
  const pass = async (isOver: () => boolean, ms: number): Promise<void> => {
    const untilMs = scheduler.elapsedMs() + ms;
    while (!isOver() && scheduler.elapsedMs() < untilMs) await scheduler.step();
  };
  const options = { lingerMs: 100, idleMs: 100 };
  const member = await joinGroup(client, {
    group: 'tacho-normalizer',
    topics: [TOPIC],
    options,
    ...(onBatch && { onBatch }),
  });
  await pass(() => member.assignments.length === 2, 60_000);
  return { log, member, pass, state };
};

// A disk full for longer than a lease: nobody could take the partitions over, and their owner had fenced itself.
test('a log that took no heartbeat for longer than a lease is read on once it does, under a new epoch', async () => {
  const { log, member, pass, state } = await startMember();
  const before = member.assignments.map(({ epoch }) => epoch);

  state.isAway = true;
  await pass(() => false, LEASE_MS + 5_000);
  await log.append([record(TOPIC, 'one', { key: 'a' }), record(TOPIC, 'two', { key: 'b' })]);
  state.isAway = false;

  await pass(() => member.values.length === 2, 60_000);
  expect([...member.values].sort()).toEqual(['one', 'two']);
  const after = member.assignments.slice(2).map(({ epoch }) => epoch);
  expect(after).toHaveLength(2);
  expect(Math.min(...after)).toBeGreaterThan(Math.max(...before));
});

test('a partition that could not be released in time is claimed anew', async () => {
  let refusals = 0;
  const { log, member, pass, state } = await startMember(async () => {
    if (refusals > 0) return 'continue';
    refusals += 1;
    state.isAway = true;
    throw new TransportError('FENCED', 'the epoch is over', { retryable: false });
  });
  await log.append([record(TOPIC, 'one', { key: 'a' })]);
  await pass(() => refusals === 1, 60_000);
  await pass(() => false, 2_000);
  state.isAway = false;
  await pass(() => member.values.length === 1, 60_000);
  expect([member.values, member.crashes]).toEqual([['one'], []]);
});
