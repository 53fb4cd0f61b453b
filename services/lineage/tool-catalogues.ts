import { assert, TransportError } from '../runtime/errors.ts';
import type { Store } from '../runtime/ports.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import { NO_TOOLS, readTools, type ToolCatalogue } from './tool-catalogue.ts';

/** The catalogues of tools a fold goes by: the one in force, and older ones for batches that began under them. */
export interface ToolCatalogues {
  readonly current: () => string;
  readonly ready: (hash: string, signal: AbortSignal) => Promise<void>;
  /** Under which one a batch began, by the states it left; '' when none of them landed. */
  readonly find: (batchId: string, signal: AbortSignal) => Promise<string>;
  /** That of a hash that was made ready; '' (nobody knows any more) gives the one in force. */
  readonly get: (hash: string) => ToolCatalogue;
  /** Writes the one in force down, so that a batch can be made again by it. Before the first of them. */
  readonly keep: (atMs: number, signal: AbortSignal) => Promise<void>;
}

/** Older ones at hand; what falls out is read from the store again. */
const CATALOGUES_MAX = 8;

/** The catalogue that was loaded at start, with those before it in the store. All methods throw TransportError. */
export const createToolCatalogues = (loaded: ToolCatalogue, store: Store): ToolCatalogues => {
  const older = new Map([[NO_TOOLS.hash, NO_TOOLS]]);
  const at = (hash: string): ToolCatalogue | undefined =>
    hash === '' || hash === loaded.hash ? loaded : older.get(hash);
  return {
    current: () => loaded.hash,
    get: (hash) => {
      const found = at(hash);
      assert(found !== undefined, `tool catalogue ${hash} was made ready`);
      return found;
    },
    find: async (batchId, signal) => {
      const [row] = await store.query<{ readonly hash: string }>(
        `SELECT JSONExtractString(state, 'r') AS hash FROM run_state
         WHERE service = 'lineage' AND batch_id = {batch:String} LIMIT 1`,
        { batch: batchId },
        signal,
      );
      return row?.hash ?? '';
    },
    keep: async (atMs, signal) => {
      if (loaded.hash === NO_TOOLS.hash) return;
      const { hash, text, tools } = loaded;
      const row = { catalogue_hash: hash, text, tools, loaded_at: utcMillis(atMs) };
      await store.insert('tool_catalogues', [row], { token: `tool_catalogues/${hash}`, signal });
    },
    ready: async (hash, signal) => {
      if (at(hash) !== undefined) return;
      const [row] = await store.query<{ readonly text: string }>(
        'SELECT text FROM tool_catalogues FINAL WHERE catalogue_hash = {hash:String}',
        { hash },
        signal,
      );
      const read = row === undefined ? null : readTools('catalog', row.text);
      if (read?.kind !== 'ok' || read.catalogue.hash !== hash) {
        const why = row === undefined ? 'is not in tool_catalogues' : 'is no longer understood by this version';
        throw new TransportError('STORE_REJECTED', `tool catalogue ${hash}, by which a batch began, ${why}`, {
          retryable: row === undefined,
        });
      }
      if (older.size > CATALOGUES_MAX) {
        const oldest = [...older.keys()].find((known) => known !== NO_TOOLS.hash);
        if (oldest !== undefined) older.delete(oldest);
      }
      older.set(hash, read.catalogue);
    },
  };
};
