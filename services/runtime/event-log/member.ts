import { TransportError } from '../errors.ts';
import type { ConsumeOptions, Consumer } from '../ports.ts';
import type { LogBackend } from './backend.ts';
import { createMemberLoops, DRAIN_MAX_MS, type MemberLoops } from './member-loops.ts';
import { createWaker, type Waker } from './waker.ts';

/** A lease is renewed this often, and new topics are looked for. */
const HEARTBEAT_MS = 1_000;
/** Without a heartbeat for so long, a member may be taken for dead by the others. */
export const LEASE_MS = 5_000;
/** After its signal fired a handler gets this long to settle; close does not wait for ever. */
const SETTLE_MAX_MS = 5_000;

type Stage = 'open' | 'closing' | 'gone';

interface Member {
  readonly backend: LogBackend;
  readonly options: ConsumeOptions;
  readonly loops: MemberLoops;
  readonly waker: Waker;
  id: string;
  isJoined: boolean;
  stage: Stage;
  /** When the group last answered. */
  seenMs: number;
  /** The group may hold claims for it whose work has ended: it did not hear of the end. */
  isLost: boolean;
}

const syncMember = async (member: Member): Promise<void> => {
  const { backend, options, loops } = member;
  if (member.isLost) await leaveAsLost(member);
  await loops.cutOverdue();
  const topics = member.isJoined ? null : options.topics;
  const view = await backend.sync(options.group, member.id, topics, member.stage === 'open');
  member.isJoined = view.kind === 'member';
  member.seenMs = backend.clock.nowMs();
  loops.follow(member.id, view.kind === 'member' ? view.owned : [], member.stage === 'open');
  // A new id, so that nothing the old one still has in flight can be taken for the new one's.
  if (view.kind === 'evicted') member.id = backend.newMemberId();
};

/**
 * Nobody works on a partition under an epoch that has ended here, and nobody else may have it while this member lives. As
 * another member it claims what is free under new epochs.
 */
const leaveAsLost = async (member: Member): Promise<void> => {
  await member.backend.leave(member.options.group, member.id);
  member.id = member.backend.newMemberId();
  member.isJoined = false;
  member.isLost = false;
};

const survive = (member: Member, error: unknown): void => {
  const { backend, options, loops } = member;
  if (!(error instanceof TransportError)) throw error;
  backend.logger?.warn({ err: error, group: options.group }, 'event log: heartbeat failed');
  // Others may own our partitions by now; better to stop before they find out by the commit.
  if (backend.clock.nowMs() - member.seenMs <= LEASE_MS) return;
  loops.fenceAll();
  member.isLost = true;
};

const beat = async (member: Member): Promise<void> => {
  const isStage = (stage: Stage): boolean => member.stage === stage;
  let pauseMs = HEARTBEAT_MS;
  while (!isStage('gone')) {
    await member.waker.wait(pauseMs);
    pauseMs = HEARTBEAT_MS;
    if (isStage('gone') || (isStage('closing') && !member.isJoined)) continue;
    try {
      await syncMember(member);
      // Evicted: join again at once.
      if (!member.isJoined && isStage('open')) pauseMs = 0;
    } catch (error) {
      survive(member, error);
      pauseMs = HEARTBEAT_MS / 4;
    }
  }
};

const closeMember = async (member: Member, beating: Promise<void>): Promise<void> => {
  const { backend, options, loops, waker } = member;
  member.stage = 'closing';
  loops.revokeAll();
  // Heartbeats go on while the last batches finish.
  await loops.settled(DRAIN_MAX_MS);
  member.stage = 'gone';
  waker.wake();
  await beating;
  await backend.leave(options.group, member.id).catch((error: unknown) => {
    backend.logger?.warn({ err: error, group: options.group }, 'event log: could not leave the group; its lease ends');
  });
  loops.fenceAll();
  await loops.settled(SETTLE_MAX_MS);
};

/** A member at work. */
export interface RunningMember extends Consumer {
  /** Stops as a killed process would: no drain, no leaving; the signals of all its epochs fire. */
  readonly abandon: () => void;
}

/** Joins the group and works on what it is given until closed. Throws TransportError when it cannot join. */
export const startMember = async (backend: LogBackend, options: ConsumeOptions): Promise<RunningMember> => {
  const waker = createWaker(backend.clock);
  const lost = (): void => {
    member.isLost = true;
  };
  const loops = createMemberLoops(backend, options, { changed: waker.wake, lost });
  const member: Member = {
    ...{ backend, options, waker, loops },
    ...{ id: backend.newMemberId(), isJoined: false, stage: 'open', seenMs: backend.clock.nowMs(), isLost: false },
  };
  const unwatch = backend.onGroupChange(options.group, waker.wake);
  try {
    await syncMember(member);
  } catch (error) {
    unwatch();
    throw error;
  }
  const beating = beat(member).catch(options.onCrash);
  let closing: Promise<void> | null = null;
  return {
    close: () => {
      closing ??= closeMember(member, beating).finally(unwatch);
      return closing;
    },
    abandon: () => {
      closing ??= Promise.resolve();
      unwatch();
      member.stage = 'gone';
      loops.fenceAll();
      waker.wake();
    },
  };
};
