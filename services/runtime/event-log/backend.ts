import type { Clock, Commit, Logger, LogRecord } from '../ports.ts';
import type { GroupView } from './group-state.ts';

/** What was read of a partition. Empty `records`: nothing there yet. */
export interface PartitionSlice {
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  /** More records are there; the limits ended the slice. */
  readonly isCut: boolean;
  readonly logStart: number;
  readonly logEnd: number;
}

export interface ReadLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
  /** The first record comes even when it alone is larger than `bytesMax`: a batch is never empty. */
  readonly isFirst: boolean;
}

/** What `assigned` is told of a partition. */
export interface PartitionFacts {
  readonly logId: string;
  readonly committed: Commit | null;
  readonly logStart: number;
  readonly logEnd: number;
}

/** One claim of a partition by a member. */
export interface Claim {
  readonly group: string;
  readonly memberId: string;
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
}

/** What an adapter gives to the group engine (member.ts, partition-loop.ts). Errors are TransportErrors. */
export interface LogBackend {
  readonly clock: Clock;
  readonly logger: Logger | null;
  /** A new id for a member; never used twice. */
  readonly newMemberId: () => string;
  /** Joins (with topics) or heartbeats (without), and claims what is free; see group-state.ts. */
  readonly sync: (
    group: string,
    memberId: string,
    topics: readonly string[] | null,
    claim: boolean,
  ) => Promise<GroupView>;
  /** Lets go of partitions; claims of a dead epoch are ignored. */
  readonly release: (claim: Claim) => Promise<void>;
  readonly leave: (group: string, memberId: string) => Promise<void>;
  /** Durable once resolved. Throws FENCED unless the claim is alive, checked in the same transaction. */
  readonly commit: (claim: Claim, commit: Commit) => Promise<void>;
  readonly facts: (group: string, topic: string, partition: number) => Promise<PartitionFacts>;
  readonly read: (topic: string, partition: number, offset: number, limits: ReadLimits) => Promise<PartitionSlice>;
  /** The end of the partition as far as this process has heard. */
  readonly endKnown: (topic: string, partition: number) => number;
  /** Calls back when `endKnown` grew. Returns the way to stop it. */
  readonly onGrowth: (topic: string, partition: number, wake: () => void) => () => void;
  /** Calls back when the group changed by somebody's doing. Returns the way to stop it. */
  readonly onGroupChange: (group: string, wake: () => void) => () => void;
}
