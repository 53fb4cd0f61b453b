import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { openSqliteEventLog } from '../../services/runtime/event-log/sqlite.ts';
import { eventLogContract } from './event-log.ts';
import { quietLogger } from './event-log-fixture.ts';

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

eventLogContract('sqlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tacho-log-'));
  const openIt = () => openSqliteEventLog({ ...ports, logger: quietLogger, path: join(folder, 'log.db') });
  const log = await openIt();
  return {
    log,
    openSecond: openIt,
    close: async () => {
      await log.close();
      await rm(folder, { recursive: true, force: true });
    },
    remake: async () => {
      await log.close();
      await rm(folder, { recursive: true, force: true });
      return openIt();
    },
  };
});
