import { type Attributes, context, trace } from '@opentelemetry/api';
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

/** Spans of one trace. */
const TRACE_SPANS = 10;

export interface SpanSource {
  /** Ends spans number `first` to `first + count - 1`, ten a trace; their attribute `test.number` tells which. */
  readonly emit: (first: number, count: number, attributes?: (number: number) => Attributes) => void;
  /** Resolves once the SDK has handed everything to the exporter, and that has answered. */
  readonly handOver: () => Promise<void>;
  readonly shutdown: () => Promise<void>;
}

/** The tracing of an agent as the SDK sets it up, over a given exporter. */
export const createSpanSource = (exporter: SpanExporter): SpanSource => {
  const processor = new BatchSpanProcessor(exporter, {
    maxQueueSize: 1_000_000,
    maxExportBatchSize: 512,
    scheduledDelayMillis: 50,
    exportTimeoutMillis: 60_000,
  });
  const provider = new BasicTracerProvider({ spanProcessors: [processor] });
  const tracer = provider.getTracer('test', '1.0.0');
  const emitTrace = (first: number, count: number, attributes: (number: number) => Attributes): void => {
    const root = tracer.startSpan('invoke_agent triage', {
      attributes: { 'gen_ai.operation.name': 'invoke_agent', 'test.number': first, ...attributes(first) },
    });
    const inside = trace.setSpan(context.active(), root);
    for (let number = first + 1; number < first + count; number++) {
      const span = tracer.startSpan(
        'execute_tool lookup',
        {
          attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'lookup', 'test.number': number },
        },
        inside,
      );
      span.setAttributes(attributes(number));
      span.end();
    }
    root.end();
  };
  return {
    emit: (first, count, attributes = () => ({})) => {
      for (let at = 0; at < count; at += TRACE_SPANS) {
        emitTrace(first + at, Math.min(TRACE_SPANS, count - at), attributes);
      }
    },
    handOver: () => processor.forceFlush(),
    shutdown: () => provider.shutdown(),
  };
};
