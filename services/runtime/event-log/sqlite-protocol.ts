import type { TransportErrorCode } from '../errors.ts';
import type { Commit, PartitionRange, TopicSpec } from '../ports.ts';
import type { Claim, PartitionFacts, ReadLimits } from './backend.ts';
import type { GroupView, ProcessMark } from './group-state.ts';
import type { PackedRecords } from './sqlite-pack.ts';

/** A topic as the file has it. */
export interface StoredTopic {
  readonly topicId: number;
  readonly topic: string;
  readonly logId: string;
  readonly partitions: number;
  readonly retentionMs: number;
  readonly recordBytesMax: number;
}

/** What the main thread can ask of a worker: question and answer by kind. Writes go to the writer, reads to the reader. */
export interface Operations {
  // writer
  readonly append: {
    readonly ask: {
      readonly nowMs: number;
      readonly bytes: number;
      /** A full file refuses it. What services make of read records is not bounded: unwritten, nothing could be freed. */
      readonly isBounded: boolean;
      readonly records: PackedRecords;
    };
    /** Offsets in the order given. */
    readonly answer: Float64Array;
  };
  readonly ensure: {
    readonly ask: { readonly specs: readonly TopicSpec[]; readonly logIds: readonly string[] };
    readonly answer: null;
  };
  readonly sync: {
    readonly ask: {
      readonly group: string;
      readonly memberId: string;
      readonly topics: readonly string[] | null;
      readonly process: ProcessMark;
      readonly claim: boolean;
      readonly nowMs: number;
    };
    readonly answer: { readonly view: GroupView; readonly version: number };
  };
  readonly release: { readonly ask: Claim; readonly answer: number };
  readonly leave: { readonly ask: { readonly group: string; readonly memberId: string }; readonly answer: number };
  readonly commit: { readonly ask: { readonly claim: Claim; readonly commit: Commit }; readonly answer: null };
  /** One bounded step of retention; true when there is more to remove. */
  readonly retain: { readonly ask: { readonly nowMs: number }; readonly answer: boolean };
  // reader
  readonly topics: { readonly ask: null; readonly answer: readonly StoredTopic[] };
  readonly read: {
    readonly ask: { readonly topicId: number; readonly partition: number; readonly offset: number } & ReadLimits;
    readonly answer: {
      readonly records: PackedRecords;
      readonly bytes: number;
      readonly isCut: boolean;
      readonly logStart: number;
      readonly logEnd: number;
    };
  };
  readonly facts: {
    readonly ask: { readonly group: string; readonly topic: string; readonly partition: number };
    readonly answer: PartitionFacts;
  };
  readonly ranges: { readonly ask: { readonly topic: string }; readonly answer: readonly PartitionRange[] };
  readonly committed: {
    readonly ask: { readonly group: string; readonly topic: string };
    readonly answer: readonly (Commit & { readonly partition: number })[];
  };
  // both
  readonly ping: { readonly ask: null; readonly answer: null };
  readonly close: { readonly ask: null; readonly answer: null };
}

export type OperationKind = keyof Operations;

export type Question = {
  readonly [Kind in OperationKind]: { readonly id: number; readonly kind: Kind; readonly ask: Operations[Kind]['ask'] };
}[OperationKind];

export interface Refusal {
  readonly code: TransportErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

export type Reply =
  | { readonly id: number; readonly kind: 'answer'; readonly answer: unknown }
  | { readonly id: number; readonly kind: 'refusal'; readonly refusal: Refusal };

/** What a worker sends: replies, its start, or (reader) what others wrote into the file. */
export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly refusal: Refusal }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  | {
      readonly kind: 'news';
      readonly ends: readonly { readonly topic: string; readonly partition: number; readonly end: number }[];
      readonly groups: readonly { readonly group: string; readonly version: number }[];
    };

/** How a worker is started. */
export interface WorkerSettings {
  readonly role: 'writer' | 'reader';
  readonly path: string;
  /** Bytes of records the file may hold; null: as much as the disk takes. */
  readonly bytesMax: number | null;
}
