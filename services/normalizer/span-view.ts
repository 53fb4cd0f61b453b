import { AttributeList } from '../../schemas/otlp/attribute-list.ts';
import type { KeyQuestion } from '../../schemas/otlp/key-shape.ts';
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
  /** What follows from the keys of the attributes alone: answered once for all spans with the same keys. */
  readonly ask: <T extends object>(question: KeyQuestion<T>) => T;
  /** The attribute at a place, as an answer of `ask` names it. */
  readonly at: (place: number) => AnyValue;
  readonly resource: (key: string) => AnyValue;
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
export const viewOfSpan = (entry: OtlpItem<OtlpSpan>): SpanView => new DecodedSpan(entry);

/**
 * A decoded log record as conventions see it. The attribute `event.name` wins over the field EventName: SDKs of 2026
 * put a source position there (`event src/telemetry.rs:1153`) and the real name into the attribute.
 */
export const viewOfLog = (entry: OtlpItem<OtlpLogRecord>): SpanView => new DecodedLog(entry);

/** What a span and a log record have in common. Classes, so that no function is made for each item. */
class DecodedItem {
  readonly scope: SpanView['scope'];
  readonly #list: AttributeList;
  readonly #resource: AnyMap;

  constructor({ item, scope, resource }: OtlpItem<OtlpSpan | OtlpLogRecord>) {
    this.scope = scope;
    this.#list = AttributeList.from(item.attributes);
    this.#resource = resource.attributes;
  }

  attr(key: string): AnyValue {
    return this.#list.get(key);
  }

  attrs(): AnyMap {
    return this.#list;
  }

  ask<T extends object>(question: KeyQuestion<T>): T {
    return this.#list.ask(question);
  }

  at(place: number): AnyValue {
    return this.#list.at(place);
  }

  resource(key: string): AnyValue {
    return this.#resource.get(key);
  }
}

class DecodedSpan extends DecodedItem implements SpanView {
  readonly signal = 'span';
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly eventName = '';
  readonly body = undefined;
  readonly severity = '';
  readonly #item: OtlpSpan;

  constructor(entry: OtlpItem<OtlpSpan>) {
    super(entry);
    const { item } = entry;
    this.traceId = item.traceId;
    this.spanId = item.spanId;
    this.parentSpanId = item.parentSpanId;
    this.name = item.name;
    this.kind = item.kind;
    this.statusCode = item.statusCode;
    this.statusMessage = item.statusMessage;
    this.#item = item;
  }

  events(): readonly OtlpEvent[] {
    return this.#item.events;
  }

  links(): readonly OtlpLink[] {
    return this.#item.links;
  }
}

class DecodedLog extends DecodedItem implements SpanView {
  readonly signal = 'log';
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId = '';
  readonly name: string;
  readonly kind = 0;
  readonly statusCode = 0;
  readonly statusMessage = '';
  readonly eventName: string;
  readonly body: AnyValue;
  readonly severity: string;

  constructor(entry: OtlpItem<OtlpLogRecord>) {
    super(entry);
    const { item } = entry;
    const named = item.attributes.get('event.name');
    this.eventName = typeof named === 'string' && named !== '' ? named : item.eventName;
    this.name = this.eventName;
    this.traceId = item.traceId;
    this.spanId = item.spanId;
    this.body = item.body;
    this.severity = item.severityText !== '' ? item.severityText : severityName(item.severityNumber);
  }

  events(): readonly OtlpEvent[] {
    return NO_EVENTS;
  }

  links(): readonly OtlpLink[] {
    return NO_LINKS;
  }
}

/** OTLP SeverityNumber → its range's name; '' when unspecified. */
const severityName = (number: number): string =>
  number < 1 || number > 24
    ? ''
    : (['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'][Math.floor((number - 1) / 4)] ?? '');
