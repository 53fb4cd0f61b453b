import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assignPartitions } from './assignor.ts';
import { EMPTY_GROUP, type GroupState, leaveGroup, ownsPartition, releasePartition, syncGroup } from './group-state.ts';

const PARTITIONS = 5;
const world = { partitionsOf: (topic: string) => (topic === 'spans' ? PARTITIONS : 0), isDead: () => false };
const request = (memberId: string, claim = true) => ({
  ...{ memberId, claim, leaseUntilMs: 0 },
  join: { topics: ['spans', 'missing'], process: null },
});
const join = (state: GroupState, id: string): GroupState => syncGroup(state, request(id), world).state;
const ownedBy = (state: GroupState, id: string): number => state.partitions.filter((row) => row.owner === id).length;

describe('a consumer group', () => {
  test('gives nothing to a newcomer before the former owner let go of it', () => {
    const two = join(join(EMPTY_GROUP, 'a'), 'b');
    expect([ownedBy(two, 'a'), ownedBy(two, 'b')]).toEqual([PARTITIONS, 0]);
    const moving = two.partitions.filter((row) => row.target === 'b');
    expect(moving).toHaveLength(2);
    const released = moving.reduce((state, row) => releasePartition(state, 'a', row), two);
    expect(ownedBy(join(released, 'b'), 'b')).toBe(2);
  });

  test('refuses the epoch of an earlier claim, also to the same member', () => {
    const first = join(EMPTY_GROUP, 'a');
    const [row] = first.partitions;
    if (row === undefined) throw new Error('no partition');
    const again = join(releasePartition(first, 'a', row), 'a');
    expect([ownsPartition(first, 'a', row), ownsPartition(again, 'a', row)]).toEqual([true, false]);
    expect(releasePartition(again, 'a', row)).toBe(again);
  });

  test('drops members whose lease is over, and tells them at their next heartbeat', () => {
    const two = join(join(EMPTY_GROUP, 'a'), 'b');
    const { state } = syncGroup(two, request('b'), { ...world, isDead: (member) => member.id === 'a' });
    expect(ownedBy(state, 'b')).toBe(PARTITIONS);
    expect(syncGroup(state, { ...request('a'), join: null }, world).view).toEqual({ kind: 'evicted' });
  });

  test('a heartbeat that changes nothing is no news to the others', () => {
    const state = join(EMPTY_GROUP, 'a');
    const after = syncGroup(state, { ...request('a'), leaseUntilMs: 99 }, world).state;
    expect(after.version).toBe(state.version);
    expect(after.members[0]?.leaseUntilMs).toBe(99);
  });

  test('a draining member claims nothing, a member that left owns nothing', () => {
    const drained = syncGroup(EMPTY_GROUP, request('a', false), world).state;
    expect(ownedBy(drained, 'a')).toBe(0);
    const left = leaveGroup(join(join(EMPTY_GROUP, 'a'), 'b'), new Set(['a']), world.partitionsOf);
    expect(left.partitions.filter((row) => row.owner !== null)).toEqual([]);
    expect(ownedBy(join(left, 'b'), 'b')).toBe(PARTITIONS);
  });

  test('whatever happens, a partition has one owner, epochs only grow, and it settles evenly', () => {
    const step = fc.record({
      kind: fc.constantFrom('sync', 'release', 'leave', 'evict'),
      id: fc.constantFrom('a', 'b', 'c', 'd'),
    });
    const apply = (state: GroupState, { kind, id }: { kind: string; id: string }): GroupState => {
      if (kind === 'sync') return join(state, id);
      if (kind === 'leave') return leaveGroup(state, new Set([id]), world.partitionsOf);
      if (kind === 'evict') {
        return syncGroup(state, request(id), { ...world, isDead: (member) => member.id > id }).state;
      }
      return state.partitions.reduce(
        (now, row) => (row.owner === id && row.target !== id ? releasePartition(now, id, row) : now),
        state,
      );
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state = EMPTY_GROUP;
        for (const one of steps) {
          const next = apply(state, one);
          assertLawful(state, next);
          state = next;
        }
        for (let round = 0; round < 3; round += 1) {
          for (const { id } of state.members)
            state = apply(apply(state, { kind: 'release', id }), { kind: 'sync', id });
        }
        const loads = state.members.map(({ id }) => ownedBy(state, id));
        expect(loads.reduce((a, b) => a + b, 0)).toBe(loads.length === 0 ? 0 : PARTITIONS);
        expect(Math.max(0, ...loads) - Math.min(PARTITIONS, ...loads)).toBeLessThanOrEqual(1);
      }),
    );
  });

  const hasMember = (state: GroupState, id: string | null): boolean => state.members.some((member) => member.id === id);
  const assertLawful = (before: GroupState, after: GroupState): void => {
    expect(after.epoch).toBeGreaterThanOrEqual(before.epoch);
    for (const row of after.partitions) {
      const old = before.partitions.find(({ partition }) => partition === row.partition);
      if (row.owner === null || row.owner === old?.owner) continue;
      expect(hasMember(after, row.owner)).toBe(true);
      expect(row.epoch).toBeGreaterThan(old?.epoch ?? 0);
      // In one step an owner changes only when the former one is gone from the group.
      expect(hasMember(after, old?.owner ?? null)).toBe(false);
    }
  };
});

describe('assignment', () => {
  const members = (...ids: string[]) => ids.map((id) => ({ id, topics: ['t'] }));
  const rows = (...currents: (string | null)[]) =>
    currents.map((current, partition) => ({ topic: 't', partition, current }));

  test('moves no more than balance needs', () => {
    expect(assignPartitions(rows('a', 'a', 'a', 'a'), members('a', 'b'))).toEqual(['a', 'a', 'b', 'b']);
    expect(assignPartitions(rows('a', 'b', 'a', 'b'), members('a', 'b', 'c')).filter((id) => id === 'c')).toHaveLength(
      1,
    );
    expect(assignPartitions(rows('a', 'a', 'b'), members('a', 'b'))).toEqual(['a', 'a', 'b']);
  });

  test('gives a topic only to its subscribers, and to nobody when there is none', () => {
    const mixed = [
      { topic: 't', partition: 0, current: 'gone' },
      { topic: 'u', partition: 0, current: null },
      { topic: 'v', partition: 0, current: 'a' },
    ];
    const subscribers = [
      { id: 'a', topics: ['t'] },
      { id: 'b', topics: ['u', 't'] },
    ];
    expect(assignPartitions(mixed, subscribers)).toEqual(['a', 'b', null]);
  });
});
