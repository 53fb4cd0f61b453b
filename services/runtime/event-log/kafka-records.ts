import type { IHeaders, KafkaMessage } from 'kafkajs';
import type { LogRecord } from '../ports.ts';

const view = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
const EMPTY = new Uint8Array(0);

/** The last value of a repeated header, as Kafka's `lastHeader`. kafkajs mixes inherited members into the list. */
const headerText = (value: IHeaders[string]): string => {
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  if (typeof value === 'string') return value;
  const last = Array.isArray(value)
    ? value.filter((one) => Buffer.isBuffer(one) || typeof one === 'string').at(-1)
    : '';
  return last === undefined ? '' : last.toString('utf8');
};

/** A record as the port shows it: header values as UTF-8 text, a null value as no bytes. */
export const toLogRecord = (message: KafkaMessage): LogRecord => ({
  offset: Number(message.offset),
  timestampMs: Number(message.timestamp),
  key: message.key === null || message.key === undefined ? null : view(message.key),
  value: message.value === null ? EMPTY : view(message.value),
  headers: Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, headerText(value)])),
});

/** Cuts records into batches of at most `recordsMax` records and `bytesMax` bytes of value; a larger one stands alone. */
export const splitRecords = (
  records: readonly LogRecord[],
  recordsMax: number,
  bytesMax: number,
): readonly (readonly LogRecord[])[] => {
  const batches: LogRecord[][] = [];
  let batch: LogRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = record.value.length + (record.key?.length ?? 0);
    if (batch.length > 0 && (batch.length >= recordsMax || bytes + size > bytesMax)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
};
