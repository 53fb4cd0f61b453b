import type { LogRecord } from '../ports.ts';

const DAY_MS = 86_400_000;
/** Tables are partitioned by day, and ClickHouse refuses an insert into more than 100 partitions (code 252). */
const BATCH_DAYS_MAX = 60;

/** A sparse topic of another producer may hold months in a few records: such a batch is closed earlier. */
export const splitByDays = (records: readonly LogRecord[]): readonly (readonly LogRecord[])[] => {
  const parts: LogRecord[][] = [];
  let days = new Set<number>();
  for (const record of records) {
    const day = Math.floor(record.timestampMs / DAY_MS);
    if (parts.length === 0 || (!days.has(day) && days.size >= BATCH_DAYS_MAX)) {
      parts.push([]);
      days = new Set();
    }
    days.add(day);
    parts.at(-1)?.push(record);
  }
  return parts;
};
