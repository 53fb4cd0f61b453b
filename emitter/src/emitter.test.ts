import { type Attributes, DiagLogLevel, diag } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import type { ExportResult } from '@opentelemetry/core';
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, describe, expect, test } from 'vitest';
import { decodeActionEvent } from '../../schemas/action-event-codec.ts';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import { actionRecord } from './action-record.ts';
import { createEmitter, type Emitter, KafkaSpanExporter } from './emitter.ts';
import { logRecords, spanRecords } from './otlp-records.ts';
import { type EmitterOptions, settingsOf } from './settings.ts';

/** Nothing listens there. */
const GONE = ['127.0.0.1:1'];
const PLACE = { topic: 't', tenant: 'acme' };

const emitters: Emitter[] = [];
const create = (change: Partial<EmitterOptions> = {}): Emitter => {
  const emitter = createEmitter({ brokers: GONE, flushTimeoutMs: 50, ...change });
  emitters.push(emitter);
  return emitter;
};
afterEach(async () => {
  diag.disable();
  for (const emitter of emitters.splice(0)) await emitter.shutdown();
});

/** Spans as the SDK hands them over: each the only one of its trace. */
const spansOf = (count: number, attributes: (number: number) => Attributes = () => ({})): ReadableSpan[] => {
  const memory = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] });
  for (let number = 0; number < count; number++) {
    provider
      .getTracer('test')
      .startSpan(`span ${number}`, { attributes: attributes(number), root: true })
      .end();
  }
  return memory.getFinishedSpans();
};
const exported = (emitter: Emitter, spans: ReadableSpan[]): Promise<ExportResult> =>
  new Promise((resolve) => emitter.spanExporter.export(spans, resolve));

describe('while no broker answers', () => {
  test('records wait up to the limit, and exactly those beyond it are dropped, counted and told to the SDK', async () => {
    const emitter = create({ queueRecordsMax: 100 });
    expect(await exported(emitter, spansOf(60))).toEqual({ code: 0 });
    const result = await exported(emitter, spansOf(60));
    expect([result.code, result.error?.message]).toEqual([1, 'tachograph: 20 items were dropped']);
    expect(emitter.stats()).toMatchObject({ offered: 120, waiting: 100, droppedFull: 20, sent: 0, droppedShutdown: 0 });
    expect(await emitter.flush()).toBe(false);
    await emitter.shutdown();
    expect(emitter.stats()).toMatchObject({ offered: 120, waiting: 0, droppedFull: 20, sent: 0, droppedShutdown: 100 });
    expect((await exported(emitter, spansOf(3))).code).toBe(1);
    expect(emitter.stats()).toMatchObject({ offered: 123, droppedShutdown: 103 });
  });

  test('bytes are limited as well', async () => {
    const emitter = create({ queueBytesMax: 100_000 });
    await exported(
      emitter,
      spansOf(50, () => ({ text: 'x'.repeat(10_000) })),
    );
    const { offered, waiting, droppedFull } = emitter.stats();
    expect([offered, waiting + droppedFull]).toEqual([50, 50]);
    expect(waiting).toBeGreaterThan(5);
    expect(waiting).toBeLessThan(10);
  });

  test('an outage is told once, a logger that throws ends nothing, and no rejection is left over', async () => {
    const told: string[] = [];
    const loud = (message: string): never => {
      told.push(message);
      throw new Error('a logger of somebody');
    };
    diag.setLogger({ verbose: () => {}, debug: () => {}, info: loud, warn: loud, error: loud }, DiagLogLevel.ALL);
    const emitter = create();
    await exported(emitter, spansOf(1));
    await expect.poll(() => emitter.stats().failures, { timeout: 60_000 }).toBeGreaterThan(1);
    expect(told.filter((message) => message.includes('takes no records'))).toHaveLength(1);
    expect(emitter.stats().lastError).toContain('ECONNREFUSED');
  });

  test('a callback that throws and a shutdown called twice harm nobody', async () => {
    const exporter = new KafkaSpanExporter({ brokers: GONE, flushTimeoutMs: 50 });
    exporter.export(spansOf(1), () => {
      throw new Error('a callback of somebody');
    });
    await exporter.forceFlush();
    await Promise.all([exporter.shutdown(), exporter.shutdown()]);
    expect(exporter.stats()).toMatchObject({ offered: 1, droppedShutdown: 1 });
  });

  test('a spool folder that cannot be used leaves the records in memory', async () => {
    const emitter = create({ spool: { dir: '/dev/null/spool' } });
    expect((await exported(emitter, spansOf(3))).code).toBe(0);
    expect(emitter.stats()).toMatchObject({ waiting: 3, spoolBytes: 0 });
  });
});

describe('options', () => {
  test.each([
    [{ brokers: [] }, 'brokers'],
    [{ brokers: GONE, tenant: 'a|b' }, 'tenant'],
    [{ brokers: GONE, queueRecordsMax: 0 }, 'queueRecordsMax'],
    [{ brokers: GONE, flushTimeoutMs: Number.NaN }, 'flushTimeoutMs'],
  ])('that cannot be are refused at the start: %j', (options, name) => {
    expect(() => createEmitter(options)).toThrow(name);
  });
});

describe('hostile attributes', () => {
  const endless: Record<string, unknown> = {};
  endless['self'] = endless;
  const HOSTILE: Record<string, unknown> = {
    lone: '\ud800 \udfff',
    nul: 'a\0b',
    'key é😀': '😀',
    ['k'.repeat(10_000)]: 'long key',
    huge: 'y'.repeat(1_000_000),
    nan: Number.NaN,
    infinite: Number.POSITIVE_INFINITY,
    negativeZero: -0,
    large: Number.MAX_SAFE_INTEGER,
    beyond: 1e300,
    empty: '',
    list: ['a', null, 'b'],
    __proto__: 'x',
  };

  test('arrive in a record that our own reader takes, and cost no other span', () => {
    const spans = spansOf(20, (number) => (number === 7 ? (HOSTILE as Attributes) : { number }));
    const { records, refused } = spanRecords(spans, PLACE);
    expect(refused).toBe(0);
    const items = records.flatMap(({ value }) => {
      const decoded = decodeTraces(value, 'protobuf');
      return decoded.kind === 'ok' && decoded.value.refusals.length === 0 ? decoded.value.items : [];
    });
    expect(items).toHaveLength(20);
    const hostile = items.find(({ item }) => item.name === 'span 7')?.item.attributes;
    expect(hostile?.get('huge')).toHaveLength(1_000_000);
    expect(hostile?.get('key é😀')).toBe('😀');
  });

  test('that cannot be written at all cost one item, and only that', () => {
    const spans = spansOf(20);
    const broken = spans.map((span, number) =>
      number !== 11
        ? span
        : new Proxy(span, {
            get: (target, key) => {
              if (key === 'attributes') throw new Error('a getter of somebody');
              return Reflect.get(target, key);
            },
          }),
    );
    const { records, refused } = spanRecords(broken, PLACE);
    expect([records.reduce((sum, { items }) => sum + items, 0), refused]).toEqual([19, 1]);
  });

  test('in a log record: a body without end costs that record, BigInt and bytes cost none', () => {
    const memory = new InMemoryLogRecordExporter();
    const provider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter: memory })] });
    const logger = provider.getLogger('test');
    logger.emit({ body: 'fine', severityNumber: SeverityNumber.INFO });
    logger.emit({ body: endless as never });
    logger.emit({ body: { bytes: new Uint8Array([1, 2]), n: 10n as never, fn: (() => 1) as never } });
    const { records, refused } = logRecords(memory.getFinishedLogRecords(), PLACE);
    const items = records.flatMap(({ value }) => {
      const decoded = decodeLogs(value, 'protobuf');
      return decoded.kind === 'ok' ? decoded.value.items : [];
    });
    expect([items.length + refused, items.length >= 1]).toEqual([3, true]);
    expect(records.reduce((sum, record) => sum + record.items, 0)).toBe(items.length);
  });
});

describe('an action event', () => {
  test('that cannot be so is refused by its fields, counted, and never thrown', () => {
    const emitter = create();
    const cyclic: Record<string, unknown> = { kind: 'egress', name: 'x' };
    cyclic['labels'] = cyclic;
    for (const wrong of [
      {},
      null,
      7,
      { kind: 'egress' },
      { kind: 'zzz', name: 'x' },
      cyclic,
      { kind: 'egress', name: 'x', extra: 1 },
    ])
      expect(emitter.emitAction(wrong as never)).toMatchObject({ kind: 'refused' });
    expect(emitter.stats()).toMatchObject({ offered: 7, droppedRefused: 7 });
  });

  test('cannot say another tenant or vantage than its emitter', () => {
    const settings = settingsOf({ brokers: GONE, tenant: 'acme', service: 'shop' });
    const claim = {
      kind: 'egress',
      name: 'x',
      tenant_id: 'other',
      vantage: 'gateway',
      run_id: 'ab'.repeat(16),
    } as const;
    const record = actionRecord(claim, settings);
    if (record.kind === 'refused') throw new Error(record.detail);
    expect(record.value).toMatchObject({ key: `acme|${'ab'.repeat(16)}`, headers: { 'x-tacho-tenant': 'acme' } });
    expect(decodeActionEvent(record.value.value)).toMatchObject({
      kind: 'ok',
      value: { tenant_id: 'acme', vantage: 'agent', service: 'shop', trace_id: '' },
    });
  });
});
