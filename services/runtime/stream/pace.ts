import type { Clock, PartitionConsumer } from '../ports.ts';

/** A batch costs the store the same whether it is small or large: whoever is slow takes more at once. */
const REST_MAX_MS = 250;
/** Records that come through this late mean that there is more to do than can be done. */
const LATE_MS = 1_000;
/** Folds then rest so long after each batch, which is large by the next time. */
const YIELD_MS = 1_000;
/** And so many of their batches are under way at a time: each await of who goes first waits behind as many. */
const YIELDING_MAX = 2;
/** What was told longer ago says nothing any more: nothing may have come since. */
const TOLD_MS = 5_000;

/** When the streams of one process take their batches. Decides nothing but that. */
export interface Pace {
  /** A batch of those that go first was confirmed, its oldest record so long after it was logged. */
  readonly passed: (ageMs: number) => void;
  /** Resolves when one that yields may take a batch, or its signal fires; what it gives is called when the batch is done. */
  readonly turn: (signal: AbortSignal) => Promise<() => void>;
  /** How long one that yields rests after a batch that took `tookMs`, when `isBehind` as much as that batch was. */
  readonly restMs: (tookMs: number, isBehind: boolean) => number;
}

/**
 * What is stored first is what all others wait for: while it is late, folds in the same process take fewer, larger batches.
 * Everything gets done, and with less work: a run that is touched by one batch instead of four is read and written once.
 */
export const createPace = (clock: Pick<Clock, 'nowMs'>): Pace => {
  let lateAtMs: number | null = null;
  let underWay = 0;
  const waiting = new Set<() => void>();
  const isLate = (): boolean => lateAtMs !== null && Math.abs(clock.nowMs() - lateAtMs) < TOLD_MS;
  const done = (): void => {
    underWay -= 1;
    for (const go of waiting) {
      if (isLate() && underWay >= YIELDING_MAX) return;
      go();
    }
  };
  return {
    passed: (ageMs) => {
      lateAtMs = ageMs > LATE_MS ? clock.nowMs() : null;
    },
    turn: async (signal) => {
      if (isLate() && underWay >= YIELDING_MAX && !signal.aborted) await waitIn(waiting, signal, () => (underWay += 1));
      else underWay += 1;
      return done;
    },
    restMs: (tookMs, isBehind) => {
      if (isLate()) return YIELD_MS;
      // The next batch is as large as this one was already.
      return isBehind ? 0 : Math.max(0, Math.min(tookMs / 2, REST_MAX_MS));
    },
  };
};

/** Waits in the order of coming; `begun` is called at once when the turn comes, before anybody else is let go. */
const waitIn = (waiting: Set<() => void>, signal: AbortSignal, begun: () => void): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      waiting.delete(go);
      signal.removeEventListener('abort', go);
      begun();
      resolve();
    };
    waiting.add(go);
    signal.addEventListener('abort', go, { once: true });
  });

/** The same partition, its batches taken another way. */
const takenBy = (consumer: PartitionConsumer, onBatch: PartitionConsumer['onBatch']): PartitionConsumer => ({
  startOffset: consumer.startOffset,
  onBatch,
  onIdle: () => consumer.onIdle(),
  isWaiting: () => consumer.isWaiting?.() ?? false,
});

/** A partition that goes first, and tells how late it is. */
export const goesFirst = (consumer: PartitionConsumer, pace: Pace, clock: Clock): PartitionConsumer =>
  takenBy(consumer, async (batch) => {
    const verdict = await consumer.onBatch(batch);
    pace.passed(clock.nowMs() - (batch.records[0]?.timestampMs ?? clock.nowMs()));
    return verdict;
  });

/** A partition that rests after each batch, as `pace` says; the signal ends a rest. */
export const yields = (consumer: PartitionConsumer, pace: Pace, clock: Clock, signal: AbortSignal): PartitionConsumer =>
  takenBy(consumer, async (batch) => {
    const done = await pace.turn(signal);
    const beganMs = clock.nowMs();
    const verdict = await consumer.onBatch(batch).finally(done);
    const next = (batch.records.at(-1)?.offset ?? batch.logEnd) + 1;
    const restMs = pace.restMs(clock.nowMs() - beganMs, batch.logEnd - next >= batch.records.length);
    if (verdict === 'continue' && restMs > 0) await clock.sleep(restMs, signal).catch(() => undefined);
    return verdict;
  });
