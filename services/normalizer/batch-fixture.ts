import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { LogRecord, Row } from '../runtime/ports.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { BatchOutput, RecordBatch } from '../runtime/stream/types.ts';
import type { NormalizeOptions } from './otlp-step.ts';
import { type NormalizedBatch, normalizeBatch } from './processor.ts';
import { createRedactor } from './redact.ts';
import type { NormalizerSource } from './settings.ts';
import { nanosText } from './time.ts';

/** Append time of every record in these tests. */
export const LOGGED_AT_MS = 1_795_300_000_123;

/** A source as the default config has it. */
export const sourceOf = (signal: NormalizerSource['signal']): NormalizerSource => ({
  topic: `otlp_${signal}`,
  signal,
  tenant: '',
  tenant_from: 'header',
  vantage: 'agent',
});

/** A record as it stands in the log. */
export const recordOf = (value: Uint8Array, offset = 0, headers: Record<string, string> = {}): LogRecord => ({
  offset,
  timestampMs: LOGGED_AT_MS,
  key: null,
  value,
  headers,
});

/** Records of one partition as a batch. */
export const batchOf = (records: readonly LogRecord[], topic = 'otlp_spans'): RecordBatch => {
  const first = records[0]?.offset ?? 0;
  return {
    logId: 'log-1',
    topic,
    partition: 0,
    first,
    end: (records.at(-1)?.offset ?? first) + 1,
    records,
    variant: '',
    batchId: 'batch-1',
  };
};

/** Everything on, nothing remembered. */
export const freshOptions = (): NormalizeOptions => ({ redactor: createRedactor(true), mode: 'full' });

/** Normalises records that nothing was stored before. */
export const normalize = (
  records: readonly LogRecord[],
  signal: NormalizerSource['signal'] = 'spans',
  options: NormalizeOptions = freshOptions(),
): NormalizedBatch => normalizeBatch(batchOf(records, `otlp_${signal}`), sourceOf(signal), () => false, options);

/** Rows of one table. */
export const rowsOf = (batch: NormalizedBatch, table: string): readonly Readonly<Record<string, unknown>>[] =>
  (batch.output.tables.find((rows) => rows.table === table)?.rows ?? []).map(readable);

/** As the store answers: maps as objects, times as text. */
const readable = (row: Row): Row => {
  const { ts, logged_at } = row;
  return {
    ...Object.fromEntries(Object.entries(row).map(([key, value]) => [key, readableValue(value)])),
    ...(typeof ts === 'bigint' ? { ts: nanosText(ts) } : {}),
    ...(typeof logged_at === 'number' ? { logged_at: utcMillis(logged_at) } : {}),
  };
};

/** The steps a batch produces, decoded. */
export const stepsOf = (batch: NormalizedBatch): readonly AgentStep[] =>
  batch.output.produce.map((record) => {
    const decoded = decodeAgentStep(record.value);
    if (decoded.kind === 'refused') throw new Error(decoded.detail);
    return decoded.value;
  });

/** One OTLP/JSON span request. */
export const spanRequest = (spans: readonly object[], scope = 'test', service = 'shop'): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
          scopeSpans: [{ scope: { name: scope }, spans }],
        },
      ],
    }),
  );

/** One OTLP/JSON log request. */
export const logRequest = (logRecords: readonly object[], scope = 'test', service = 'shop'): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      resourceLogs: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
          scopeLogs: [{ scope: { name: scope }, logRecords }],
        },
      ],
    }),
  );

/** A JSON span with plain attribute values. */
export const span = (attributes: Readonly<Record<string, string | number | boolean>>, over: object = {}): object => ({
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  name: 'step',
  kind: 1,
  startTimeUnixNano: '1795228839342000000',
  endTimeUnixNano: '1795228839442000000',
  attributes: attributeList(attributes),
  ...over,
});

/** Plain values as OTLP/JSON attributes. */
export const attributeList = (attributes: Readonly<Record<string, string | number | boolean>>): readonly object[] =>
  Object.entries(attributes).map(([key, value]) => ({
    key,
    value:
      typeof value === 'string'
        ? { stringValue: value }
        : typeof value === 'boolean'
          ? { boolValue: value }
          : Number.isInteger(value)
            ? { intValue: String(value) }
            : { doubleValue: value },
  }));

/** Attribute values a test writes. */
export type Values = Readonly<Record<string, string | number | boolean>>;

/** The step of one span with these attributes. */
export const stepOf = (attributes: Values, over: object = {}, scope = 'test'): AgentStep => {
  const [step] = stepsOf(normalize([recordOf(spanRequest([span(attributes, over)], scope))]));
  if (step === undefined) throw new Error('no step');
  return step;
};
/** Content rows of one span with these attributes: direction, role, kind, text. */
export const contentOf = (attributes: Values, over: object = {}) =>
  rowsOf(normalize([recordOf(spanRequest([span(attributes, over)]))]), 'span_content').map((part) => [
    part['direction'],
    part['role'],
    part['part_kind'],
    part['content'],
  ]);

const readableValue = (value: unknown): unknown =>
  value instanceof Map ? Object.fromEntries(value) : typeof value === 'bigint' ? value.toString() : value;

/** Everything a batch makes as one text, to be compared. */
export const textOfOutput = (output: BatchOutput): string =>
  JSON.stringify({ ...output, tables: output.tables.map((table) => ({ ...table, rows: table.rows.map(readable) })) });
