import { groupOf } from '../../schemas/topics.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { OutgoingRecord, RecordPosition } from '../../services/runtime/ports.ts';
import type { SimulatedStore } from './store.ts';
import { INPUT, NORMALIZER, recordValue, STEPS } from './tasks.ts';

/** A record that the log took, and where it stands. */
export interface Taken {
  readonly topic: string;
  readonly logId: string;
  readonly partition: number;
  readonly offset: number;
  /** `run/step`, or poison. */
  readonly text: string;
  /** It, or a part of its batch, was removed before its reader had confirmed it: nothing is promised of it. */
  isRemoved: boolean;
}

/** Everything the log ever took, and what became of it before it was read. */
export interface Traffic {
  readonly taken: readonly Taken[];
  /** Steps that may be counted twice: their topic was made anew while the batch that made them was open. */
  readonly repeatable: ReadonlySet<string>;
  /** Called with what a process appended. */
  readonly note: (records: readonly OutgoingRecord[], positions: readonly RecordPosition[]) => void;
  readonly send: (run: string, id: string, partition: number) => Promise<void>;
  readonly sendPoison: (text: string, topic: string, partition: number) => Promise<void>;
  /** Records of the present life of the input. */
  readonly present: () => readonly Taken[];
  readonly partitions: (topic: string) => number;
  readonly remake: (topic: string) => Promise<void>;
  readonly trim: (topic: string, partition: number, offset: number) => void;
  readonly endOf: (topic: string, partition: number) => number;
  readonly startOf: (topic: string, partition: number) => number;
  readonly addPartition: () => void;
}

/** No deploy of the simulation has larger batches. */
export const BATCH_RECORDS_MAX = 20;

/** Which service reads a topic. */
const readersOf = (topic: string, folds: readonly string[]): readonly string[] =>
  topic === INPUT ? [NORMALIZER] : folds;

/** The id of a step within `run/step`. */
export const idOf = (text: string): string => text.slice(text.indexOf('/') + 1);

/** A record that nobody can read. */
export const isPoison = ({ text }: Taken): boolean => !text.includes('/');

/** Nothing was sent yet. `folds`: the services that read the steps. */
export const createTraffic = async (
  log: MemoryEventLog,
  store: SimulatedStore,
  folds: readonly string[],
  stepText: (value: Uint8Array) => string,
): Promise<Traffic> => {
  const topics = [INPUT, STEPS].flatMap((topic) => [topic, `${topic}.dlq`]);
  const spec = { partitions: 2, retentionMs: Number.MAX_SAFE_INTEGER, recordBytesMax: 1_000_000 };
  await log.ensureTopics(topics.map((topic) => ({ topic, ...spec })));
  const taken: Taken[] = [];
  const repeatable = new Set<string>();
  const lives = new Map<string, string>();
  const counts = new Map(topics.map((topic) => [topic, spec.partitions]));
  const starts = new Map<string, number>();
  const ends = new Map<string, number>();
  /** Up to where a batch may reach that was open, or was read, when retention overtook it. */
  const overtaken = new Map<string, number>();
  for (const topic of topics) lives.set(topic, await log.logId(topic));
  const place = (topic: string, partition: number): string => `${topic}/${partition}`;

  /** Up to where every reader of this partition has confirmed. */
  const confirmed = (topic: string, partition: number): number => {
    const rows = store.rows('batches').filter((row) => row['log_id'] === lives.get(topic));
    const own = rows.filter((row) => row['topic'] === topic && row['partition'] === partition);
    const readers = readersOf(topic, folds).map((service) =>
      own.filter((row) => row['service'] === service).reduce((end, row) => Math.max(end, Number(row['end'])), 0),
    );
    return Math.min(...readers);
  };
  const remove = (topic: string, partition: number, before: number): void => {
    const from = confirmed(topic, partition);
    for (const one of taken) {
      const isHere = one.topic === topic && one.logId === lives.get(topic) && one.partition === partition;
      if (isHere && one.offset >= from && one.offset < before) one.isRemoved = true;
    }
  };
  const note = (records: readonly OutgoingRecord[], positions: readonly RecordPosition[]): void => {
    for (const [at, { topic, partition, offset }] of positions.entries()) {
      const value = records[at]?.value ?? new Uint8Array();
      const text = topic === STEPS ? stepText(value) : Buffer.from(value).toString();
      const isRemoved = offset < (overtaken.get(place(topic, partition)) ?? 0);
      taken.push({ topic, logId: lives.get(topic) ?? '', partition, offset, text, isRemoved });
      ends.set(place(topic, partition), offset + 1);
    }
  };
  const append = async (record: OutgoingRecord): Promise<void> => note([record], await log.append([record]));
  return {
    taken,
    repeatable,
    note,
    send: (run, id, partition) => append({ topic: INPUT, key: run, value: recordValue(run, id), partition }),
    sendPoison: (text, topic, partition) => append({ topic, key: null, value: Buffer.from(text), partition }),
    present: () => taken.filter((one) => one.topic === INPUT && one.logId === lives.get(INPUT)),
    partitions: (topic) => counts.get(topic) ?? 0,
    startOf: (topic, partition) => starts.get(place(topic, partition)) ?? 0,
    endOf: (topic, partition) => ends.get(place(topic, partition)) ?? 0,
    addPartition: () => {
      counts.set(INPUT, (counts.get(INPUT) ?? 0) + 1);
      log.faults.addPartitions(INPUT, 1);
    },
    trim: (topic, partition, offset) => {
      // A batch that was open there cannot be judged any more: nobody can read it again to see what of it landed.
      const isOvertaken = offset > confirmed(topic, partition);
      if (isOvertaken) {
        remove(topic, partition, offset + BATCH_RECORDS_MAX);
        // A record that comes only now may still join such a batch, of which its reader has polled the beginning.
        overtaken.set(place(topic, partition), offset + BATCH_RECORDS_MAX);
      }
      starts.set(place(topic, partition), offset);
      log.faults.trim(topic, partition, offset);
    },
    remake: async (topic) => {
      for (let partition = 0; partition < (counts.get(topic) ?? 0); partition += 1) {
        remove(topic, partition, Number.MAX_SAFE_INTEGER);
        starts.delete(place(topic, partition));
        ends.delete(place(topic, partition));
        overtaken.delete(place(topic, partition));
      }
      if (topic === STEPS) {
        for (const one of taken)
          if (one.topic === INPUT && one.offset >= confirmed(INPUT, one.partition)) repeatable.add(idOf(one.text));
      }
      log.faults.remakeTopic(topic);
      lives.set(topic, await log.logId(topic));
    },
  };
};

/** Groups of the services of a simulation. */
export const groupsOf = (folds: readonly string[]): readonly string[] => [NORMALIZER, ...folds].map(groupOf);
