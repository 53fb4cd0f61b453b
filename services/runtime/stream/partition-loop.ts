import { InvariantError, TransportError } from '../errors.ts';
import type { PartitionReport } from '../pipeline.ts';
import type { Assignment, LogRecord, PartitionConsumer, PolledBatch } from '../ports.ts';
import { splitByDays } from './batch-days.ts';
import { type Brake, type BrakeSettings, openBrake, recordStop, tellStop } from './brake.ts';
import { batchIdOf, type Intent, intentMetadata } from './intent.ts';
import { type LandDeps, landBatch } from './land.ts';
import { HeldRecords, windowTable } from './look-ahead.ts';
import { findStart, type Start } from './start.ts';
import type { BatchOutput, BatchProcessor, RecordBatch, StreamTask } from './types.ts';

/** A partition in the hands of a service, with what it reports of itself. */
export interface PartitionLoop extends PartitionConsumer {
  readonly report: () => PartitionReport;
}

/** First and longest pause between tries while the store or the log does not answer. */
const BACKOFF_MS = 200;
const BACKOFF_MAX_MS = 5_000;

/**
 * One partition through the protocol `intent(first, end) → insert → confirm → next intent`. The committed offset never
 * passes an unconfirmed row: the offset of an intent is the start of its batch, and it acknowledges only the batch
 * before it, which the manifest already holds.
 */
export const createPartitionLoop = async (
  deps: LandDeps,
  task: StreamTask,
  assignment: Assignment,
  brakeSettings?: BrakeSettings,
): Promise<PartitionLoop> => {
  const start = await findStart(deps, task, assignment);
  if (start.gap !== null) deps.logger.error({ ...place(task, assignment), ...start }, start.gap);
  // The manifest is ahead of the group (a batch was confirmed, its acknowledgement was not): tell the group, so that
  // lag reads right. With an open intent the group's offset must stay where it is; and while it is not sure that none is
  // open, a plain offset would say to the next owner that none is.
  const { committed } = assignment;
  const isBehind = start.offset > 0 && (committed?.offset !== start.offset || committed.metadata !== '');
  if (start.gap === null && start.intent === null && start.isClean && isBehind)
    await assignment.commit(start.offset, '');
  const brake = brakeSettings === undefined ? null : await openBrake(deps, task.service, assignment, brakeSettings);
  return new Loop(deps, task, assignment, start, brake);
};

const place = (task: StreamTask, assignment: Assignment) => ({
  service: task.service,
  topic: assignment.topic,
  partition: assignment.partition,
  epoch: assignment.epoch,
});

/** How a batch comes to be confirmed: with what behind it, and by which open intent. */
interface Confirming {
  readonly window?: { readonly upto: number; readonly ahead: readonly LogRecord[] } | null;
  readonly replayed?: Pick<Intent, 'end' | 'variant'>;
}

class Loop implements PartitionLoop {
  readonly startOffset: number;
  readonly #deps: LandDeps;
  readonly #task: StreamTask;
  readonly #assignment: Assignment;
  readonly #processor: BatchProcessor;
  #replay: Intent | null;
  /** The next batch has the boundaries, and so the tokens, of none before it. */
  #isFresh: boolean;
  readonly #brake: Brake | null;
  /** Records of an open intent, until all of them are there. */
  #replayed: LogRecord[] = [];
  readonly #held: HeldRecords | null;
  #next: number;
  #committed: number | null = null;
  #logEnd: number;
  #stopped: string | null;
  #isBraked = false;
  #confirmedAtMs: number | null = null;

  constructor(deps: LandDeps, task: StreamTask, assignment: Assignment, start: Start, brake: Brake | null) {
    this.#brake = brake;
    this.#deps = deps;
    this.#task = task;
    this.#assignment = assignment;
    this.startOffset = start.offset;
    this.#next = start.offset;
    this.#replay = start.intent;
    this.#isFresh = start.isClean;
    this.#logEnd = assignment.logEnd;
    this.#stopped = start.gap;
    const { logId, topic, partition, signal } = assignment;
    this.#processor = task.createProcessor({ logId, topic, partition, signal, breathe: deps.clock.breathe });
    const { lookAhead } = this.#processor;
    this.#held = lookAhead === undefined ? null : new HeldRecords(lookAhead);
  }

  isWaiting(): boolean {
    return this.#stopped === null && this.#held?.isEmpty() === false;
  }

  report(): PartitionReport {
    return {
      topic: this.#assignment.topic,
      partition: this.#assignment.partition,
      log_id: this.#assignment.logId,
      next_offset: this.#next,
      log_end: this.#logEnd,
      lag: Math.max(0, this.#logEnd - this.#next),
      is_stopped: this.#stopped !== null,
      is_braked: this.#isBraked,
      stopped_because: this.#stopped,
      confirmed_at_ms: this.#confirmedAtMs,
    };
  }

  async onBatch(polled: PolledBatch): Promise<'continue' | 'stop'> {
    this.#logEnd = Math.max(this.#logEnd, polled.logEnd);
    if (this.#stopped !== null) return 'stop';
    try {
      await this.#take(polled.records);
      this.#gaugeLag();
      return this.#isStopped() ? 'stop' : 'continue';
    } catch (error) {
      return this.#refuse(error);
    }
  }

  async onIdle(): Promise<void> {
    if (this.#stopped !== null || this.#replay !== null) return;
    try {
      // On a quiet log nothing but the clock says that a hold is over.
      await this.#takeRipe(this.#deps.clock.nowMs());
    } catch (error) {
      this.#refuse(error);
      return;
    }
    if (this.#isStopped() || this.#committed === this.#next) return;
    // Only here the offset moves without an intent: every row before it is confirmed, so lag may read 0.
    await this.#assignment.commit(this.#next, '');
    this.#committed = this.#next;
    this.#gaugeLag();
  }

  async #take(records: readonly LogRecord[]): Promise<void> {
    if (this.#replay === null) return this.#accept(records);
    // An open intent is replayed with its own boundaries, however the log now hands the records over.
    const { first, end, variant, upto } = this.#replay;
    this.#replayed.push(...records);
    if ((this.#replayed.at(-1)?.offset ?? 0) < Math.max(end, upto ?? end) - 1) return;
    const rest = this.#replayed.filter((record) => record.offset >= end);
    const replayed = this.#replayed.filter((record) => record.offset < end);
    const window = upto === null ? null : { upto, ahead: rest.filter((record) => record.offset < upto) };
    this.#replayed = [];
    await this.#confirm(first, replayed, { window, replayed: { end, variant } });
    this.#replay = null;
    if (rest.length > 0) await this.#accept(rest);
  }

  /** Records of no intent yet: confirmed at once, or held until what stands behind them was read. */
  async #accept(records: readonly LogRecord[]): Promise<void> {
    if (this.#held !== null) {
      this.#held.add(records, this.#deps.clock.nowMs());
      return this.#takeRipe(null);
    }
    for (const part of splitByDays(records)) {
      if (!this.#isStopped()) await this.#confirm(this.#next, part);
    }
  }

  async #takeRipe(quietMs: number | null): Promise<void> {
    for (let ripe = this.#held?.ripe(quietMs); ripe; ripe = this.#held?.ripe(quietMs)) {
      const { records, ahead, upto, isEarly } = ripe;
      if (isEarly) {
        this.#deps.metrics.count('stream_holds_cut_total', { service: this.#task.service });
        this.#deps.logger.warn({ ...place(this.#task, this.#assignment), records: records.length }, 'hold cut short');
      }
      const [part = records] = splitByDays(records);
      const behind = records.slice(part.length);
      await this.#confirm(this.#next, part, { window: { upto, ahead: [...behind, ...ahead] } });
      if (this.#isStopped()) return;
      this.#held?.drop(part.length);
    }
  }

  #isStopped(): boolean {
    return this.#stopped !== null;
  }

  async #confirm(first: number, records: readonly LogRecord[], how: Confirming = {}): Promise<void> {
    const { window = null, replayed } = how;
    const last = records.at(-1);
    if (last === undefined) throw new InvariantError('a batch without records');
    const { logId, topic, partition, signal } = this.#assignment;
    const end = replayed?.end ?? last.offset + 1;
    const variant = replayed?.variant ?? this.#processor.variant?.() ?? '';
    const batch: RecordBatch = {
      ...{ logId, topic, partition, first, end, records, variant },
      batchId: batchIdOf(logId, topic, partition, first, end),
      ...(window === null ? {} : { ahead: window.ahead }),
    };
    const startedMs = this.#deps.clock.nowMs();
    // Building reads and changes nothing, so it may come before the intent. An intent, once made, is never braked.
    const output = await this.#whileAlive(() => this.#processor.build(batch, signal));
    if (replayed === undefined && (await this.#isHeldByBrake(batch, output))) return;
    // The intent. Refused (FENCED) means: nothing of this batch was inserted by us, its next owner reads it again.
    const intend = () => this.#assignment.commit(first, intentMetadata(end, logId, variant, window?.upto ?? null));
    await intend();
    const { service } = this.#task;
    const tables = window === null ? output.tables : [windowTable(service, batch, window.upto), ...output.tables];
    for (const { table } of tables) {
      if (!this.#task.tables.includes(table)) throw new InvariantError(`${service} does not name its table ${table}`);
    }
    let isFirstTry = replayed === undefined && this.#isFresh;
    await this.#whileAlive(async () => {
      const isVerified = !isFirstTry;
      isFirstTry = false;
      await landBatch(this.#deps, service, batch, { ...output, tables }, { isReplay: isVerified, intend, signal });
    });
    this.#isFresh = true;
    this.#processor.landed(batch, output);
    this.#next = end;
    this.#committed = null;
    this.#measure(batch, output, startedMs);
  }

  /** True: too much of what came lately is refused. The batch is not begun, and the partition stops until a person looks. */
  async #isHeldByBrake(batch: RecordBatch, output: BatchOutput): Promise<boolean> {
    const stop = this.#brake?.judge(batch.records, output) ?? null;
    if (stop === null) return false;
    this.#stopped = tellStop(stop);
    this.#isBraked = true;
    const { service } = this.#task;
    this.#deps.metrics.count('stream_brake_stops_total', { service, topic: batch.topic });
    this.#deps.logger.error(
      { ...place(this.#task, this.#assignment), first: batch.first, ...stop },
      'partition stopped by its brake: too many records refused',
    );
    await recordStop(this.#deps, service, this.#assignment, batch.first, stop);
    return true;
  }

  /**
   * Runs until it succeeds: infrastructure that says "later" is waited for, with the log as the buffer. Running
   * `landBatch` again is safe: it looks what landed, and every append is recognised as a duplicate.
   */
  async #whileAlive<T>(effect: () => Promise<T>): Promise<T> {
    const { signal } = this.#assignment;
    for (let backoffMs = BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS)) {
      if (signal.aborted) throw new TransportError('FENCED', 'the epoch is over', { retryable: false });
      try {
        return await effect();
      } catch (error) {
        if (!(error instanceof TransportError) || !error.retryable) throw error;
        this.#deps.logger.warn(
          { err: error, ...place(this.#task, this.#assignment), backoff_ms: backoffMs },
          'batch waits',
        );
        await this.#deps.clock.sleep(backoffMs, signal);
      }
    }
  }

  #refuse(error: unknown): 'stop' {
    if (!(error instanceof TransportError)) throw error;
    const { signal } = this.#assignment;
    if (error.code === 'FENCED' || error.code === 'ABORTED' || signal.aborted) {
      this.#deps.metrics.count('stream_batches_dropped_total', { service: this.#task.service });
      throw new TransportError('FENCED', 'batch dropped: the epoch is over', { retryable: false, cause: error });
    }
    // Permanent: neither retried for ever nor dead-lettered. The log keeps the records until a person has looked.
    this.#stopped = error.message;
    this.#deps.logger.error(
      { err: error, ...place(this.#task, this.#assignment) },
      'partition stopped: permanent error',
    );
    return 'stop';
  }

  #gaugeLag(): void {
    const { topic, partition } = this.#assignment;
    const lag = Math.max(0, this.#logEnd - this.#next);
    this.#deps.metrics.gauge('stream_lag_records', lag, { service: this.#task.service, topic, partition });
  }

  #measure(batch: RecordBatch, output: BatchOutput, startedMs: number): void {
    const { service } = this.#task;
    const nowMs = this.#deps.clock.nowMs();
    this.#confirmedAtMs = nowMs;
    this.#deps.metrics.count('stream_batches_total', { service });
    this.#deps.metrics.count('stream_records_total', { service, topic: batch.topic }, batch.records.length);
    for (const { headers } of output.deadLetters)
      this.#deps.metrics.count('stream_dead_letters_total', { service, reason: headers?.['reason'] ?? '' });
    this.#deps.metrics.count('stream_duplicates_total', { service }, output.counts.duplicates);
    this.#deps.metrics.observe('stream_batch_seconds', (nowMs - startedMs) / 1000, { service });
    const oldestMs = batch.records[0]?.timestampMs ?? nowMs;
    this.#deps.metrics.observe('stream_freshness_seconds', Math.max(0, nowMs - oldestMs) / 1000, { service });
  }
}
