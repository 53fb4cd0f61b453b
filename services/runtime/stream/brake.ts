import type { Assignment, LogRecord, Store } from '../ports.ts';
import type { LandDeps } from './land.ts';
import { utcMillis } from './time.ts';
import type { BatchOutput } from './types.ts';

/** When a partition stops because too much of it is refused: a bad deploy must not drain a topic into the bin. */
export interface BrakeSettings {
  /** Of the last `windowRecords` records more than this share refused stops the partition; 1 never does. */
  readonly share: number;
  /** Nothing stops before so many records were seen. */
  readonly windowRecords: number;
}

/** What the brake saw when it stopped a partition. */
export interface BrakeStop {
  readonly refused: number;
  readonly records: number;
  /** Refused records of the batch that was not taken, by reason. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** One sentence for a person. */
export const tellStop = ({ refused, records, reasons }: BrakeStop): string => {
  const [mostly] = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  return `the brake holds it: ${refused} of the last ${records} records refused, mostly ${mostly?.[0] ?? 'unknown'}`;
};

/** Counts refused records of one partition over the last `windowRecords`. */
export interface Brake {
  /** Takes a batch that is about to begin into the count, or says why it must not begin: then nothing is counted. */
  readonly judge: (records: readonly LogRecord[], output: BatchOutput) => BrakeStop | null;
}

/** What became of records before: the newest last. */
export interface Past {
  readonly records: number;
  readonly refused: number;
}

/** A brake that remembers `past`. Records before `passUntil` were let pass by a person and do not count. */
export const createBrake = (settings: BrakeSettings, past: readonly Past[], passUntil: number): Brake => {
  let window = new Window(settings.windowRecords);
  for (const { records, refused } of past) {
    // Which ones they were is not known any more: spread evenly.
    for (let at = 0; at < records; at += 1)
      window.push(Math.floor(((at + 1) * refused) / records) > Math.floor((at * refused) / records));
  }
  const limit = settings.share * settings.windowRecords;
  return {
    judge: (records, output) => {
      const refused = new Map(
        output.deadLetters.map(({ headers }) => [headers?.['offset'], headers?.['reason'] ?? '']),
      );
      const next = window.copy();
      for (const { offset } of records) {
        if (offset < passUntil) continue;
        next.push(refused.has(String(offset)));
        if (next.isFull() && next.refused > limit)
          return { refused: next.refused, records: settings.windowRecords, reasons: countOf([...refused.values()]) };
      }
      window = next;
      return null;
    },
  };
};

const countOf = (reasons: readonly string[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const reason of reasons) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
};

/** Whether each of the last `size` records was refused, and how many were. */
class Window {
  refused = 0;
  readonly #ring: Uint8Array;
  #seen = 0;

  constructor(size: number) {
    this.#ring = new Uint8Array(size);
  }

  push(isRefused: boolean): void {
    const at = this.#seen % this.#ring.length;
    this.refused += Number(isRefused) - (this.#ring[at] ?? 0);
    this.#ring[at] = Number(isRefused);
    this.#seen += 1;
  }

  isFull(): boolean {
    return this.#seen >= this.#ring.length;
  }

  copy(): Window {
    const other = new Window(this.#ring.length);
    other.#ring.set(this.#ring);
    other.#seen = this.#seen;
    other.refused = this.refused;
    return other;
  }
}

/** Batches of the manifest looked at: a window is filled by far fewer, unless they are nearly empty. */
const PAST_BATCHES = 2_000;

/**
 * The brake of a partition as its next owner finds it: with what the manifest says of the last records, so that a process
 * that is started again and again lets no more through than one that runs, and with what a person has let pass. Throws
 * TransportError.
 */
export const openBrake = async (
  deps: Pick<LandDeps, 'store' | 'logger'>,
  service: string,
  assignment: Pick<Assignment, 'logId' | 'topic' | 'partition' | 'signal'>,
  settings: BrakeSettings,
): Promise<Brake> => {
  const { logId, topic, partition, signal } = assignment;
  const passUntil = (await readReleases(deps.store, service, signal)).get(placeText(logId, topic, partition)) ?? 0;
  const rows = await deps.store.query<{ readonly records: string; readonly refused: string }>(
    `SELECT records, dead_letters AS refused FROM batches
     WHERE service = {service:String} AND log_id = {log_id:String} AND topic = {topic:String} AND partition = {partition:UInt32}
       AND first >= {pass:UInt64} ORDER BY first DESC LIMIT ${PAST_BATCHES}`,
    { service, log_id: logId, topic, partition, pass: passUntil },
    signal,
  );
  const past: Past[] = [];
  let seen = 0;
  for (const row of rows) {
    if (seen >= settings.windowRecords) break;
    past.push({ records: Number(row.records), refused: Number(row.refused) });
    seen += Number(row.records);
  }
  return createBrake(settings, past.reverse(), passUntil);
};

/** Names a partition in one life of its log. */
export const placeText = (logId: string, topic: string, partition: number): string => `${logId}/${topic}/${partition}`;

/** Up to which offset a person let records of this service pass, by place. Throws TransportError. */
export const readReleases = async (
  store: Store,
  service: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, number>> => {
  const rows = await store.query<{
    readonly log_id: string;
    readonly topic: string;
    readonly partition: number;
    readonly pass_until: string;
  }>(
    `SELECT log_id, topic, partition, max(at_offset) AS pass_until FROM brakes
     WHERE event = 'released' AND service = {service:String} GROUP BY log_id, topic, partition`,
    { service },
    signal,
  );
  return new Map(rows.map((row) => [placeText(row.log_id, row.topic, row.partition), Number(row.pass_until)]));
};

/**
 * Writes down that a partition stopped, for those who ask from another process (`tacho doctor`, Grafana). Tried once: it
 * stands in the log and the report of this process anyway.
 */
export const recordStop = async (
  deps: LandDeps,
  service: string,
  assignment: Assignment,
  first: number,
  stop: BrakeStop,
): Promise<void> => {
  const { logId, topic, partition, signal } = assignment;
  const nowMs = deps.clock.nowMs();
  const row = {
    event: 'stopped',
    ...{ service, log_id: logId, topic, partition, at_offset: first },
    ...{ refused: stop.refused, records: stop.records, reasons: stop.reasons, actor: null },
    at: utcMillis(nowMs),
  };
  const token = `brake/${service}/${placeText(logId, topic, partition)}/${first}/${nowMs}`;
  try {
    await deps.store.insert('brakes', [row], { token, signal, isSingle: true });
  } catch (error) {
    deps.logger.warn({ err: error, service, topic, partition }, 'the stop could not be written into brakes');
  }
};
