import { bytesOf, type Kept, type OutboundRecord, type WaitingLine } from './outbound.ts';

/**
 * A line in memory: what waits when the process ends is lost. When it is full the newest records are refused: those
 * that wait already are the beginning of their runs, without which the rest means little.
 */
export const createMemoryLine = (recordsMax: number, bytesMax: number): WaitingLine => {
  let line: OutboundRecord[] = [];
  let front = 0;
  let items = 0;
  let bytes = 0;

  const offerOne = (record: OutboundRecord): Kept => {
    const size = bytesOf(record);
    if (line.length - front >= recordsMax || bytes + size > bytesMax) return 'full';
    line.push(record);
    items += record.items;
    bytes += size;
    return 'kept';
  };
  return {
    offer: async (records) => records.map(offerOne),
    take: async (most, mostBytes) => {
      let taken = 0;
      let sum = 0;
      while (front + taken < line.length && taken < most) {
        const record = line[front + taken];
        if (record === undefined) break;
        sum += bytesOf(record);
        if (taken > 0 && sum > mostBytes) break;
        taken += 1;
      }
      return line.slice(front, front + taken);
    },
    confirm: async (count) => {
      for (const record of line.slice(front, front + count)) {
        items -= record.items;
        bytes -= bytesOf(record);
      }
      front += count;
      // The confirmed half is let go at once: each record moves a bounded number of times.
      if (front * 2 >= line.length) {
        line = line.slice(front);
        front = 0;
      }
    },
    waiting: () => ({ records: line.length - front, items, bytes }),
    close: async () => {},
    isDurable: false,
  };
};
