import { assignPartitions } from './assignor.ts';

/**
 * A consumer group as plain data, and what can happen to it, as pure functions. The memory adapter keeps it in a Map,
 * the sqlite adapter as JSON in one row that is read and written within one transaction: both fence the same way.
 *
 * A partition has a `target` (who shall have it) and an `owner` (who has it now). A rebalance moves targets at once;
 * the owner changes only after the former one released it (its batch in flight is done) or is gone. Every claim gets an
 * epoch of its own, and a commit counts only if member and epoch are those of the owner.
 */

/** Where a member runs, so that others on the same host can see that it is dead before its lease runs out. */
export interface ProcessMark {
  /** Host boot and pid namespace: pids compare only within one. */
  readonly host: string;
  readonly pid: number;
  /** Start time of the process as the kernel tells it ('' where it does not): pids are reused. */
  readonly started: string;
}

export interface GroupMember {
  readonly id: string;
  readonly topics: readonly string[];
  readonly leaseUntilMs: number;
  readonly process: ProcessMark | null;
}

export interface GroupPartition {
  readonly topic: string;
  readonly partition: number;
  readonly target: string | null;
  readonly owner: string | null;
  readonly epoch: number;
}

export interface GroupState {
  /** Grows with every change that another member must hear of; renewing a lease is none. */
  readonly version: number;
  readonly epoch: number;
  readonly members: readonly GroupMember[];
  readonly partitions: readonly GroupPartition[];
}

/** A group nobody has joined yet. */
export const EMPTY_GROUP: GroupState = { version: 0, epoch: 0, members: [], partitions: [] };

export interface SyncRequest {
  readonly memberId: string;
  /** Given when the member is not yet in the group. */
  readonly join: { readonly topics: readonly string[]; readonly process: ProcessMark | null } | null;
  /** False while draining: nothing new is taken, what is held is kept. */
  readonly claim: boolean;
  readonly leaseUntilMs: number;
}

/** A partition this member owns; `wanted` false: finish the batch in flight, then release it. */
export interface OwnedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  readonly wanted: boolean;
}

export type GroupView =
  | { readonly kind: 'member'; readonly owned: readonly OwnedPartition[] }
  /** The lease ran out and somebody else noticed: every epoch of this member is dead; join anew under a new id. */
  | { readonly kind: 'evicted' };

export interface GroupWorld {
  /** Partitions of a topic, 0 while it does not exist. */
  readonly partitionsOf: (topic: string) => number;
  /** Whether another member's lease is over. */
  readonly isDead: (member: GroupMember) => boolean;
}

const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index]);

/** Who is in the group after this sync, or null when the caller itself is not. */
const membersAfter = (
  state: GroupState,
  request: SyncRequest,
  isDead: GroupWorld['isDead'],
): readonly GroupMember[] | null => {
  const { memberId, join, leaseUntilMs } = request;
  const live = state.members.filter((member) => member.id === memberId || !isDead(member));
  if (live.some((member) => member.id === memberId)) {
    return live.map((member) => (member.id === memberId ? { ...member, leaseUntilMs } : member));
  }
  return join === null ? null : [...live, { id: memberId, ...join, leaseUntilMs }];
};

/** Partitions of every subscribed topic with targets for these members; owners that are gone lose what they had. */
const retarget = (
  before: readonly GroupPartition[],
  members: readonly GroupMember[],
  partitionsOf: GroupWorld['partitionsOf'],
): readonly GroupPartition[] => {
  const ids = new Set(members.map((member) => member.id));
  const known = new Map(before.map((row) => [`${row.partition}/${row.topic}`, row]));
  const topics = [...new Set(members.flatMap((member) => member.topics))].sort();
  const rows = topics.flatMap((topic) =>
    Array.from({ length: partitionsOf(topic) }, (_, partition) => {
      const row = known.get(`${partition}/${topic}`) ?? { topic, partition, target: null, owner: null, epoch: 0 };
      return row.owner !== null && ids.has(row.owner) ? row : { ...row, owner: null };
    }),
  );
  const targets = assignPartitions(
    rows.map((row) => ({ ...row, current: row.target })),
    members,
  );
  return rows.map((row, index) => ({ ...row, target: targets[index] ?? null }));
};

const claim = (state: GroupState, memberId: string): GroupState => {
  let epoch = state.epoch;
  const partitions = state.partitions.map((row) => {
    if (row.owner !== null || row.target !== memberId) return row;
    epoch += 1;
    return { ...row, owner: memberId, epoch };
  });
  return epoch === state.epoch ? state : { ...state, epoch, partitions, version: state.version + 1 };
};

/**
 * Join or heartbeat: drops members whose lease is over, renews the caller's, moves targets when members or partitions
 * changed, and claims what is free for the caller.
 */
export const syncGroup = (
  state: GroupState,
  request: SyncRequest,
  world: GroupWorld,
): { readonly state: GroupState; readonly view: GroupView } => {
  const members = membersAfter(state, request, world.isDead);
  if (members === null) return { state, view: { kind: 'evicted' } };
  const idsBefore = state.members.map((member) => member.id);
  const partitions = retarget(state.partitions, members, world.partitionsOf);
  const isSame =
    sameList(
      idsBefore,
      members.map((member) => member.id),
    ) && partitions.length === state.partitions.length;
  const settled = isSame
    ? { ...state, members }
    : { version: state.version + 1, epoch: state.epoch + 1, members, partitions };
  const after = request.claim ? claim(settled, request.memberId) : settled;
  const owned = after.partitions
    .filter((row) => row.owner === request.memberId)
    .map(({ topic, partition, epoch, target }) => ({ topic, partition, epoch, wanted: target === request.memberId }));
  return { state: after, view: { kind: 'member', owned } };
};

/** Whether a commit of this member in this epoch counts. */
export const ownsPartition = (
  state: GroupState,
  memberId: string,
  claimed: { readonly topic: string; readonly partition: number; readonly epoch: number },
): boolean =>
  state.partitions.some(
    (row) =>
      row.partition === claimed.partition &&
      row.topic === claimed.topic &&
      row.owner === memberId &&
      row.epoch === claimed.epoch,
  );

/** The member let go of a partition; nothing happens when it does not own it in this epoch any more. */
export const releasePartition = (
  state: GroupState,
  memberId: string,
  claimed: { readonly topic: string; readonly partition: number; readonly epoch: number },
): GroupState => {
  if (!ownsPartition(state, memberId, claimed)) return state;
  const partitions = state.partitions.map((row) =>
    row.topic === claimed.topic && row.partition === claimed.partition ? { ...row, owner: null } : row,
  );
  return { ...state, partitions, version: state.version + 1 };
};

/** The members leave (or died): what they owned is free at once and the targets move. */
export const leaveGroup = (
  state: GroupState,
  memberIds: ReadonlySet<string>,
  partitionsOf: GroupWorld['partitionsOf'],
): GroupState => {
  const members = state.members.filter((member) => !memberIds.has(member.id));
  if (members.length === state.members.length) return state;
  const partitions = retarget(state.partitions, members, partitionsOf);
  return { version: state.version + 1, epoch: state.epoch + 1, members, partitions };
};
