import { assert, TransportError } from '../errors.ts';
import type { Clock, Commit, EventLog, OutgoingRecord, Random, RecordPosition } from '../ports.ts';
import type { Claim, LogBackend } from './backend.ts';
import { EMPTY_GROUP, type GroupState, leaveGroup, ownsPartition, releasePartition, syncGroup } from './group-state.ts';
import { type RunningMember, startMember } from './member.ts';
import { createMemoryTopics, type MemoryTopics } from './memory-topics.ts';
import { createListeners, type Listeners } from './waker.ts';

/** What can go wrong with a log, on demand: for the fault simulation and the contract suite. */
export interface MemoryFaults {
  /** Every member of the group is taken for dead, as after a long pause: epochs die, then the members join anew. */
  readonly evictMembers: (group: string) => void;
  /** The group's committed offsets are gone. */
  readonly loseOffsets: (group: string) => void;
  /** The topic was deleted and created again: empty, with a new log_id; offsets start at 0. */
  readonly remakeTopic: (topic: string) => void;
  /** Retention removed everything before `offset`. */
  readonly trim: (topic: string, partition: number, offset: number) => void;
  /** A person moves the group's offset, as one does who has seen a gap: plain, without an intent. */
  readonly moveOffset: (group: string, topic: string, partition: number, offset: number) => void;
  /** The topic gets more partitions, empty ones. */
  readonly addPartitions: (topic: string, count: number) => void;
}

/** Resolves when an answer may be given; throws TransportError LOG_UNAVAILABLE when there is none. */
export type Turn = () => Promise<void>;

/** The log in memory, plus what only a simulation may do. */
export interface MemoryEventLog extends EventLog {
  /**
   * Another client (process) of the same log. Closing it leaves the others at work. `turn`: decides when each of its
   * requests takes effect, so that a simulation can hold one back while others overtake it.
   */
  readonly openClient: (turn?: Turn) => MemoryEventLog;
  /** The client's process dies at once: nothing of it has any effect from here on, its members are gone. */
  readonly crash: () => void;
  readonly faults: MemoryFaults;
}

interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly topics: MemoryTopics;
  readonly groups: Map<string, GroupState>;
  readonly commits: Map<string, Map<string, Commit>>;
  readonly groupChanges: Listeners;
}

const placeKey = (topic: string, partition: number): string => `${partition}/${topic}`;

const changeGroup = (world: World, group: string, change: (state: GroupState) => GroupState): void => {
  const before = world.groups.get(group) ?? EMPTY_GROUP;
  const after = change(before);
  world.groups.set(group, after);
  if (after.version !== before.version) world.groupChanges.call(group);
};

const createFaults = (world: World): MemoryFaults => ({
  evictMembers: (group) =>
    changeGroup(world, group, (state) =>
      leaveGroup(state, new Set(state.members.map((member) => member.id)), world.topics.partitionsOf),
    ),
  loseOffsets: (group) => void world.commits.delete(group),
  remakeTopic: world.topics.remake,
  trim: world.topics.trim,
  moveOffset: (group, topic, partition, offset) => {
    const ofGroup = world.commits.get(group) ?? new Map<string, Commit>();
    world.commits.set(group, ofGroup.set(placeKey(topic, partition), { offset, metadata: '' }));
  },
  addPartitions: world.topics.grow,
});

const createBackend = (world: World, isDown: () => boolean, ownMembers: Set<string>, turn: Turn): LogBackend => {
  const { topics } = world;
  const reach = async (): Promise<void> => {
    await turn();
    if (isDown()) throw new TransportError('LOG_UNAVAILABLE', 'this client is closed', { retryable: true });
  };
  const stateOf = (group: string): GroupState => world.groups.get(group) ?? EMPTY_GROUP;
  return {
    clock: world.clock,
    logger: null,
    newMemberId: () => {
      const id = world.random.uuid();
      ownMembers.add(id);
      return id;
    },
    sync: async (group, memberId, join, claim) => {
      await reach();
      const request = { memberId, join: join && { topics: join, process: null }, claim, leaseUntilMs: 0 };
      const result = syncGroup(stateOf(group), request, { partitionsOf: topics.partitionsOf, isDead: () => false });
      changeGroup(world, group, () => result.state);
      return result.view;
    },
    release: async (claim) => {
      await reach();
      changeGroup(world, claim.group, (state) => releasePartition(state, claim.memberId, claim));
    },
    leave: async (group, memberId) => {
      await reach();
      changeGroup(world, group, (state) => leaveGroup(state, new Set([memberId]), topics.partitionsOf));
    },
    commit: async (claim: Claim, commit) => {
      await reach();
      if (!ownsPartition(stateOf(claim.group), claim.memberId, claim)) {
        throw new TransportError('FENCED', 'commit of a dead epoch', { retryable: false });
      }
      const ofGroup = world.commits.get(claim.group) ?? new Map<string, Commit>();
      world.commits.set(claim.group, ofGroup.set(placeKey(claim.topic, claim.partition), commit));
    },
    facts: async (group, topic, partition) => {
      await reach();
      const committed = world.commits.get(group)?.get(placeKey(topic, partition)) ?? null;
      return { logId: topics.logId(topic), committed, ...topics.bounds(topic, partition) };
    },
    read: async (topic, partition, offset, limits) => {
      await reach();
      return topics.read(topic, partition, offset, limits);
    },
    endKnown: (topic, partition) => topics.bounds(topic, partition).logEnd,
    onGrowth: (topic, partition, wake) => topics.growth.add(placeKey(topic, partition), wake),
    onGroupChange: world.groupChanges.add,
  };
};

/** Every answer takes a turn of the event loop's microtasks, as any other log's would. */
const nextMicrotask: Turn = () => Promise.resolve();

const openClient = (world: World, turn: Turn = nextMicrotask): MemoryEventLog => {
  let isDown = false;
  const ownMembers = new Set<string>();
  const members = new Set<RunningMember>();
  const backend = createBackend(world, () => isDown, ownMembers, turn);
  const assertUp = (): void => {
    if (isDown) throw new TransportError('LOG_UNAVAILABLE', 'the log is closed', { retryable: true });
  };
  const append = async (
    records: readonly OutgoingRecord[],
    signal?: AbortSignal,
  ): Promise<readonly RecordPosition[]> => {
    await turn();
    assertUp();
    if (signal?.aborted) throw new TransportError('ABORTED', 'append was aborted', { retryable: false });
    return world.topics.append(records);
  };
  const close = async (): Promise<void> => {
    await Promise.all([...members].map((member) => member.close()));
    isDown = true;
  };
  let closing: Promise<void> | null = null;
  return {
    kind: 'memory',
    ensureTopics: async (specs) => {
      assertUp();
      for (const spec of specs) world.topics.create(spec);
    },
    append,
    consume: async (options) => {
      assertUp();
      const member = await startMember(backend, options);
      members.add(member);
      return { close: member.close };
    },
    ranges: async (topic) => {
      assertUp();
      return world.topics.ranges(topic);
    },
    committed: async (group, topic) => {
      assertUp();
      const ofGroup = world.commits.get(group);
      const found = new Map<number, Commit>();
      for (let partition = 0; partition < world.topics.partitionsOf(topic); partition += 1) {
        const commit = ofGroup?.get(placeKey(topic, partition));
        if (commit !== undefined) found.set(partition, commit);
      }
      return found;
    },
    logId: async (topic) => {
      assertUp();
      return world.topics.logId(topic);
    },
    ping: async () => assertUp(),
    close: () => {
      closing ??= close();
      return closing;
    },
    openClient: (ofClient) => openClient(world, ofClient),
    crash: () => {
      isDown = true;
      for (const member of members) member.abandon();
      for (const group of world.groups.keys()) {
        changeGroup(world, group, (state) => leaveGroup(state, ownMembers, world.topics.partitionsOf));
      }
    },
    faults: createFaults(world),
  };
};

/**
 * The event log in memory: same group engine, same fencing and same limits as the sqlite one, nothing kept. Driven by
 * the given clock alone, so that a simulation repeats itself.
 */
export const createMemoryEventLog = (ports: { readonly clock: Clock; readonly random: Random }): MemoryEventLog => {
  assert(ports.clock.nowMs() >= 0, 'the clock stands before 1970');
  return openClient({
    ...ports,
    topics: createMemoryTopics(ports.clock, ports.random),
    groups: new Map(),
    commits: new Map(),
    groupChanges: createListeners(),
  });
};
