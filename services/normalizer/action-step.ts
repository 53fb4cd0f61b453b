import { type ActionEvent, actionRunKey } from '../../schemas/action-event.ts';
import { hash128 } from '../../schemas/identity.ts';
import { plainOptions, storeAttributes } from './attributes.ts';
import { storeContent } from './content-rows.ts';
import { buildStep, type NormalizedStep } from './normalized-step.ts';
import { type NormalizeOptions, UNKNOWN_SERVICE, withOriginalTime } from './otlp-step.ts';
import type { RecordOrigin } from './record-origin.ts';
import type { StepFacts } from './step-facts.ts';
import { stepTime } from './time.ts';

/** Family of steps that were reported as action events. */
const FAMILY = 'action-event';
const NANOS_PER_MICRO = 1_000n;

/** Identity of an action event: its sender chose the id, within its tenant. 32 hex characters. */
export const stepIdOfAction = (tenant: string, event: ActionEvent): string =>
  hash128([tenant, 'action', event.event_id]);

/** The parts of an event that become facts: `egress.host`, `data.name`, `approval.decision` … */
const FACT_GROUPS = ['egress', 'data', 'secret', 'approval', 'control'] as const;

const factsOf = (event: ActionEvent): Readonly<Record<string, string>> => {
  const facts: Record<string, string> = {};
  for (const group of FACT_GROUPS) {
    for (const [key, value] of Object.entries(event[group] ?? {})) {
      if (value === null || (Array.isArray(value) && value.length === 0)) continue;
      facts[`${group}.${key}`] = Array.isArray(value) ? value.join(',') : String(value);
    }
  }
  return facts;
};

const said = (text: string | null): string | undefined => text ?? undefined;

/** An event's own facts. */
const readEvent = (event: ActionEvent): StepFacts => ({
  stepKind: event.kind,
  agentName: said(event.agent_name),
  userId: said(event.user_id),
  onBehalfOf: said(event.on_behalf_of),
  sessionId: said(event.session_id),
  workflow: said(event.workflow),
  toolName: said(event.tool_name),
  toolCallId: said(event.tool_call_id),
  isFailed: event.status === 'error',
  errorType: said(event.error_type),
  labels: event.labels,
  facts: factsOf(event),
});

/** An action event as row and step. Who said it is decided by the source it came from, not by the event. */
export const normalizeAction = (
  event: ActionEvent,
  origin: RecordOrigin,
  options: NormalizeOptions,
): NormalizedStep => {
  const startNano = BigInt(event.ts) * NANOS_PER_MICRO;
  const time = stepTime(startNano, startNano, origin.shiftNano);
  const facts = readEvent(event);
  const attributes = storeAttributes(
    new Map([...Object.entries(event.attributes), ...Object.entries(facts.facts ?? {})]),
    plainOptions(options.redactor, options.mode),
  );
  return buildStep(
    {
      signal: 'action',
      stepId: stepIdOfAction(origin.tenant, event),
      runId: actionRunKey({ ...event, tenant_id: origin.tenant }),
      logIndex: 0,
      traceId: event.trace_id,
      spanId: event.span_id,
      parentSpanId: event.parent_span_id,
      name: event.name,
      spanKind: 'unspecified',
      family: FAMILY,
      service: event.service === '' ? UNKNOWN_SERVICE : event.service,
      environment: null,
      scopeName: '',
      scopeVersion: '',
      eventName: event.kind,
      severity: null,
      links: [],
      time,
      status: event.status,
      attributes: withOriginalTime(attributes.entries, time),
      resource: new Map(),
      flags: attributes.flags,
    },
    facts,
    storeContent(attributes.content, options.redactor),
    origin,
    options,
  );
};
