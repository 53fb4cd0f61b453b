import { logs as logsApi } from '@opentelemetry/api-logs';
import { OTLPLogExporter as LogsJson } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as LogsProtobuf } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPTraceExporter as TracesJson } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as TracesProtobuf } from '@opentelemetry/exporter-trace-otlp-proto';
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { describe, expect, test } from 'vitest';
import { decodeLogs } from '../../schemas/otlp/decode.ts';
import { recordsOf, spansIn, start } from '../../test/support/receiver.ts';

/** One span and one log record of the real SDK, with every kind of value an attribute takes. */
const record = () => {
  const spans = new InMemorySpanExporter();
  const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('t', '1.2.3');
  const span = tracer.startSpan('chat gpt', {
    attributes: { text: 'é', int: 7, double: 0.5, yes: true, list: ['a', 'b'], big: 2 ** 40 },
  });
  span.addEvent('gen_ai.choice', { index: 0 });
  span.setStatus({ code: 2, message: 'failed' });
  span.end();
  const logs = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter: logs })] });
  provider.getLogger('l').emit({ body: { nested: [1, 'x', { deep: null }] }, attributes: { a: 1 }, eventName: 'e' });
  logsApi.disable();
  return { spans: spans.getFinishedSpans(), logs: logs.getFinishedLogRecords() };
};

interface Exporter<T> {
  readonly export: (batch: T[], done: (result: { code: number; error?: Error }) => void) => void;
  readonly shutdown: () => Promise<void>;
}
const send = async <T>(exporter: Exporter<T>, batch: readonly T[]): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  exporter.export([...batch], ({ code, error }) => (code === 0 ? resolve() : reject(error ?? new Error('not taken'))));
  await promise;
  await exporter.shutdown();
};

describe('the stock exporters of OpenTelemetry JS', () => {
  test('send the same spans in protobuf and JSON', async () => {
    const { url, log } = await start();
    const { spans } = record();
    await send(new TracesProtobuf({ url: `${url}/v1/traces` }), spans);
    await send(new TracesJson({ url: `${url}/v1/traces` }), spans);
    const [first, second, ...rest] = await spansIn(log);
    expect(rest).toEqual([]);
    expect(first).toEqual(second);
    expect(first).toMatchObject({ name: 'chat gpt', statusCode: 2, statusMessage: 'failed' });
    expect(Object.fromEntries(first?.attributes ?? [])).toEqual({
      text: 'é',
      int: 7,
      double: 0.5,
      yes: true,
      list: ['a', 'b'],
      big: 2 ** 40,
    });
  });

  test('send the same log records in protobuf and JSON', async () => {
    const { url, log } = await start();
    const { logs } = record();
    await send(new LogsProtobuf({ url: `${url}/v1/logs` }), logs);
    await send(new LogsJson({ url: `${url}/v1/logs` }), logs);
    const records = (await recordsOf(log, 'otlp_logs')).flatMap(({ value }) => {
      const request = decodeLogs(value);
      return request.kind === 'ok' ? request.value.items.map((entry) => entry.item) : [];
    });
    expect(records.length).toBe(2);
    expect(records[0]).toEqual(records[1]);
    expect(records[0]?.eventName).toBe('e');
  });
});
