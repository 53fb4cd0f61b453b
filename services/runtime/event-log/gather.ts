import { TransportError } from '../errors.ts';
import type { LogRecord, PolledBatch } from '../ports.ts';
import type { PartitionSlice } from './backend.ts';
import { type LoopControl, RETRY_MAX_MS, retryWhileAlive } from './loop-control.ts';

/** While a batch fills, the log is looked at this often: a read per append would cost more than the wait. */
const FILL_STEP_MS = 20;
const NEVER_MS = Number.MAX_SAFE_INTEGER;

const readSlice = async (
  control: LoopControl,
  offset: number,
  held: { readonly records: number; readonly bytes: number },
): Promise<PartitionSlice> => {
  const { topic, partition } = control.claim;
  const slice = await retryWhileAlive(control, () =>
    control.backend.read(topic, partition, offset, {
      recordsMax: control.options.recordsMax - held.records,
      bytesMax: control.options.bytesMax - held.bytes,
      isFirst: held.records === 0,
    }),
  );
  const { logStart, logEnd } = slice;
  if (logStart <= offset && logEnd >= offset) return slice;
  // Retention overtook the reader: never skip silently. Assigned anew, the service sees the gap and decides.
  control.backend.logger?.error({ topic, partition, offset, logStart, logEnd }, 'event log: read position is gone');
  throw new TransportError('FENCED', 'the read position is out of the log', { retryable: false });
};

/** Waits for the first record at `offset`; null when the loop shall end. Calls `idle` after `idleMs` without one, again while it says so. */
const firstSlice = async (
  control: LoopControl,
  offset: number,
  idle: () => Promise<boolean>,
): Promise<PartitionSlice | null> => {
  const { backend, claim, options, waker } = control;
  let idleAtMs = backend.clock.nowMs() + options.idleMs;
  while (control.isRunning()) {
    if (backend.endKnown(claim.topic, claim.partition) > offset) {
      const slice = await readSlice(control, offset, { records: 0, bytes: 0 });
      if (slice.records.length > 0) return slice;
    }
    // A clock that was set back must not make the wait longer than it is.
    if (idleAtMs !== NEVER_MS) idleAtMs = Math.min(idleAtMs, backend.clock.nowMs() + options.idleMs);
    const leftMs = idleAtMs - backend.clock.nowMs();
    if (leftMs > 0) {
      await waker.wait(Math.min(leftMs, RETRY_MAX_MS));
    } else {
      idleAtMs = (await idle()) ? backend.clock.nowMs() + options.idleMs : NEVER_MS;
    }
  }
  return null;
};

/**
 * The batch that begins at `offset`: handed over when it has `recordsMax` records or the next one would pass `bytesMax`,
 * or `lingerMs` after its first record was seen. Null when the loop shall end; what was read so far is then let go.
 */
export const gatherBatch = async (
  control: LoopControl,
  offset: number,
  idle: () => Promise<boolean>,
): Promise<PolledBatch | null> => {
  const { backend, claim, options } = control;
  let slice = await firstSlice(control, offset, idle);
  if (slice === null) return null;
  const records: LogRecord[] = [...slice.records];
  let { bytes } = slice;
  let dueMs = backend.clock.nowMs() + options.lingerMs;
  while (control.isRunning()) {
    const next = (records.at(-1)?.offset ?? offset) + 1;
    const isFull = slice.isCut || records.length >= options.recordsMax || bytes >= options.bytesMax;
    // As above: a clock set back by a day would hold the batch for a day.
    dueMs = Math.min(dueMs, backend.clock.nowMs() + options.lingerMs);
    const leftMs = dueMs - backend.clock.nowMs();
    if (isFull || leftMs <= 0) {
      return { records, logEnd: Math.max(slice.logEnd, backend.endKnown(claim.topic, claim.partition)) };
    }
    await backend.clock.sleep(Math.min(leftMs, FILL_STEP_MS), control.ending).catch(() => undefined);
    if (backend.endKnown(claim.topic, claim.partition) <= next) continue;
    slice = await readSlice(control, next, { records: records.length, bytes });
    records.push(...slice.records);
    bytes += slice.bytes;
  }
  return null;
};
