import { assert } from '../runtime/errors.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Logger, Store } from '../runtime/ports.ts';
import type { BatchOutput, BatchProcessor, StreamTask } from '../runtime/stream/types.ts';
import type { NormalizeOptions } from './otlp-step.ts';
import { type NormalizedBatch, normalizeBatch } from './processor.ts';
import { createRedactor } from './redact.ts';
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
    service: 'normalizer',
    topics: settings.sources.map((source) => source.topic),
    tables: ['spans', 'span_content', 'dead_letters'],
    createProcessor: (place) => {
      const source = settings.sources.find((candidate) => candidate.topic === place.topic);
      assert(source !== undefined, `no source names the topic ${place.topic}`);
      return createNormalizer(source, place, options, deps);
    },
  };
};

const createNormalizer = (
  source: NormalizerSource,
  place: LogPlace,
  options: NormalizeOptions,
  deps: NormalizerDeps,
): BatchProcessor => {
  const seen = createSeenSet();
  const built = new WeakMap<BatchOutput, NormalizedBatch>();
  return {
    build: async (batch, signal) => {
      // The set must be complete up to the batch: after a start, a dropped batch or a replay it is read anew.
      if (seen.next() !== batch.first)
        seen.load(await loadSeenSteps(deps.store, place, batch.first, signal), batch.first);
      const normalized = normalizeBatch(batch, source, seen.has, options);
      built.set(normalized.output, normalized);
      return normalized.output;
    },
    landed: (batch, output) => {
      const normalized = built.get(output);
      assert(normalized !== undefined, 'a batch landed that this processor did not build');
      seen.take(normalized.stored, batch.end);
      for (const [family, items] of normalized.families)
        deps.metrics.count('normalizer_items_total', { family }, items);
    },
  };
};
