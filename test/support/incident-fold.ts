import { TOPICS } from '../../schemas/topics.ts';
import { incidentFold } from '../../services/alerter/fold.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { EventLog, Store } from '../../services/runtime/ports.ts';
import { createFoldTask } from '../../services/runtime/stream/fold-task.ts';
import { createStreamService, type StreamService } from '../../services/runtime/stream/service.ts';
import { silentLogger } from './engine.ts';

/** The alerter's fold of incident events on a given log and store, without its sender: started, to be drained. */
export const startIncidentFold = async (log: EventLog, store: Store): Promise<StreamService> => {
  const service = createStreamService(
    { log, store, clock: systemClock, logger: silentLogger, metrics: createMetrics() },
    createFoldTask(incidentFold, [TOPICS.incidents], { store }),
    {
      batchRecordsMax: 20,
      batchBytesMax: 8_000_000,
      lingerMs: 5,
      idleMs: 50,
      onCrash: (error: unknown) => {
        throw error;
      },
    },
  );
  await service.start();
  return service;
};
