/**
 * The normalizer with as little beyond the OTel Collector's work (decode, recognise, store) as its switches allow. A
 * program for `normalizer-kafka`, configured by the environment like `tacho normalizer`.
 *
 * Off: steps are not sent to their topic; secrets are not replaced. Still on, which counts against us: steps are made
 * and encoded, then thrown away; texts are scanned, for the classes of what is in them; contents get a table of their own
 * and a fingerprint each; one vocabulary for all emitters; exactly-once with intents and manifest; the search for
 * duplicates.
 */
import { openLog } from '../../services/commands/open-log.ts';
import { openClientStore } from '../../services/commands/open-store.ts';
import { topicSpecs } from '../../services/commands/topic-specs.ts';
import { createWorld } from '../../services/commands/world.ts';
import { createNormalizerTask } from '../../services/normalizer/service.ts';
import { loadConfig } from '../../services/runtime/config.ts';
import { createStreamService } from '../../services/runtime/stream/service.ts';
import type { BatchOutput, BatchProcessor } from '../../services/runtime/stream/types.ts';

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const world = createWorld(loadConfig(process.env['TACHO_CONFIG'] ?? null, process.env), stop.signal);
const log = await openLog(world);
const opened = await openClientStore(world);
const { kafka, normalizer, stream } = world.config;

/** The same processor, whose steps go nowhere. */
const withoutSteps = (whole: BatchProcessor): BatchProcessor => {
  const built = new WeakMap<BatchOutput, BatchOutput>();
  return {
    ...whole,
    build: async (batch, signal) => {
      const output = await whole.build(batch, signal);
      const stored = { ...output, produce: [] };
      built.set(stored, output);
      return stored;
    },
    landed: (batch, output) => whole.landed(batch, built.get(output) ?? output),
  };
};

const whole = createNormalizerTask(
  { ...normalizer, sources: kafka.sources, redact: false },
  { ...world, store: opened.store },
);
await log.ensureTopics(topicSpecs(world.config));
const service = createStreamService(
  { ...world, log, store: opened.store },
  { ...whole, createProcessor: (place) => withoutSteps(whole.createProcessor(place)) },
  {
    batchRecordsMax: stream.batch_records_max,
    batchBytesMax: stream.batch_bytes_max,
    lingerMs: stream.linger_ms,
    idleMs: stream.idle_ms,
    onCrash: (error) => {
      console.error(error);
      process.exit(70);
    },
  },
);
await service.start();
console.log('the plain normalizer is running');
if (!stop.signal.aborted) await new Promise((done) => stop.signal.addEventListener('abort', done));
await service.drain();
await opened.close();
await log.close();
