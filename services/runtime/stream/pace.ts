import type { Clock, PartitionConsumer } from '../ports.ts';

/** A batch costs the store the same whether it is small or large: whoever is slow takes more at once. */
const REST_MAX_MS = 500;
/** Records that come through this late mean that there is more to do than can be done. */
const LATE_MS = 1_000;
/** Folds then take a batch so often, which is large by then; enough to get on, and to fill a batch at 2,000 steps/s. */
const YIELD_MS = 2_000;
/** What was told longer ago says nothing any more: nothing may have come since. */
const TOLD_MS = 5_000;

/** When the streams of one process take their batches. Decides nothing but that. */
export interface Pace {
  /** A batch of those that go first was confirmed, its oldest record so long after it was logged. */
  readonly passed: (ageMs: number) => void;
  /** How long one that yields rests after a batch that took `tookMs`, when `isBehind` as much as that batch was. */
  readonly restMs: (tookMs: number, isBehind: boolean) => number;
}

/**
 * What is stored first is what all others wait for: while it is late, folds in the same process take fewer, larger batches.
 * Everything gets done, and with less work: a run that is touched by one batch instead of four is read and written once.
 */
export const createPace = (clock: Pick<Clock, 'nowMs'>): Pace => {
  let lateAtMs: number | null = null;
  return {
    passed: (ageMs) => {
      lateAtMs = ageMs > LATE_MS ? clock.nowMs() : null;
    },
    restMs: (tookMs, isBehind) => {
      const isLate = lateAtMs !== null && Math.abs(clock.nowMs() - lateAtMs) < TOLD_MS;
      if (isLate) return YIELD_MS;
      // The next batch is as large as this one was already.
      return isBehind ? 0 : Math.max(0, Math.min(tookMs, REST_MAX_MS));
    },
  };
};

/** A partition that goes first, and tells how late it is. */
export const goesFirst = (consumer: PartitionConsumer, pace: Pace, clock: Clock): PartitionConsumer => ({
  startOffset: consumer.startOffset,
  onBatch: async (batch) => {
    const verdict = await consumer.onBatch(batch);
    pace.passed(clock.nowMs() - (batch.records[0]?.timestampMs ?? clock.nowMs()));
    return verdict;
  },
  onIdle: () => consumer.onIdle(),
  isWaiting: () => consumer.isWaiting?.() ?? false,
});

/** A partition that rests after each batch, as `pace` says; the signal ends a rest. */
export const yields = (
  consumer: PartitionConsumer,
  pace: Pace,
  clock: Clock,
  signal: AbortSignal,
): PartitionConsumer => ({
  startOffset: consumer.startOffset,
  onBatch: async (batch) => {
    const beganMs = clock.nowMs();
    const verdict = await consumer.onBatch(batch);
    const next = (batch.records.at(-1)?.offset ?? batch.logEnd) + 1;
    const restMs = pace.restMs(clock.nowMs() - beganMs, batch.logEnd - next >= batch.records.length);
    if (verdict === 'continue' && restMs > 0) await clock.sleep(restMs, signal).catch(() => undefined);
    return verdict;
  },
  onIdle: () => consumer.onIdle(),
  isWaiting: () => consumer.isWaiting?.() ?? false,
});
