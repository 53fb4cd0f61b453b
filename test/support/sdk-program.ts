/**
 * A program as a user writes it: @opentelemetry/sdk-node with its stock OTLP exporters, one agent run with a
 * tool and two model calls, and a log record. Usage: node sdk-program.ts proto|json|grpc ENDPOINT TENANT
 */
import { Metadata } from '@grpc/grpc-js';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { OTLPLogExporter as GrpcLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as JsonLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPTraceExporter as GrpcTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { NodeSDK } from '@opentelemetry/sdk-node';

const [encoding, endpoint, tenant] = process.argv.slice(2);
const headers = { 'x-tacho-tenant': tenant ?? 'default' };
const metadata = new Metadata();
for (const [name, value] of Object.entries(headers)) metadata.set(name, value);

const exporters = () => {
  const [traces, logRecords] = [`${endpoint}/v1/traces`, `${endpoint}/v1/logs`];
  switch (encoding) {
    case 'json':
      return [
        new JsonTraceExporter({ url: traces, headers }),
        new JsonLogExporter({ url: logRecords, headers }),
      ] as const;
    case 'grpc':
      return [
        new GrpcTraceExporter({ url: endpoint ?? '', metadata }),
        new GrpcLogExporter({ url: endpoint ?? '', metadata }),
      ] as const;
    default:
      return [
        new ProtoTraceExporter({ url: traces, headers }),
        new ProtoLogExporter({ url: logRecords, headers }),
      ] as const;
  }
};
const [traceExporter, logExporter] = exporters();

const sdk = new NodeSDK({
  serviceName: 'shop-assistant',
  traceExporter,
  logRecordProcessors: [new BatchLogRecordProcessor({ exporter: logExporter })],
  instrumentations: [],
});
sdk.start();

const tracer = trace.getTracer('shop', '1.0.0');
const usage = { 'gen_ai.usage.input_tokens': 2101, 'gen_ai.usage.output_tokens': 47 };
tracer.startActiveSpan('invoke_agent triage', (agent) => {
  agent.setAttributes({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'triage',
    'gen_ai.conversation.id': 'sess-42',
  });
  for (const [id, cached] of [
    ['r-1', 0],
    ['r-2', 1024],
  ] as const) {
    const call = tracer.startSpan('chat gpt-4.1', { kind: SpanKind.CLIENT });
    call.setAttributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4.1',
      'gen_ai.response.model': 'gpt-4.1-2025-04-14',
      'gen_ai.response.id': id,
      'gen_ai.usage.cache_read.input_tokens': cached,
      ...usage,
    });
    call.end();
  }
  const tool = tracer.startSpan('execute_tool lookup', { kind: SpanKind.INTERNAL });
  tool.setAttributes({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'lookup',
    'gen_ai.tool.call.id': 'c-1',
    'a.list': ['x', 'y'],
    'a.float': 0.5,
    'a.flag': true,
  });
  tool.recordException(new Error('no such order'));
  tool.setStatus({ code: SpanStatusCode.ERROR, message: 'no such order' });
  tool.end();
  logs.getLogger('shop', '1.0.0').emit({
    eventName: 'shop.order',
    body: { order: 'A-1001', bytes: 3 },
    attributes: { n: 1 },
    context: trace.setSpan(context.active(), agent),
  });
  agent.end();
});
await sdk.shutdown();
