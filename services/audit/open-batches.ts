import type { Store } from '../runtime/ports.ts';
import { findBatchEnd } from '../runtime/stream/intent.ts';

interface Reach {
  readonly service: string;
  readonly log_id: string;
  readonly topic: string;
  readonly partition: number;
  readonly end: string;
}

/** A batch without a manifest row of its service. */
export interface LooseBatch {
  /** The batch id. */
  readonly place: string;
  readonly service?: string;
}

/**
 * Tells which of these batches without a manifest row are open: they begin where the manifest of their service ends in
 * a partition, so the partition's next owner completes them. A batch id is a hash of its place, so it can be found
 * again by trying. Gives a sentence for each open one, by service and batch id.
 */
export const findOpenBatches = async (
  store: Store,
  loose: readonly LooseBatch[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> => {
  const reaches = await store.query<Reach>(
    'SELECT service, log_id, topic, partition, max(end) AS end FROM batches GROUP BY service, log_id, topic, partition',
  );
  const open = new Map<string, Map<string, string>>();
  for (const [owner, batches] of Map.groupBy(loose, (batch) => batch.service ?? '')) {
    const batchIds = new Set(batches.map((batch) => batch.place));
    const found = new Map<string, string>();
    for (const { service, log_id, topic, partition, end } of reaches) {
      if (service !== owner) continue;
      const first = Number(end);
      const batch = findBatchEnd({ logId: log_id, topic, partition, first }, batchIds);
      if (batch !== null)
        found.set(batch.batchId, `${service} ${topic}/${partition}: batch [${first}, ${batch.end}) is still open`);
    }
    open.set(owner, found);
  }
  return open;
};
