import { TOPICS } from '../../schemas/topics.ts';
import { createFoldTask } from '../runtime/stream/fold-task.ts';
import type { AssignedPartition, BatchProcessor, StreamTask } from '../runtime/stream/types.ts';
import { ALERTER, incidentFold } from './fold.ts';
import type { RoutingSettings } from './routing.ts';
import { createSender, type Sender } from './sender.ts';
import type { SenderDeps } from './sender-deps.ts';
import { createViolationProcessor } from './violation-events.ts';

/** The stream task of the alerter, and the end of what runs beside it. */
export interface AlerterTask {
  readonly task: StreamTask;
  /** Lets notifications under way come to their end; called before the stream is drained. */
  readonly finish: () => Promise<void>;
}

/**
 * Violations become observations, events become incidents, and each owned partition of events gets a sender. Two
 * processes of the group never tell the same: a partition has one owner.
 */
export const createAlerterTask = (settings: RoutingSettings, deps: SenderDeps): AlerterTask => {
  const fold = createFoldTask(incidentFold, [TOPICS.incidents], { store: deps.store });
  const senders = new Set<Sender>();
  const createEventProcessor = (partition: AssignedPartition): BatchProcessor => {
    const processor = fold.createProcessor(partition);
    const sender = createSender(partition, settings, deps);
    senders.add(sender);
    partition.signal.addEventListener('abort', () => senders.delete(sender));
    return {
      build: processor.build,
      landed: (batch, output) => {
        processor.landed(batch, output);
        sender.landed(output.tables.find(({ table }) => table === 'incidents')?.rows ?? [], batch.end);
      },
    };
  };
  return {
    task: {
      service: ALERTER,
      topics: [TOPICS.violations, TOPICS.incidents],
      tables: fold.tables,
      createProcessor: (partition) =>
        partition.topic === TOPICS.violations ? createViolationProcessor() : createEventProcessor(partition),
    },
    finish: async () => {
      await Promise.all([...senders].map((sender) => sender.finish()));
    },
  };
};
