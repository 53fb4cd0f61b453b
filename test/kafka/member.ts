/** A group member in a process of its own, to be killed: tells its parent each value it read. */
import { openLog, read, texts } from './kit.ts';

const { brokers, group, topic } = JSON.parse(process.argv[2] ?? '{}');
await read(openLog(brokers), group, [topic], {
  take: async (batch) => {
    for (const text of texts(batch.records)) process.send?.(text);
    return undefined;
  },
});
