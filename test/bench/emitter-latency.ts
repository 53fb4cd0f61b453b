/**
 * What ending a span costs the agent with the broker up, and with it gone: `node test/bench/emitter-latency.ts [SPANS]`.
 * Prints p50, p99 and the largest of both, for the memory line and for the spool, and how the event loop was held up.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { createEmitter } from '../../emitter/src/emitter.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { openLog } from '../kafka/kit.ts';
import { startKafkaBroker } from '../support/kafka-broker.ts';

const SPANS = Number(process.argv[2] ?? 20_000);
/** Spans a second of a very busy agent, in bursts of ten. */
const BURST = 10;
const BURST_PAUSE_MS = 5;

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

interface Result {
  readonly p50: number;
  readonly p99: number;
}

const measure = async (name: string, brokers: readonly string[], spool: string | null): Promise<Result> => {
  const emitter = createEmitter({ brokers, tenant: 'bench', ...(spool === null ? {} : { spool: { dir: spool } }) });
  const provider = new BasicTracerProvider({
    spanProcessors: [
      new BatchSpanProcessor(emitter.spanExporter, { scheduledDelayMillis: 200, maxQueueSize: 100_000 }),
    ],
  });
  const tracer = provider.getTracer('bench');
  const loop = monitorEventLoopDelay({ resolution: 5 });
  const times: number[] = [];
  loop.enable();
  for (let number = 0; number < SPANS; number++) {
    const span = tracer.startSpan('chat', { attributes: { 'gen_ai.operation.name': 'chat', text: 'x'.repeat(400) } });
    const started = performance.now();
    span.end();
    times.push((performance.now() - started) * 1000);
    if (number % BURST === BURST - 1) await delay(BURST_PAUSE_MS);
  }
  loop.disable();
  const sorted = times.slice(BURST * 100).toSorted((a, b) => a - b);
  const { sent, waiting, droppedFull } = emitter.stats();
  const [p50, p99, most] = [at(sorted, 0.5), at(sorted, 0.99), at(sorted, 1)];
  console.log(
    `${name.padEnd(22)} end of a span: p50 ${p50.toFixed(1)} µs, p99 ${p99.toFixed(1)} µs, most ${(most / 1000).toFixed(2)} ms; ` +
      `event loop p99 ${(loop.percentile(99) / 1e6).toFixed(1)} ms; sent ${sent}, waiting ${waiting}, dropped ${droppedFull}`,
  );
  await provider.shutdown();
  await emitter.shutdown();
  return { p50, p99 };
};

const broker = await startKafkaBroker();
const log = openLog(broker.brokers);
const dir = mkdtempSync(join(tmpdir(), 'tacho-latency-'));
await log.ensureTopics([{ topic: TOPICS.spans, partitions: 6, retentionMs: 3_600_000, recordBytesMax: 1_000_000 }]);
await measure('(warming up)', broker.brokers, null);
const up = await measure('broker up', broker.brokers, null);
const upSpool = await measure('broker up, spool', broker.brokers, join(dir, 'up'));
await log.close();
await broker.kill();
const gone = await measure('broker gone', broker.brokers, null);
const goneSpool = await measure('broker gone, spool', broker.brokers, join(dir, 'gone'));
const ratio = (a: Result, b: Result): string =>
  `p50 × ${(b.p50 / a.p50).toFixed(2)}, p99 × ${(b.p99 / a.p99).toFixed(2)}`;
console.log(`gone against up: ${ratio(up, gone)}; with the spool: ${ratio(upSpool, goneSpool)}`);
await broker.stop();
rmSync(dir, { recursive: true, force: true });
