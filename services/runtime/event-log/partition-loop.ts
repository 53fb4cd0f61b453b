import { assert, InvariantError, TransportError } from '../errors.ts';
import type { PartitionConsumer } from '../ports.ts';
import type { Claim, LogBackend, PartitionFacts } from './backend.ts';
import { gatherBatch } from './gather.ts';
import {
  createLoopControl,
  isFenced,
  type LoopControl,
  type LoopOptions,
  RETRY_FIRST_MS,
  RETRY_MAX_MS,
  retryWhileAlive,
} from './loop-control.ts';

/** Kafka's default offset.metadata.max.bytes, so that what fits here fits there. */
const METADATA_BYTES_MAX = 4_096;

/** How the work on a claimed partition ended. */
export type LoopEnd =
  /** Nothing is in flight any more: release it. */
  | 'drained'
  /** The handler said that its epoch is over, or the read position is gone: release it and claim anew. */
  | 'forgotten'
  /** The claim died under the loop: there is nothing left to release. */
  | 'fenced';

/** The running work on one claimed partition: one batch at a time. */
export interface PartitionLoop {
  readonly claim: Claim;
  /** Finish the batch in flight, say idle, end as 'drained'. */
  readonly revoke: () => void;
  /** The epoch is dead: aborts the signal; ends once the handler in flight settled. */
  readonly fence: () => void;
  readonly done: Promise<LoopEnd>;
}

const commitAs = async (control: LoopControl, offset: number, metadata: string): Promise<void> => {
  assert(Number.isSafeInteger(offset) && offset >= 0, `commit of offset ${offset}`);
  assert(Buffer.byteLength(metadata) <= METADATA_BYTES_MAX, 'commit metadata is too long');
  try {
    await retryWhileAlive(control, () => control.backend.commit(control.claim, { offset, metadata }));
  } catch (error) {
    if (isFenced(error)) control.endAs('fenced');
    throw error;
  }
};

const consumerFor = async (control: LoopControl, facts: PartitionFacts): Promise<PartitionConsumer> => {
  const { topic, partition, epoch } = control.claim;
  const consumer = await control.options.assigned({
    ...{ topic, partition, epoch, ...facts },
    ...{ signal: control.epochOver, commit: (offset, metadata) => commitAs(control, offset, metadata) },
  });
  const { startOffset } = consumer;
  const isInside = startOffset >= facts.logStart && startOffset <= facts.logEnd;
  assert(isInside, `startOffset ${startOffset} of ${topic}/${partition} is outside ${facts.logStart}..${facts.logEnd}`);
  return consumer;
};

/** Asks for the consumer until it is ready; null when the loop shall end before that. */
const begin = async (control: LoopControl): Promise<PartitionConsumer | null> => {
  const { group, topic, partition } = control.claim;
  for (let pauseMs = RETRY_FIRST_MS; control.isRunning(); pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
    try {
      return await consumerFor(control, await control.backend.facts(group, topic, partition));
    } catch (error) {
      if (!(error instanceof TransportError) || isFenced(error)) throw error;
      control.backend.logger?.warn({ err: error, topic, partition }, 'event log: not ready for a partition, waiting');
    }
    await control.backend.clock.sleep(pauseMs, control.ending).catch(() => undefined);
  }
  return null;
};

const work = async (control: LoopControl, consumer: PartitionConsumer): Promise<void> => {
  let next = consumer.startOffset;
  let isIdleTold = true;
  /** True: to be told again. */
  const idle = async (): Promise<boolean> => {
    if (isIdleTold) return false;
    await consumer.onIdle();
    isIdleTold = consumer.isWaiting?.() !== true;
    return !isIdleTold;
  };
  while (control.isRunning()) {
    const batch = await gatherBatch(control, next, idle);
    if (batch === null || !control.isRunning()) break;
    isIdleTold = false;
    if ((await consumer.onBatch(batch)) === 'stop') return;
    next = (batch.records.at(-1)?.offset ?? next) + 1;
  }
  if (control.phase() === 'revoked') await idle();
};

const report = (control: LoopControl, error: unknown): void => {
  // After the epoch died, any transport error is its echo (an aborted insert, a refused commit).
  const isEcho = error instanceof TransportError && (isFenced(error) || !control.isAlive());
  if (isEcho) control.endAs('forgotten');
  else
    control.options.onCrash(error instanceof Error ? error : new InvariantError('a handler threw', { cause: error }));
};

const run = async (control: LoopControl): Promise<LoopEnd> => {
  const { topic, partition } = control.claim;
  const unwatch = control.backend.onGrowth(topic, partition, control.waker.wake);
  try {
    const consumer = await begin(control);
    if (consumer !== null) await work(control, consumer);
  } catch (error) {
    report(control, error);
  } finally {
    unwatch();
  }
  // Stopped or crashed: hold the partition, so that nobody runs into the same wall, until it is taken away.
  while (control.isRunning()) await control.waker.wait(RETRY_MAX_MS);
  control.finish();
  const phase = control.phase();
  if (phase === 'fenced') return 'fenced';
  return phase === 'revoked' ? 'drained' : 'forgotten';
};

/** Starts working on a claimed partition. Never rejects: bugs go to `onCrash`, and the loop then waits to be ended. */
export const startPartitionLoop = (backend: LogBackend, claim: Claim, options: LoopOptions): PartitionLoop => {
  const control = createLoopControl(backend, claim, options);
  return {
    claim,
    revoke: () => control.endAs('revoked'),
    fence: () => control.endAs('fenced'),
    done: run(control),
  };
};
