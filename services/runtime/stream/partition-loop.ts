import { InvariantError, TransportError } from '../errors.ts';
import type { PartitionReport } from '../pipeline.ts';
import type { Assignment, LogRecord, PartitionConsumer, PolledBatch } from '../ports.ts';
import { batchIdOf, type Intent, intentMetadata } from './intent.ts';
import { type LandDeps, landBatch } from './land.ts';
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
): Promise<PartitionLoop> => {
  const start = await findStart(deps, task, assignment);
  if (start.gap !== null) deps.logger.error({ ...place(task, assignment), ...start }, start.gap);
  // The manifest is ahead of the group (a batch was confirmed, its acknowledgement was not): tell the group, so that
  // lag reads right. With an open intent the group's offset must stay where it is.
  const { committed } = assignment;
  const isBehind = start.offset > 0 && (committed?.offset !== start.offset || committed.metadata !== '');
  if (start.gap === null && start.intent === null && isBehind) await assignment.commit(start.offset, '');
  return new Loop(deps, task, assignment, start);
};

const place = (task: StreamTask, assignment: Assignment) => ({
  service: task.service,
  topic: assignment.topic,
  partition: assignment.partition,
  epoch: assignment.epoch,
});

const DAY_MS = 86_400_000;
/** Tables are partitioned by day, and ClickHouse refuses an insert into more than 100 partitions (code 252). */
const BATCH_DAYS_MAX = 60;

/** A sparse topic of another producer may hold months in a few records: such a batch is closed earlier. */
const splitByDays = (records: readonly LogRecord[]): readonly (readonly LogRecord[])[] => {
  const parts: LogRecord[][] = [];
  let days = new Set<number>();
  for (const record of records) {
    const day = Math.floor(record.timestampMs / DAY_MS);
    if (parts.length === 0 || (!days.has(day) && days.size >= BATCH_DAYS_MAX)) {
      parts.push([]);
      days = new Set();
    }
    days.add(day);
    parts.at(-1)?.push(record);
  }
  return parts;
};

class Loop implements PartitionLoop {
  readonly startOffset: number;
  readonly #deps: LandDeps;
  readonly #task: StreamTask;
  readonly #assignment: Assignment;
  readonly #processor: BatchProcessor;
  #replay: Intent | null;
  #held: LogRecord[] = [];
  #next: number;
  #committed: number | null = null;
  #logEnd: number;
  #stopped: string | null;
  #confirmedAtMs: number | null = null;

  constructor(deps: LandDeps, task: StreamTask, assignment: Assignment, start: Start) {
    this.#deps = deps;
    this.#task = task;
    this.#assignment = assignment;
    this.startOffset = start.offset;
    this.#next = start.offset;
    this.#replay = start.intent;
    this.#logEnd = assignment.logEnd;
    this.#stopped = start.gap;
    this.#processor = task.createProcessor({
      logId: assignment.logId,
      topic: assignment.topic,
      partition: assignment.partition,
      signal: assignment.signal,
    });
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
      confirmed_at_ms: this.#confirmedAtMs,
    };
  }

  async onBatch(polled: PolledBatch): Promise<'continue' | 'stop'> {
    this.#logEnd = Math.max(this.#logEnd, polled.logEnd);
    if (this.#stopped !== null) return 'stop';
    try {
      await this.#take(polled.records);
      this.#gaugeLag();
      return 'continue';
    } catch (error) {
      return this.#refuse(error);
    }
  }

  async onIdle(): Promise<void> {
    if (this.#stopped !== null || this.#replay !== null || this.#committed === this.#next) return;
    // Only here the offset moves without an intent: every row before it is confirmed, so lag may read 0.
    await this.#assignment.commit(this.#next, '');
    this.#committed = this.#next;
    this.#gaugeLag();
  }

  async #take(records: readonly LogRecord[]): Promise<void> {
    if (this.#replay === null) {
      for (const part of splitByDays(records)) await this.#confirm(this.#next, part);
      return;
    }
    // An open intent is replayed with its own boundaries, however the log now hands the records over.
    const { first, end, variant } = this.#replay;
    this.#held.push(...records);
    if ((this.#held.at(-1)?.offset ?? 0) < end - 1) return;
    const rest = this.#held.filter((record) => record.offset >= end);
    const replayed = this.#held.filter((record) => record.offset < end);
    this.#held = [];
    await this.#confirm(first, replayed, { end, variant });
    this.#replay = null;
    for (const part of splitByDays(rest)) await this.#confirm(this.#next, part);
  }

  async #confirm(
    first: number,
    records: readonly LogRecord[],
    replayed?: Pick<Intent, 'end' | 'variant'>,
  ): Promise<void> {
    const last = records.at(-1);
    if (last === undefined) throw new InvariantError('a batch without records');
    const { logId, topic, partition, signal } = this.#assignment;
    const end = replayed?.end ?? last.offset + 1;
    const variant = replayed?.variant ?? this.#processor.variant?.() ?? '';
    const batch: RecordBatch = {
      logId,
      topic,
      partition,
      first,
      end,
      records,
      batchId: batchIdOf(logId, topic, partition, first, end),
      variant,
    };
    const startedMs = this.#deps.clock.nowMs();
    // The intent. Refused (FENCED) means: nothing of this batch was inserted by us, its next owner reads it again.
    await this.#assignment.commit(first, intentMetadata(end, logId, variant));
    const output = await this.#whileAlive(() => this.#processor.build(batch, signal));
    for (const { table } of output.tables) {
      if (!this.#task.tables.includes(table))
        throw new InvariantError(`${this.#task.service} does not name its table ${table}`);
    }
    let isFirstTry = replayed === undefined;
    await this.#whileAlive(async () => {
      const isVerified = !isFirstTry;
      isFirstTry = false;
      await landBatch(this.#deps, this.#task.service, batch, output, isVerified, signal);
    });
    this.#processor.landed(batch, output);
    this.#next = end;
    this.#committed = null;
    this.#measure(batch, output, startedMs);
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
    this.#deps.metrics.count('stream_duplicates_total', { service }, output.counts.duplicates);
    this.#deps.metrics.observe('stream_batch_seconds', (nowMs - startedMs) / 1000, { service });
    const oldestMs = batch.records[0]?.timestampMs ?? nowMs;
    this.#deps.metrics.observe('stream_freshness_seconds', Math.max(0, nowMs - oldestMs) / 1000, { service });
  }
}
