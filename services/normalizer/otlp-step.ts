import { runKeyOf } from '../../schemas/identity.ts';
import type { AnyMap } from '../../schemas/otlp/types.ts';
import type { Status } from '../../schemas/step-kinds.ts';
import { type ContentMode, storeAttributes, storeResource } from './attributes.ts';
import { storeContent } from './content-rows.ts';
import { conventionOf } from './conventions/registry.ts';
import { withDataFacts } from './data/data-facts.ts';
import { displayText, jsonOf } from './json.ts';
import { LINKS_MAX } from './limits.ts';
import { withLocalRun } from './local-run.ts';
import { buildStep, type NormalizedStep, type StepFrame } from './normalized-step.ts';
import type { RecordOrigin } from './record-origin.ts';
import type { Redactor } from './redact.ts';
import type { SpanView } from './span-view.ts';
import type { ContentPart, Convention, StepFacts } from './step-facts.ts';
import { type StepTime, stepTime } from './time.ts';

export interface NormalizeOptions {
  readonly redactor: Redactor;
  readonly mode: ContentMode;
  /** In place of every family that has a file: to try how far others carry. */
  readonly conventions?: readonly Convention[];
}

/** A span or log record with what tells it apart from others. */
export interface OtlpStepInput {
  readonly view: SpanView;
  readonly stepId: string;
  readonly logIndex: number;
  readonly startNano: bigint;
  readonly endNano: bigint;
  /** Resource column of the request, built once per resource. */
  readonly resource: ReadonlyMap<string, string>;
}

/** SpanKind by number (opentelemetry-proto trace/v1). */
const SPAN_KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUSES: readonly Status[] = ['unset', 'ok', 'error'];
/** What OTel SDKs say when nobody named the service. */
export const UNKNOWN_SERVICE = 'unknown_service';

const resourceText = (resource: ReadonlyMap<string, string>, keys: readonly string[]): string | null => {
  for (const key of keys) {
    const text = resource.get(key);
    if (text !== undefined && text !== '') return text;
  }
  return null;
};

/** Recognises the emitter, reads the facts, and builds row, content and step. Pure: same input, same output. */
export const normalizeOtlp = (
  input: OtlpStepInput,
  origin: RecordOrigin,
  options: NormalizeOptions,
): NormalizedStep => {
  const { view, resource } = input;
  const convention = conventionOf(view, options.conventions);
  const facts = withLocalRun(view, withDataFacts(view, convention.read(view), options.redactor));
  const attributes = storeAttributes(view.attrs(), {
    redactor: options.redactor,
    mode: options.mode,
    contentKeys:
      facts.contentKeys === undefined || facts.contentKeys.length === 0 ? NO_KEYS : new Set(facts.contentKeys),
  });
  const time = stepTime(input.startNano, input.endNano, origin.shiftNano);
  const stored = storeContent([...contentOf(view, facts), ...attributes.content], options.redactor);
  const service = resourceText(resource, ['service.name']) ?? UNKNOWN_SERVICE;
  return buildStep(
    {
      signal: view.signal,
      stepId: input.stepId,
      runId: runKeyOf(origin.tenant, view.traceId, service, facts.sessionId ?? null),
      logIndex: input.logIndex,
      traceId: view.traceId,
      spanId: view.spanId,
      parentSpanId: view.parentSpanId,
      name: view.name === '' ? view.signal : view.name,
      spanKind: SPAN_KINDS[view.kind] ?? 'unspecified',
      family: facts.family ?? convention.name,
      service,
      environment: resourceText(resource, ['deployment.environment.name', 'deployment.environment', 'env']),
      scopeName: view.scope.name,
      scopeVersion: view.scope.version,
      eventName: view.eventName === '' ? null : view.eventName,
      severity: view.severity === '' ? null : view.severity,
      links: linksOf(view),
      time,
      status: STATUSES[view.statusCode] ?? 'unset',
      attributes: withOriginalTime(attributes.entries, time),
      resource,
      flags: view.links().length > LINKS_MAX ? [...attributes.flags, 'links_dropped'] : attributes.flags,
    },
    facts,
    stored,
    origin,
    options,
  );
};

const NO_KEYS: ReadonlySet<string> = new Set();
const NO_LINKS: StepFrame['links'] = [];

const linksOf = (view: SpanView): StepFrame['links'] => {
  const links = view.links();
  if (links.length === 0) return NO_LINKS;
  return links.slice(0, LINKS_MAX).map((link) => ({ trace_id: link.traceId, span_id: link.spanId }));
};

/** The body of a log record that no convention read is content all the same. */
const contentOf = (view: SpanView, facts: StepFacts): readonly ContentPart[] => {
  const content = facts.content ?? [];
  if (view.body === undefined || view.body === '' || content.length > 0) return content;
  return [{ direction: 'attribute', role: 'body', partKind: 'text', content: displayText(jsonOf(view.body)) }];
};

/** Keeps what the sender said of the time when it was clamped. */
export const withOriginalTime = (entries: ReadonlyMap<string, string>, time: StepTime): ReadonlyMap<string, string> =>
  time.originalNano === null
    ? entries
    : new Map([...entries, ['tacho.original_ts_unix_nano', time.originalNano.toString()]]);

/** Builds each resource column once: the items of a request share their resource. */
export const createResourceCache = (redactor: Redactor): ((attributes: AnyMap) => ReadonlyMap<string, string>) => {
  const known = new WeakMap<AnyMap, ReadonlyMap<string, string>>();
  return (attributes) => {
    const found = known.get(attributes);
    if (found !== undefined) return found;
    const made = storeResource(attributes, redactor);
    known.set(attributes, made);
    return made;
  };
};
