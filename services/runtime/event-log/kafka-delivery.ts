import type { EachBatchPayload } from 'kafkajs';
import type { ConsumeOptions } from '../ports.ts';
import type { KafkaPartition } from './kafka-partition.ts';
import { splitRecords, toLogRecord } from './kafka-records.ts';

/** The next offset kafkajs will fetch once `last` of this batch is resolved: it steps over trailing control records. */
const offsetAfter = ({ batch }: EachBatchPayload, last: number): number =>
  batch.messages.at(-1)?.offset === String(last) ? Number(batch.lastOffset()) + 1 : last + 1;

/** Offset a fetch began at (NaN if unknown); in kafkajs' class, not in its types. */
export const fetchedFrom = (batch: object): number =>
  'fetchedOffset' in batch ? Number(batch.fetchedOffset) : Number.NaN;

/** Hands one fetch to its partition in batches within the limits; what was confirmed is not fetched again. */
export const deliverAll = async (
  payload: EachBatchPayload,
  partition: KafkaPartition,
  options: ConsumeOptions,
): Promise<void> => {
  const { batch } = payload;
  const start = partition.expected() ?? 0;
  // A compressed batch comes whole, also when the fetch began in its middle.
  const records = batch.messages.map(toLogRecord).filter(({ offset }) => offset >= start);
  for (const part of splitRecords(records, options.recordsMax, options.bytesMax)) {
    const last = part.at(-1)?.offset ?? start;
    const after = offsetAfter(payload, last);
    if (!(await partition.deliver(part, Number(batch.highWatermark), after))) return;
    payload.resolveOffset(String(last));
  }
};
