import { hash } from 'node:crypto';
import { isAnyMap } from './attribute-list.ts';
import type { AnyMap, AnyValue, OtlpLogRecord } from './types.ts';

/**
 * 128-bit hex over a decoded log record: the same for protobuf and JSON and for any order of attributes. Resource
 * and scope are not in it. Every part is written with its length or a type letter in front, so that no two records
 * share a text.
 */
export const contentHash = (record: Omit<OtlpLogRecord, 'contentHash'>): string => {
  const text =
    `${record.timeUnixNano}|${record.observedUnixNano}|${record.severityNumber}|${record.traceId}|${record.spanId}|` +
    canonicalText(record.severityText) +
    canonicalText(record.eventName) +
    canonicalValue(record.body) +
    canonicalMap(record.attributes);
  return hash('sha256', text, 'hex').slice(0, 32);
};

const canonicalText = (text: string): string => `s${text.length}:${text}`;

const canonicalMap = (map: AnyMap): string => {
  const entries = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return `m${entries.length}:${entries.map(([key, value]) => canonicalText(key) + canonicalValue(value)).join('')}`;
};

/** An AnyValue as a text that differs for every two values that differ. Depth is bounded by the decoder. */
export const canonicalValue = (value: AnyValue): string => {
  if (typeof value === 'string') return canonicalText(value);
  if (typeof value === 'number') return Object.is(value, -0) ? 'n-0;' : `n${value};`;
  if (typeof value === 'bigint') return `i${value};`;
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (value === undefined) return 'u';
  if (value instanceof Uint8Array) return `b${value.length}:${Buffer.from(value).toString('hex')}`;
  return isAnyMap(value) ? canonicalMap(value) : `a${value.length}:${value.map(canonicalValue).join('')}`;
};
