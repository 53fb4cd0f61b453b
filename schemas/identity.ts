import { hash } from 'node:crypto';
import { canonicalValue } from './otlp/content-hash.ts';
import type { OtlpLogRecord, OtlpResource, OtlpScope } from './otlp/types.ts';

/** 128-bit hex over parts, each written with its length, so that no two lists share a text. */
export const hash128 = (parts: readonly string[]): string =>
  hash('sha256', parts.map((part) => `${part.length}:${part}`).join(''), 'hex').slice(0, 32);

/** Identity of a span: (tenant, trace, span, signal). 32 hex characters. */
export const stepIdOfSpan = (tenant: string, traceId: string, spanId: string): string =>
  hash128([tenant, traceId, spanId, 'span']);

/**
 * Identity of a log record, which has no id of its own: tenant, resource, scope, the whole record, and its ordinal
 * among equal records of one request. Anything less makes one of different records.
 */
export const stepIdOfLog = (
  tenant: string,
  resource: OtlpResource,
  scope: OtlpScope,
  record: OtlpLogRecord,
  ordinal: number,
): string =>
  hash128([
    tenant,
    canonicalValue(resource.attributes),
    scope.name,
    scope.version,
    canonicalValue(scope.attributes),
    record.contentHash,
    String(ordinal),
  ]);

/** The partition key of everything after the normalizer: the trace id, else (tenant, service, conversation). */
export const runKeyOf = (tenant: string, traceId: string, service: string, conversation: string | null): string =>
  traceId !== '' ? traceId : hash128([tenant, service, conversation ?? '']);
