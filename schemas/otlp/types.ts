/**
 * OTLP as decoded from protobuf or JSON (opentelemetry-proto 1.x, trace/v1, logs/v1, common/v1).
 * Both decoders give exactly these shapes, so nothing downstream knows which one ran.
 */
import type { DeadLetterReason } from '../dead-letter.ts';

/** AnyValue. `undefined` = an AnyValue without a value (absent, not 0 and not ''). Integers beyond 2^53 are bigint. */
export type AnyValue = string | boolean | number | bigint | Uint8Array | readonly AnyValue[] | AnyMap | undefined;

/** A kvlist, and every attribute list. A repeated key keeps its last value. A Map: keys are hostile input. */
export interface AnyMap extends ReadonlyMap<string, AnyValue> {}

export interface OtlpScope {
  readonly name: string;
  readonly version: string;
  readonly attributes: AnyMap;
}

export interface OtlpResource {
  readonly attributes: AnyMap;
}

export interface OtlpEvent {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: AnyMap;
}

export interface OtlpLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: AnyMap;
}

/** Ids are lower-case hex; '' when absent or all zero. Times are unsigned nanoseconds since 1970. */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** SpanKind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  readonly attributes: AnyMap;
  readonly events: readonly OtlpEvent[];
  readonly links: readonly OtlpLink[];
  /** StatusCode: 0 unset, 1 ok, 2 error. */
  readonly statusCode: number;
  readonly statusMessage: string;
}

export interface OtlpLogRecord {
  readonly timeUnixNano: bigint;
  readonly observedUnixNano: bigint;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: AnyValue;
  readonly attributes: AnyMap;
  readonly traceId: string;
  readonly spanId: string;
  /** 128-bit hex hash over the whole record as decoded (canonical: independent of the encoding it came in). */
  readonly contentHash: string;
}

/** One item with where it stood: `index` counts across all resources and scopes of the request, from 0. */
export interface OtlpItem<T> {
  readonly index: number;
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
  readonly item: T;
}

/** An item that could not be taken, with its index; the good ones beside it are kept. */
export interface OtlpRefusal {
  readonly index: number;
  readonly reason: DeadLetterReason;
  readonly detail: string;
}

/** A decoded Export…ServiceRequest, flattened, in order. */
export interface OtlpRequest<T> {
  readonly items: readonly OtlpItem<T>[];
  readonly refusals: readonly OtlpRefusal[];
}
