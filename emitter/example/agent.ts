/**
 * A small agent with everything the emitter offers: spans of the GenAI conventions through @opentelemetry/sdk-node, action
 * events, and a handler for requests to stop. The model is made up, with delays like a real one's; nothing leaves the
 * machine but what goes to Kafka.
 *
 *   node emitter/example/agent.ts [--brokers localhost:9092] [--tenant default] [--runs 3] [--spool DIR]
 *
 * Then, while it runs: curl -X POST localhost:7070/api/v1/control -H 'content-type: application/json' \
 *   -d '{"action":"kill","target":{"kind":"agent","id":"order-desk"},"reason":"just trying"}'
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Attributes, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { createEmitter } from '../src/emitter.ts';

const { values } = parseArgs({
  options: {
    brokers: { type: 'string', default: 'localhost:9092' },
    tenant: { type: 'string', default: 'default' },
    runs: { type: 'string', default: '3' },
    spool: { type: 'string' },
  },
});

const AGENT = 'order-desk';
const MODEL = 'gpt-4.1-mini';
/** Runs of this process that are under way. */
const running = new Map<string, AbortController>();
const stopping = new AbortController();

const emitter = createEmitter({
  brokers: values.brokers.split(','),
  tenant: values.tenant,
  service: 'order-desk',
  ...(values.spool === undefined ? {} : { spool: { dir: values.spool } }),
});
const sdk = new NodeSDK({
  serviceName: 'order-desk',
  traceExporter: emitter.spanExporter,
  logRecordProcessors: [new BatchLogRecordProcessor({ exporter: emitter.logRecordExporter })],
  instrumentations: [],
});
sdk.start();
const tracer = trace.getTracer('example', '1.0.0');

const control = emitter.onControl({ agents: [AGENT], isRun: (runId) => running.has(runId) }, (request) => {
  console.log(`${request.requestedBy} asks to ${request.action} ${request.target.kind} ${request.target.id}`);
  if (request.action !== 'kill') return;
  if (request.target.kind === 'agent') stopping.abort();
  for (const [runId, run] of running) {
    if (request.target.kind === 'run' && request.target.id !== runId) continue;
    run.abort();
    // Tachograph only asked: that it was done is for the agent to say.
    const done = { action: request.action, target: `${request.target.kind}:${request.target.id}` };
    emitter.emitAction({ kind: 'control', name: `${request.action} obeyed`, run_id: runId, control: done });
  }
});

/** Runs `work` in a span and ends it, whatever happens. */
const inSpan = <T>(name: string, kind: SpanKind, attributes: Attributes, work: () => Promise<T>): Promise<T> =>
  tracer.startActiveSpan(name, { kind, attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  });

const askModel = (turn: number, signal: AbortSignal): Promise<void> =>
  inSpan(
    `chat ${MODEL}`,
    SpanKind.CLIENT,
    {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': MODEL,
      'gen_ai.response.model': `${MODEL}-2025-04-14`,
      'gen_ai.usage.input_tokens': 900 + turn * 350,
      'gen_ai.usage.output_tokens': 120,
    },
    () => delay(600 + turn * 250, undefined, { signal }),
  );

const callTool = (name: string, id: string, signal: AbortSignal): Promise<void> =>
  inSpan(
    `execute_tool ${name}`,
    SpanKind.INTERNAL,
    { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': name, 'gen_ai.tool.call.id': id },
    async () => {
      await delay(150, undefined, { signal });
      emitter.emitAction({
        kind: 'data_access',
        name: `SELECT ${name}`,
        tool_name: name,
        data: { namespace: 'postgres://orders', name: 'public.orders', operation: 'read', rows: 1 },
      });
    },
  );

const runOnce = (number: number): Promise<void> =>
  inSpan(
    `invoke_agent ${AGENT}`,
    SpanKind.INTERNAL,
    {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': AGENT,
      'gen_ai.conversation.id': `example-${process.pid}-${number}`,
    },
    async () => {
      const runId = trace.getActiveSpan()?.spanContext().traceId ?? '';
      const run = new AbortController();
      running.set(runId, run);
      try {
        for (const turn of [1, 2]) {
          await askModel(turn, run.signal);
          await callTool('lookup_order', `call-${turn}`, run.signal);
        }
        await askModel(3, run.signal);
        console.log(`run ${runId} is done`);
      } finally {
        running.delete(runId);
      }
    },
  );

for (let number = 0; number < Number(values.runs) && !stopping.signal.aborted; number++) {
  await runOnce(number).catch((error: unknown) => console.log(`the run ended: ${String(error)}`));
}
await sdk.shutdown();
await control.close();
await emitter.shutdown();
console.log(JSON.stringify(emitter.stats()));
