import type { ExportResult } from '@opentelemetry/core';
import type { LogRecordExporter, ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import { createActionDesk } from './action-desk.ts';
import type { AgentAction } from './action-record.ts';
import { type ControlFilter, type ControlHandler, type ControlListener, onControl } from './control.ts';
import { createDelivery, type DeliveryStats } from './delivery.ts';
import { createSender } from './kafka-sender.ts';
import { createMemoryLine } from './memory-line.ts';
import { logRecords, type OtlpRecords, spanRecords } from './otlp-records.ts';
import type { WaitingLine } from './outbound.ts';
import { reasonOf, say } from './say.ts';
import { type EmitterOptions, type Settings, settingsOf } from './settings.ts';
import { openSpoolLine, type SpoolCounts } from './spool-line.ts';

export type { AgentAction } from './action-record.ts';
export type { ControlFilter, ControlHandler, ControlListener, ControlRequest } from './control.ts';
export type { EmitterOptions, SchemaRegistry, SpoolOptions } from './settings.ts';

/** What happened to what was given, in items: spans, log records and action events. */
export interface EmitterStats extends DeliveryStats {
  /** Found in the spool at the start, left by a process before. */
  readonly recovered: number;
  /** Rounds that Kafka did not take, and why the last did not. */
  readonly failures: number;
  readonly lastError: string | null;
  readonly spoolBytes: number;
  readonly damagedSpoolBytes: number;
}

export type ActionOutcome =
  | { readonly kind: 'queued' }
  /** Never sent: which fields cannot be so. */
  | { readonly kind: 'refused'; readonly detail: string };

/** One queue, one connection; exporters, action events and control requests of one process share it. */
export interface Emitter {
  /** For `traceExporter` of the NodeSDK, or a BatchSpanProcessor. */
  readonly spanExporter: SpanExporter;
  /** For a BatchLogRecordProcessor. */
  readonly logRecordExporter: LogRecordExporter;
  /** Reports what an agent does outside its spans. Never throws, never waits. */
  readonly emitAction: (action: AgentAction) => ActionOutcome;
  /** Hears requests to kill, pause or resume, over the same brokers and for the same tenant. */
  readonly onControl: (filter: ControlFilter, handler: ControlHandler) => ControlListener;
  readonly stats: () => EmitterStats;
  /** Resolves true when everything given so far was taken by Kafka, false after the flush timeout. Never rejects. */
  readonly flush: () => Promise<boolean>;
  /** Flushes within the flush timeout and lets go. What a spool still holds goes out with the next start. Never rejects. */
  readonly shutdown: () => Promise<void>;
}

/**
 * Starts an emitter. Throws TypeError for options that cannot be; from then on nothing it does throws, blocks, or keeps
 * the process alive. A spool folder that cannot be used is told to `diag`, and records wait in memory instead.
 */
export const createEmitter = (options: EmitterOptions): Emitter => {
  const settings = settingsOf(options);
  const { line, counts } = openLine(settings);
  const delivery = createDelivery(line, createSender(settings.kafka));
  const desk = createActionDesk(settings, delivery);
  const listeners = new Set<ControlListener>();
  const { flushTimeoutMs, tenant, topics } = settings;

  const offer = async ({ records, refused }: OtlpRecords): Promise<ExportResult> => {
    if (refused > 0) {
      delivery.refuse(refused);
      say('error', `${refused} items cannot be written as OTLP: dropped`);
    }
    const items = records.reduce((sum, record) => sum + record.items, 0);
    const kept = await delivery.offer(records);
    return refused === 0 && kept === items ? { code: SUCCESS } : failed(`${items - kept + refused} items were dropped`);
  };
  const exporter = <T>(build: (items: readonly T[]) => OtlpRecords) => ({
    export: (items: T[], resultCallback: (result: ExportResult) => void): void => {
      void exported(() => offer(build(items)), resultCallback);
    },
    forceFlush: async (): Promise<void> => {
      await delivery.flush(flushTimeoutMs);
    },
    // The other exporter of this emitter may live on: only the emitter's own shutdown lets go.
    shutdown: async (): Promise<void> => {
      await delivery.flush(flushTimeoutMs);
    },
  });
  return {
    spanExporter: exporter((spans: readonly ReadableSpan[]) => spanRecords(spans, { topic: topics.spans, tenant })),
    logRecordExporter: exporter((logs: readonly ReadableLogRecord[]) =>
      logRecords(logs, { topic: topics.logs, tenant }),
    ),
    emitAction: (action) => {
      const taken = desk.emit(action);
      return taken.kind === 'ok' ? { kind: 'queued' } : { kind: 'refused', detail: taken.detail };
    },
    onControl: (filter, handler) => {
      const listener = onControl({ ...settings.kafka, tenant }, filter, handler);
      listeners.add(listener);
      return listener;
    },
    stats: () => {
      const { recoveredItems, damagedBytes, diskBytes } = counts();
      const spool = { recovered: recoveredItems, spoolBytes: diskBytes, damagedSpoolBytes: damagedBytes };
      const carried = delivery.stats();
      const atDesk = desk.stats();
      return {
        ...carried,
        offered: carried.offered + atDesk.offered,
        waiting: carried.waiting + atDesk.waiting,
        droppedFull: carried.droppedFull + atDesk.droppedFull,
        droppedShutdown: carried.droppedShutdown + atDesk.droppedShutdown,
        ...spool,
      };
    },
    flush: async () => (await desk.flush(flushTimeoutMs)) && delivery.flush(flushTimeoutMs),
    shutdown: async () => {
      await Promise.all([...listeners].map((listener) => listener.close()));
      await desk.close(flushTimeoutMs);
      await delivery.close(flushTimeoutMs);
    },
  };
};

/** Values of ExportResultCode, which is an enum at run time of a package that need not be loaded for it. */
const SUCCESS = 0;
const FAILED = 1;

const failed = (message: string): ExportResult => ({ code: FAILED, error: new Error(`tachograph: ${message}`) });

/** Tells the SDK once how it went; neither our bugs nor its own reach the agent. */
const exported = async (
  work: () => Promise<ExportResult>,
  resultCallback: (result: ExportResult) => void,
): Promise<void> => {
  let result: ExportResult;
  try {
    result = await work();
  } catch (error) {
    result = failed(reasonOf(error));
  }
  try {
    resultCallback(result);
  } catch (error) {
    say('error', `the callback of an export failed: ${reasonOf(error)}`);
  }
};

const openLine = (settings: Settings): { readonly line: WaitingLine; readonly counts: () => SpoolCounts } => {
  const { spool, queueRecordsMax, queueBytesMax } = settings;
  if (spool !== null) {
    try {
      const complain = (message: string, error: unknown): void => say('error', `${message}: ${reasonOf(error)}`);
      const line = openSpoolLine({ ...spool, complain });
      return { line, counts: line.counts.bind(line) };
    } catch (error) {
      say('error', `the spool ${spool.dir} cannot be used, records wait in memory: ${reasonOf(error)}`);
    }
  }
  const none = { recoveredItems: 0, damagedBytes: 0, diskBytes: 0 };
  return { line: createMemoryLine(queueRecordsMax, queueBytesMax), counts: () => none };
};

/** What ExportResultCode names: 0 and 1. */
type Exports = (result: ExportResult) => void;

/** An emitter of its own, for exporters that stand alone. */
class OwnEmitter {
  protected readonly emitter: Emitter;

  constructor(options: EmitterOptions) {
    this.emitter = createEmitter(options);
  }

  async forceFlush(): Promise<void> {
    await this.emitter.flush();
  }

  shutdown(): Promise<void> {
    return this.emitter.shutdown();
  }

  stats(): EmitterStats {
    return this.emitter.stats();
  }
}

/** A span exporter with an emitter of its own, for `new NodeSDK({ traceExporter: new KafkaSpanExporter({ brokers }) })`. */
export class KafkaSpanExporter extends OwnEmitter implements SpanExporter {
  export(spans: ReadableSpan[], resultCallback: Exports): void {
    this.emitter.spanExporter.export(spans, resultCallback);
  }
}

/** A log record exporter with an emitter of its own. */
export class KafkaLogRecordExporter extends OwnEmitter implements LogRecordExporter {
  export(logs: ReadableLogRecord[], resultCallback: Exports): void {
    this.emitter.logRecordExporter.export(logs, resultCallback);
  }
}
