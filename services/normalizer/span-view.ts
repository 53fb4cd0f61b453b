import type {
  AnyMap,
  AnyValue,
  OtlpEvent,
  OtlpItem,
  OtlpLink,
  OtlpLogRecord,
  OtlpSpan,
} from '../../schemas/otlp/types.ts';

/**
 * What a convention sees of a span or a log record. An interface, not the decoded object, so that the decoder can
 * become a lazy view over the bytes without touching a convention. `attr` gives undefined for an absent key and for a
 * value that is absent (an AnyValue without a value): both mean "not said".
 */
export interface SpanView {
  readonly signal: 'span' | 'log';
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /** Span name; the event name of a log record ('' when it has none). */
  readonly name: string;
  /** OTLP SpanKind, 0 for log records. */
  readonly kind: number;
  readonly scope: { readonly name: string; readonly version: string };
  readonly attr: (key: string) => AnyValue;
  readonly attrs: () => AnyMap;
  readonly resource: (key: string) => AnyValue;
  readonly resourceAttrs: () => AnyMap;
  readonly events: () => readonly OtlpEvent[];
  readonly links: () => readonly OtlpLink[];
  /** OTLP StatusCode: 0 unset, 1 ok, 2 error. Always 0 for log records. */
  readonly statusCode: number;
  readonly statusMessage: string;
  /** Log records: the event's name, '' when none. Spans: ''. */
  readonly eventName: string;
  /** Log records: the body. Spans: undefined. */
  readonly body: AnyValue;
  readonly severity: string;
}

const NO_EVENTS: readonly OtlpEvent[] = [];
const NO_LINKS: readonly OtlpLink[] = [];

/** A decoded span as conventions see it. */
export const viewOfSpan = ({ item, scope, resource }: OtlpItem<OtlpSpan>): SpanView => ({
  signal: 'span',
  traceId: item.traceId,
  spanId: item.spanId,
  parentSpanId: item.parentSpanId,
  name: item.name,
  kind: item.kind,
  scope,
  attr: (key) => item.attributes.get(key),
  attrs: () => item.attributes,
  resource: (key) => resource.attributes.get(key),
  resourceAttrs: () => resource.attributes,
  events: () => item.events,
  links: () => item.links,
  statusCode: item.statusCode,
  statusMessage: item.statusMessage,
  eventName: '',
  body: undefined,
  severity: '',
});

/**
 * A decoded log record as conventions see it. The attribute `event.name` wins over the field EventName: SDKs of 2026
 * put a source position there (`event src/telemetry.rs:1153`) and the real name into the attribute.
 */
export const viewOfLog = ({ item, scope, resource }: OtlpItem<OtlpLogRecord>): SpanView => {
  const named = item.attributes.get('event.name');
  const eventName = typeof named === 'string' && named !== '' ? named : item.eventName;
  return {
    signal: 'log',
    traceId: item.traceId,
    spanId: item.spanId,
    parentSpanId: '',
    name: eventName,
    kind: 0,
    scope,
    attr: (key) => item.attributes.get(key),
    attrs: () => item.attributes,
    resource: (key) => resource.attributes.get(key),
    resourceAttrs: () => resource.attributes,
    events: () => NO_EVENTS,
    links: () => NO_LINKS,
    statusCode: 0,
    statusMessage: '',
    eventName,
    body: item.body,
    severity: item.severityText !== '' ? item.severityText : severityName(item.severityNumber),
  };
};

/** OTLP SeverityNumber → its range's name; '' when unspecified. */
const severityName = (number: number): string =>
  number < 1 || number > 24
    ? ''
    : (['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'][Math.floor((number - 1) / 4)] ?? '');
