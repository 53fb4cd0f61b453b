import { systemClock } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import type {
  Assignment,
  ConsumeOptions,
  Consumer,
  EventLog,
  Logger,
  OutgoingRecord,
  PolledBatch,
  TopicSpec,
} from '../../services/runtime/ports.ts';

/** A log under test. `openSecond` gives another client of the same log, as another process would be. */
export interface LogUnderTest {
  readonly log: EventLog;
  readonly openSecond: () => Promise<EventLog>;
  readonly close: () => Promise<void>;
  /** Makes the log anew under the same name and gives a client of it, where the adapter can. */
  readonly remake?: (topic: string) => Promise<EventLog>;
}

/** What the parts of the suite are given: the log opened for the test that runs, and fresh names. */
export interface ContractContext {
  readonly under: () => LogUnderTest;
  /** A topic or group name no other test uses. */
  readonly unique: (stem: string) => string;
  readonly deadlineMs: number;
  /** Ends with the test, before the log is closed, last one first. */
  readonly defer: (close: () => Promise<void>) => void;
}

/** Polls until `isTrue` says so; fails with `what` when the deadline is over. */
export const until = async (
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  deadlineMs = 20_000,
): Promise<void> => {
  const endMs = systemClock.nowMs() + deadlineMs;
  while (!(await isTrue())) {
    if (systemClock.nowMs() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await systemClock.sleep(5);
  }
};

/** A promise with its ends outside. */
export const gate = (): { readonly opened: Promise<void>; readonly open: () => void } => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
};

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array): string => new TextDecoder().decode(value);

export const record = (topic: string, value: string, more: Partial<OutgoingRecord> = {}): OutgoingRecord => ({
  ...{ topic, key: null, value: bytes(value) },
  ...more,
});

export const topicSpec = (topic: string, partitions = 2): TopicSpec => ({
  ...{ topic, partitions },
  ...{ retentionMs: 24 * 3_600_000, recordBytesMax: 21 * 1024 * 1024 },
});

/** One call of `onBatch`, as a test saw it. */
export interface SeenBatch {
  readonly partition: number;
  readonly epoch: number;
  readonly batch: PolledBatch;
}

/** A member that commits what it was given, and remembers everything. */
export interface TestMember {
  readonly consumer: Consumer;
  readonly assignments: Assignment[];
  readonly seen: SeenBatch[];
  readonly idles: number[];
  readonly crashes: unknown[];
  /** Values handled and committed, in order. */
  readonly values: string[];
  readonly close: () => Promise<void>;
}

export interface MemberSettings {
  readonly group: string;
  readonly topics: readonly string[];
  readonly options?: Partial<ConsumeOptions>;
  /** Runs instead of the commit. */
  readonly onBatch?: (seen: SeenBatch, assignment: Assignment) => Promise<'continue' | 'stop'>;
  readonly onIdle?: (assignment: Assignment) => Promise<void>;
  readonly isWaiting?: () => boolean;
  readonly startOffset?: (assignment: Assignment) => number;
  readonly onAssigned?: (assignment: Assignment) => Promise<void>;
}

const DEFAULTS = { recordsMax: 100, bytesMax: 4 * 1024 * 1024, lingerMs: 5, idleMs: 100 } as const;

/** Joins a group with a member that commits after each batch, unless told otherwise. */
export const joinGroup = async (log: EventLog, settings: MemberSettings): Promise<TestMember> => {
  const [assignments, seen, idles]: [Assignment[], SeenBatch[], number[]] = [[], [], []];
  const [crashes, values]: [unknown[], string[]] = [[], []];
  const handle = async (assignment: Assignment, batch: PolledBatch): Promise<'continue' | 'stop'> => {
    const one = { partition: assignment.partition, epoch: assignment.epoch, batch };
    seen.push(one);
    const next = settings.onBatch ? await settings.onBatch(one, assignment) : 'continue';
    if (!settings.onBatch) await assignment.commit((batch.records.at(-1)?.offset ?? -1) + 1, '');
    values.push(...batch.records.map((r) => text(r.value)));
    return next;
  };
  const consumer = await log.consume({
    ...DEFAULTS,
    ...settings.options,
    ...{ group: settings.group, topics: settings.topics },
    onCrash: (error) => crashes.push(error),
    assigned: async (assignment) => {
      await settings.onAssigned?.(assignment);
      assignments.push(assignment);
      const startOffset = settings.startOffset?.(assignment) ?? assignment.committed?.offset ?? assignment.logStart;
      return {
        startOffset,
        onBatch: (batch) => handle(assignment, batch),
        onIdle: async () => {
          idles.push(assignment.partition);
          await settings.onIdle?.(assignment);
        },
        isWaiting: () => settings.isWaiting?.() === true,
      };
    },
  });
  return { consumer, assignments, seen, idles, crashes, values, close: consumer.close };
};

/** The code of the TransportError a promise rejects with, or what it did instead. */
export const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'no error';
  } catch (error) {
    return error instanceof TransportError ? error.code : String(error);
  }
};

/** Says nothing: warnings are part of what these tests provoke. */
export const quietLogger: Logger = {
  ...{ debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  child: () => quietLogger,
};
