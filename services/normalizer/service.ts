import { assert } from '../runtime/errors.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Logger, LogRecord, Store } from '../runtime/ports.ts';
import { DEAD_LETTER_TABLE } from '../runtime/stream/dead-letters.ts';
import {
  type BatchOutput,
  type BatchProcessor,
  type RecordBatch,
  STATE_TABLE,
  type StreamTask,
} from '../runtime/stream/types.ts';
import { createStoredTraces, createTraceFilter, type Sightings, sightingsOf } from './agent-traces.ts';
import { NORMALIZER } from './dead-letters.ts';
import type { NormalizeOptions } from './otlp-step.ts';
import { type BlockTables, type Keeps, type NormalizedBatch, normalizeBatch, replayedSteps } from './processor.ts';
import { createRedactor } from './redact.ts';
import { loadStoredSteps } from './replayed.ts';
import { createSeenSet, type LogPlace, loadSeenSteps } from './seen-set.ts';
import type { NormalizerSettings, NormalizerSource } from './settings.ts';

export interface NormalizerDeps {
  readonly store: Store;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * The normalizer as a stream task: records of the configured topics → rows of `spans` and `span_content`, steps on
 * `agent_steps`, dead letters. Throws InvariantError when a topic is assigned that no source names.
 */
export const createNormalizerTask = (settings: NormalizerSettings, deps: NormalizerDeps): StreamTask => {
  // One memory of scanned texts for all partitions: the same history is resent whatever the partition.
  const options: NormalizeOptions = { redactor: createRedactor(settings.redact), mode: settings.content };
  return {
    service: NORMALIZER,
    topics: settings.sources.map((source) => source.topic),
    tables: ['spans', 'span_content', DEAD_LETTER_TABLE, STATE_TABLE],
    createProcessor: (place) => {
      const source = settings.sources.find((candidate) => candidate.topic === place.topic);
      assert(source !== undefined, `no source names the topic ${place.topic}`);
      return createNormalizer(source, place, options, deps);
    },
  };
};

/** What `variant` says of a batch of which only traces of agents are kept: the hold decides its rows. */
const KEEP_VARIANT = /^agent_traces\/(\d{1,9})$/;

const createNormalizer = (
  source: NormalizerSource,
  place: LogPlace,
  options: NormalizeOptions,
  deps: NormalizerDeps,
): BatchProcessor => {
  const seen = createSeenSet();
  const traces = createKeptTraces(source, place, deps);
  const built = new WeakMap<BatchOutput, NormalizedBatch>();
  const holdMs = source.hold_ms ?? 0;
  return {
    ...(source.keep === 'agent_traces' ? { variant: () => `agent_traces/${holdMs}`, lookAhead: { holdMs } } : {}),
    build: async (batch, signal) => {
      // The set must be complete up to the batch: after a start, a dropped batch or a replay it is read anew.
      if (seen.next() !== batch.first)
        seen.load(await loadSeenSteps(deps.store, place, batch.first, signal), batch.first);
      const replayed = replayedSteps(batch, source, options);
      const stored = await loadStoredSteps(deps.store, place, batch.first, replayed, signal);
      const isSeen = stored.size === 0 ? seen.has : (stepId: string) => seen.has(stepId) || stored.has(stepId);
      const keeps = await traces.filterOf(batch, signal);
      const into = await beginBlocks(deps.store, signal);
      const normalized = normalizeBatch(batch, source, isSeen, options, keeps, into);
      built.set(normalized.output, normalized);
      return normalized.output;
    },
    landed: (batch, output) => {
      const normalized = built.get(output);
      assert(normalized !== undefined, 'a batch landed that this processor did not build');
      seen.take(normalized.stored, batch.end);
      traces.landed(batch, normalized.agentTraces);
      deps.metrics.count('stream_filtered_total', { service: NORMALIZER }, output.counts.filtered);
      for (const [family, items] of normalized.families)
        deps.metrics.count('normalizer_items_total', { family }, items);
    },
  };
};

const beginBlocks = async (store: Store, signal: AbortSignal): Promise<BlockTables | null> =>
  store.blocks === undefined
    ? null
    : {
        spans: await store.blocks.begin('spans', signal),
        content: await store.blocks.begin('span_content', signal),
      };

/** The rule of `keep` over the batches of one partition. */
const createKeptTraces = (source: NormalizerSource, place: LogPlace, deps: NormalizerDeps) => {
  const stored = createStoredTraces(deps.store, place);
  // A held record is looked at by every batch before it: it is read once.
  const known = new WeakMap<LogRecord, Sightings>();
  const sightings = (record: LogRecord): Sightings => {
    const found = known.get(record) ?? sightingsOf(record, source.signal);
    known.set(record, found);
    return found;
  };
  const tracesOf = (batch: RecordBatch): readonly string[] =>
    batch.records.flatMap((record) =>
      [...sightings(record).values()].flatMap(({ traceId }) => (traceId === '' ? [] : [traceId])),
    );
  return {
    /** By what the batch began with, not by the config of today. */
    filterOf: async (batch: RecordBatch, signal: AbortSignal): Promise<Keeps | undefined> => {
      const hold = KEEP_VARIANT.exec(batch.variant)?.[1];
      if (hold === undefined) return undefined;
      await stored.load(tracesOf(batch), batch.first, signal);
      return createTraceFilter([...batch.records, ...(batch.ahead ?? [])], sightings, stored.has, Number(hold));
    },
    /** As the table `spans` has it now. */
    landed: (batch: RecordBatch, agentTraces: ReadonlySet<string>): void => {
      if (KEEP_VARIANT.test(batch.variant)) stored.take([...agentTraces], batch.end);
    },
  };
};
