import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import type { LogRecord, Store } from '../runtime/ports.ts';
import { conventionOf } from './conventions/registry.ts';
import type { LogPlace } from './seen-set.ts';
import type { NormalizerSource } from './settings.ts';
import { type SpanView, viewOfLog, viewOfSpan } from './span-view.ts';

/** What the rule looks at in one item of a record. `traceId` '': it belongs to no trace and is judged alone. */
interface Sighting {
  readonly traceId: string;
  readonly isAgent: boolean;
}

/** Sightings of a record by the index of its items. */
export type Sightings = ReadonlyMap<number, Sighting>;

/** What stands in a record; nothing in one that cannot be read. Never throws. */
export const sightingsOf = (record: LogRecord, signal: NormalizerSource['signal']): Sightings => {
  if (signal === 'spans') {
    const decoded = decodeTraces(record.value);
    return decoded.kind === 'refused' ? new Map() : sight(decoded.value.items, viewOfSpan);
  }
  const decoded = decodeLogs(record.value);
  return decoded.kind === 'refused' ? new Map() : sight(decoded.value.items, viewOfLog);
};

const sight = <Item extends { readonly index: number }>(
  items: readonly Item[],
  viewOf: (item: Item) => SpanView,
): Sightings =>
  new Map(
    items.map((item) => {
      const view = viewOf(item);
      return [item.index, { traceId: view.traceId, isAgent: isAgentStep(view) }];
    }),
  );

const isAgentStep = (view: SpanView): boolean => {
  try {
    return conventionOf(view).read(view).stepKind !== 'other';
  } catch {
    // A bug of ours: the item is kept, and becomes a dead letter where it is normalised.
    return true;
  }
};

/** Where the steps of agents of one trace stand in the records looked at. */
interface Evidence {
  readonly firstOffset: number;
  readonly firstMs: number;
}

/**
 * The rule of `keep: agent_traces`: an item is kept when it is a step of an agent (not `other`), or when one of its trace
 * stands before it in its partition, or behind it, logged no later than `holdMs` after it. So the answer hangs on the log
 * alone, not on how it is cut into batches. `records`: the batch and what was read behind it; `stored`: traces of which a
 * step of an agent was stored before the batch.
 */
export const createTraceFilter = (
  records: readonly LogRecord[],
  sightings: (record: LogRecord) => Sightings,
  stored: (traceId: string) => boolean,
  holdMs: number,
): ((record: LogRecord, index: number) => boolean) => {
  const evidence = new Map<string, Evidence>();
  for (const record of records) {
    for (const { traceId, isAgent } of sightings(record).values()) {
      if (!isAgent) continue;
      const known = evidence.get(traceId);
      const firstMs = Math.min(known?.firstMs ?? record.timestampMs, record.timestampMs);
      evidence.set(traceId, { firstOffset: known?.firstOffset ?? record.offset, firstMs });
    }
  }
  return (record, index) => {
    const sighting = sightings(record).get(index);
    if (sighting === undefined || sighting.isAgent) return true;
    const { traceId } = sighting;
    if (traceId === '') return false;
    if (stored(traceId)) return true;
    const found = evidence.get(traceId);
    if (found === undefined) return false;
    return found.firstOffset <= record.offset || found.firstMs <= record.timestampMs + holdMs;
  };
};

/** Traces remembered, about 100 bytes each; what was forgotten is asked for again. */
const TRACES_MAX = 200_000;
/** Trace ids of one query: parameters travel in the URL. */
const ASKED_MAX = 1_000;

/**
 * Which traces of one partition have a step of an agent in `spans`. A cache of that table, complete up to `next`; the same
 * rows give the same answer whatever is remembered.
 */
export interface StoredTraces {
  readonly has: (traceId: string) => boolean;
  /** Makes `has` right for these traces and a batch that begins at `first`. Throws TransportError. */
  readonly load: (traceIds: Iterable<string>, first: number, signal: AbortSignal) => Promise<void>;
  /** A batch landed that ends at `end`, with steps of agents of these traces. */
  readonly take: (agentTraces: Iterable<string>, end: number) => void;
}

/** A cache that knows nothing yet. */
export const createStoredTraces = (store: Store, place: LogPlace): StoredTraces => {
  const known = new Map<string, boolean>();
  let next: number | null = null;
  return {
    has: (traceId) => known.get(traceId) === true,
    load: async (traceIds, first, signal) => {
      if (next !== first || known.size > TRACES_MAX) known.clear();
      next = first;
      const asked = [...new Set(traceIds)].filter((traceId) => !known.has(traceId));
      for (let at = 0; at < asked.length; at += ASKED_MAX) {
        const ids = asked.slice(at, at + ASKED_MAX);
        const found = new Set(await readAgentTraces(store, place, first, ids, signal));
        for (const id of ids) known.set(id, found.has(id));
      }
    },
    take: (agentTraces, end) => {
      for (const traceId of agentTraces) known.set(traceId, true);
      next = end;
    },
  };
};

const readAgentTraces = async (
  store: Store,
  place: LogPlace,
  first: number,
  traceIds: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const rows = await store.query<{ readonly trace_id: string }>(
    `SELECT DISTINCT trace_id FROM spans
     WHERE trace_id IN {ids:Array(String)} AND step_kind != 'other' AND log_id = {log_id:String}
       AND log_topic = {topic:String} AND log_partition = {partition:UInt32} AND log_offset < {first:UInt64}`,
    { ids: traceIds, log_id: place.logId, topic: place.topic, partition: place.partition, first },
    signal,
  );
  return rows.map((row) => row.trace_id);
};
