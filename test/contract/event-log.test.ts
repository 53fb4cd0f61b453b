import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { eventLogContract } from './event-log.ts';

const ports = { clock: systemClock, random: systemRandom };

eventLogContract('memory', async () => {
  const log = createMemoryEventLog(ports);
  return {
    log,
    openSecond: async () => log.openClient(),
    close: log.close,
    remake: async (topic) => {
      log.faults.remakeTopic(topic);
      return log.openClient();
    },
  };
});
