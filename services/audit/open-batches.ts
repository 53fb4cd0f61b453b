import type { Store } from '../runtime/ports.ts';
import { findBatchEnd } from '../runtime/stream/intent.ts';

interface Reach {
  readonly service: string;
  readonly log_id: string;
  readonly topic: string;
  readonly partition: number;
  readonly end: string;
}

/**
 * Tells which of these batches without a manifest row are open: they begin where the manifest of a partition ends, so
 * the partition's next owner completes them. A batch id is a hash of its place, so it can be found again by trying.
 * Gives a sentence for each open one.
 */
export const findOpenBatches = async (
  store: Store,
  batchIds: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> => {
  const reaches = await store.query<Reach>(
    'SELECT service, log_id, topic, partition, max(end) AS end FROM batches GROUP BY service, log_id, topic, partition',
  );
  const open = new Map<string, string>();
  for (const { service, log_id, topic, partition, end } of reaches) {
    const first = Number(end);
    const found = findBatchEnd({ logId: log_id, topic, partition, first }, batchIds);
    if (found !== null)
      open.set(found.batchId, `${service} ${topic}/${partition}: batch [${first}, ${found.end}) is still open`);
  }
  return open;
};
