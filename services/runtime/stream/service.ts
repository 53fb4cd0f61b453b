import { groupOf } from '../../../schemas/topics.ts';
import { InvariantError, TransportError } from '../errors.ts';
import type { PartitionReport, ServiceReport } from '../pipeline.ts';
import type { Consumer, Health, PartitionConsumer, Service } from '../ports.ts';
import type { BrakeSettings } from './brake.ts';
import { watchReleases } from './brake-release.ts';
import type { LandDeps } from './land.ts';
import { goesFirst, type Pace, yields } from './pace.ts';
import { createPartitionLoop, type PartitionLoop } from './partition-loop.ts';
import type { StreamTask } from './types.ts';

export interface StreamSettings {
  /** Bounds of one batch (delivery protocol 2.2.1): whichever comes first closes it. */
  readonly batchRecordsMax: number;
  readonly batchBytesMax: number;
  readonly lingerMs: number;
  /** Quiet time after which the plain offset is committed, so that lag reads 0. */
  readonly idleMs: number;
  /** When batches are taken; absent: as soon as they are there. */
  readonly pace?: { readonly of: Pace; readonly isFirst: boolean };
  /** Stops a partition of which too much is refused; absent: nothing does. */
  readonly brake?: BrakeSettings;
  /** A bug surfaced: the process must end and start again from what is stored. */
  readonly onCrash: (error: unknown) => void;
}

/** A service that reads topics through the stream loop. */
export interface StreamService extends Service {
  readonly report: () => ServiceReport;
}

/** Runs a task over every partition its consumer group gives this process. */
export const createStreamService = (deps: LandDeps, task: StreamTask, settings: StreamSettings): StreamService => {
  const loops = new Map<string, PartitionLoop>();
  /** Partitions whose start failed and is tried again, with the reason. */
  const waiting = new Map<string, string>();
  let consumer: Consumer | null = null;
  let hasStarted = false;
  let watching: Promise<void> = Promise.resolve();
  const ending = new AbortController();

  const health = (): Health => {
    if (!hasStarted) return { state: 'starting', detail: 'not yet started' };
    const stopped = [...loops.values()].map((loop) => loop.report()).filter((report) => report.is_stopped);
    deps.metrics.gauge('stream_partitions_stopped', stopped.length, { service: task.service });
    const [unready] = waiting;
    if (stopped.length === 0 && unready !== undefined)
      return { state: 'degraded', detail: `${unready[0]} cannot begin yet: ${unready[1]}` };
    if (stopped.length === 0) return { state: 'ok', detail: '' };
    return { state: 'degraded', detail: tellStopped(stopped) };
  };

  const paced = (loop: PartitionLoop, signal: AbortSignal): PartitionConsumer => {
    if (settings.pace === undefined) return loop;
    const { of: pace, isFirst } = settings.pace;
    if (isFirst) return goesFirst(loop, pace, deps.clock);
    return yields(loop, pace, deps.clock, AbortSignal.any([signal, ending.signal]));
  };

  const join = () =>
    deps.log.consume({
      group: groupOf(task.service),
      topics: task.topics,
      recordsMax: settings.batchRecordsMax,
      bytesMax: settings.batchBytesMax,
      lingerMs: settings.lingerMs,
      idleMs: settings.idleMs,
      assigned: async (assignment) => {
        const key = `${assignment.topic}/${assignment.partition}`;
        assignment.signal.addEventListener('abort', () => waiting.delete(key));
        const loop = await createPartitionLoop(deps, task, assignment, settings.brake).catch((error: unknown) => {
          if (!assignment.signal.aborted) waiting.set(key, String(error));
          throw error;
        });
        waiting.delete(key);
        // The partition moved on while its state was read: it must not stay in the report.
        if (assignment.signal.aborted) throw new TransportError('FENCED', 'the epoch is over', { retryable: false });
        loops.set(key, loop);
        assignment.signal.addEventListener('abort', () => {
          if (loops.get(key) === loop) loops.delete(key);
        });
        return paced(loop, assignment.signal);
      },
      onCrash: (error) =>
        settings.onCrash(new InvariantError(`service ${task.service} met a bug: ${String(error)}`, { cause: error })),
    });
  const braked = () => [...loops.values()].map((loop) => loop.report()).filter((report) => report.is_braked === true);
  /** Leaves the group and joins it again: every partition is assigned anew, also those that stood. */
  const rejoin = async (): Promise<void> => {
    await consumer?.close();
    consumer = ending.signal.aborted ? null : await join();
  };

  return {
    name: task.service,
    start: async () => {
      consumer = await join();
      hasStarted = true;
      if (settings.brake !== undefined) watching = watchReleases(deps, task.service, braked, rejoin, ending.signal);
    },
    health,
    report: () => ({
      service: task.service,
      ...health(),
      partitions: [...loops.values()].map((loop) => loop.report()),
    }),
    drain: async () => {
      ending.abort();
      await watching;
      await consumer?.close();
      consumer = null;
    },
  };
};

const tellStopped = (stopped: readonly PartitionReport[]): string => {
  const isBraked = stopped.every((report) => report.is_braked === true);
  const names = stopped.map(({ topic, partition, is_braked, stopped_because }) =>
    is_braked === true ? `${topic}/${partition} (${stopped_because})` : `${topic}/${partition}`,
  );
  return `stopped by ${isBraked ? 'the brake' : 'a permanent error'}: ${names.join(', ')}`;
};
