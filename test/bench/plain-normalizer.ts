/**
 * The normalizer with no more work than the OTel Collector does on the same way: decode, recognise, store. A program for
 * `normalizer-kafka`, configured by the environment like `tacho normalizer`.
 *
 * Off: the scan for secrets; steps are not produced (they are still made and thrown away, which counts against us).
 * Still on, though the collector has nothing like it: exactly-once with intents and manifest, the search for duplicates,
 * one vocabulary for all emitters, contents in a table of their own with a fingerprint each.
 */
import { openLog } from '../../services/commands/open-log.ts';
import { openClientStore } from '../../services/commands/open-store.ts';
import { topicSpecs } from '../../services/commands/topic-specs.ts';
import { createWorld } from '../../services/commands/world.ts';
import { normalizeBatch } from '../../services/normalizer/processor.ts';
import { createSeenSet, loadSeenSteps } from '../../services/normalizer/seen-set.ts';
import { loadConfig } from '../../services/runtime/config.ts';
import { createStreamService } from '../../services/runtime/stream/service.ts';
import type { BatchOutput, StreamTask } from '../../services/runtime/stream/types.ts';

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const world = createWorld(loadConfig(process.env['TACHO_CONFIG'] ?? null, process.env), stop.signal);
const log = await openLog(world);
const opened = await openClientStore(world);
const { kafka, normalizer, stream } = world.config;
const options = { redactor: { redact: (text: string) => ({ text, classes: [] }) }, mode: normalizer.content };

const task: StreamTask = {
  service: 'normalizer',
  topics: kafka.sources.map(({ topic }) => topic),
  tables: ['spans', 'span_content', 'dead_letters'],
  createProcessor: (place) => {
    const source = kafka.sources.find(({ topic }) => topic === place.topic);
    if (source === undefined) throw new Error(`no source ${place.topic}`);
    const seen = createSeenSet();
    const stored = new WeakMap<BatchOutput, ReturnType<typeof normalizeBatch>['stored']>();
    return {
      build: async (batch, signal) => {
        if (seen.next() !== batch.first)
          seen.load(await loadSeenSteps(opened.store, place, batch.first, signal), batch.first);
        const normalized = normalizeBatch(batch, source, seen.has, options);
        const output = { ...normalized.output, produce: [] };
        stored.set(output, normalized.stored);
        return output;
      },
      landed: (batch, output) => seen.take(stored.get(output) ?? [], batch.end),
    };
  },
};

await log.ensureTopics(topicSpecs(world.config));
const service = createStreamService({ ...world, log, store: opened.store }, task, {
  batchRecordsMax: stream.batch_records_max,
  batchBytesMax: stream.batch_bytes_max,
  lingerMs: stream.linger_ms,
  idleMs: stream.idle_ms,
  onCrash: (error) => {
    console.error(error);
    process.exit(70);
  },
});
await service.start();
console.log('the plain normalizer is running');
if (!stop.signal.aborted) await new Promise((done) => stop.signal.addEventListener('abort', done));
await service.drain();
await opened.close();
await log.close();
