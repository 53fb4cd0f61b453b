/**
 * An agent's process with the emitter, for tests that kill it. Usage: node emitter-agent.ts BROKERS SPOOL FIRST COUNT END
 * Emits spans number FIRST to FIRST + COUNT - 1 and one action event, and prints `kept` once all of it waits safely.
 * END `wait`: stays until it is killed; `shutdown`: shuts down; `leave`: says nothing more, so that nothing holds it.
 */
import { createEmitter } from '../../emitter/src/emitter.ts';
import { createSpanSource } from './emitter-spans.ts';

const [brokers = '', spool = '', first = '0', count = '0', end = ''] = process.argv.slice(2);
const emitter = createEmitter({
  brokers: brokers.split(','),
  tenant: 'agents',
  service: 'killed-agent',
  ...(spool === '' ? {} : { spool: { dir: spool } }),
});
const spans = createSpanSource(emitter.spanExporter);
spans.emit(Number(first), Number(count));
emitter.emitAction({
  kind: 'egress',
  name: `event ${first}`,
  run_id: 'ab'.repeat(16),
  egress: { host: 'example.com' },
});
// `forceFlush` of the processor would wait for Kafka as well: what counts here is that the records wait safely.
void spans.handOver();
const expected = Number(count) + 1;
const isKept = (): boolean => {
  const { waiting, sent, recovered } = emitter.stats();
  return waiting + sent - recovered >= expected;
};
while (!isKept()) await new Promise((resolve) => setTimeout(resolve, 5));
process.stdout.write('kept\n');
if (end === 'wait') setInterval(() => {}, 60_000);
if (end === 'shutdown') {
  await emitter.shutdown();
  process.stdout.write(`${JSON.stringify(emitter.stats())}\n`);
}
