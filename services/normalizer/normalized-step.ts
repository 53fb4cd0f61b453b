import { type AgentStep, TOOL_ARGUMENTS_BYTES_MAX } from '../../schemas/agent-step.ts';
import type { Signal, Status } from '../../schemas/step-kinds.ts';
import type { Row } from '../runtime/ports.ts';
import type { ContentMode } from './attributes.ts';
import { contentFacts, contentRows, type StoredContent } from './content-rows.ts';
import { providerOfModel } from './conventions/provider.ts';
import { canonicalJson, displayText, type Json } from './json.ts';
import { ERROR_MESSAGE_BYTES_MAX, FACT_BYTES_MAX, FLAGS_MAX, NAME_BYTES_MAX } from './limits.ts';
import type { RecordOrigin } from './record-origin.ts';
import type { Redactor } from './redact.ts';
import type { CallFacts, StepFacts } from './step-facts.ts';
import { cutUtf8, fingerprint } from './text.ts';
import { microsOf, millisText, nanosText, type StepTime } from './time.ts';
import { bucketsOf } from './token-buckets.ts';

/** What a step is besides its facts: the same for a span, a log record and an action event. */
export interface StepFrame {
  readonly signal: Signal;
  readonly stepId: string;
  readonly runId: string;
  readonly logIndex: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly spanKind: string;
  readonly family: string;
  readonly service: string;
  readonly environment: string | null;
  readonly scopeName: string;
  readonly scopeVersion: string;
  readonly eventName: string | null;
  readonly severity: string | null;
  readonly links: readonly { readonly trace_id: string; readonly span_id: string }[];
  readonly time: StepTime;
  readonly status: Status;
  readonly attributes: ReadonlyMap<string, string>;
  readonly resource: ReadonlyMap<string, string>;
  readonly flags: readonly string[];
}

/** A record normalised: its row, its content, and what the folds are told. */
export interface NormalizedStep {
  readonly row: Row;
  readonly content: readonly Row[];
  readonly step: AgentStep;
  /** Start of the step, for the hours of the manifest. */
  readonly startNano: bigint;
}

/** Builds row, content and step from the same facts, so that table and topic never disagree. */
export const buildStep = (
  frame: StepFrame,
  facts: StepFacts,
  stored: readonly StoredContent[],
  origin: RecordOrigin,
  options: { readonly redactor: Redactor; readonly mode: ContentMode },
): NormalizedStep => {
  const shared = sharedColumns(frame, facts, origin, options.redactor);
  const row: Row = {
    ...shared,
    ts: nanosText(frame.time.startNano),
    duration_ns: frame.time.durationNano.toString(),
    span_kind: frame.spanKind,
    ...reportedColumns(facts.call),
    event_name: frame.eventName,
    severity: frame.severity,
    attributes: Object.fromEntries(frame.attributes),
    resource: Object.fromEntries(frame.resource),
    batch_id: origin.batchId,
    logged_at: millisText(origin.loggedAtMs),
  };
  const step: AgentStep = {
    ...shared,
    start_unix_micros: microsOf(frame.time.startNano),
    end_unix_micros: microsOf(frame.time.startNano + frame.time.durationNano),
    logged_at_ms: origin.loggedAtMs,
    account: name(facts.account),
    ...toolColumns(facts, options.redactor),
    call: stepCall(facts, shared.status),
    facts: {
      ...redactedMap(facts.facts, options.redactor),
      ...contentFacts(stored),
      ...argumentFacts(facts, options.redactor),
    },
  };
  return { row, content: contentRows(stored, row, options.mode), step, startNano: frame.time.startNano };
};

/** A name or id: well-formed, bounded; null when it was not said. */
const name = (text: string | undefined): string | null =>
  text === undefined || text === '' ? null : cutUtf8(text, NAME_BYTES_MAX).toWellFormed();

/** Columns that the row and the step share, by the same names. */
const sharedColumns = (frame: StepFrame, facts: StepFacts, origin: RecordOrigin, redactor: Redactor) => ({
  tenant_id: origin.tenant,
  step_id: frame.stepId,
  run_id: frame.runId,
  signal: frame.signal,
  vantage: origin.vantage,
  log_id: origin.logId,
  log_topic: origin.topic,
  log_partition: origin.partition,
  log_offset: origin.offset,
  log_index: frame.logIndex,
  trace_id: frame.traceId,
  span_id: frame.spanId,
  parent_span_id: frame.parentSpanId,
  links: frame.links,
  step_kind: facts.stepKind,
  name: name(redactor.redact(frame.name).text) ?? '',
  service: frame.service,
  environment: frame.environment,
  family: frame.family,
  scope_name: name(frame.scopeName) ?? '',
  scope_version: name(frame.scopeVersion) ?? '',
  session_id: name(facts.sessionId),
  agent_name: name(facts.agentName),
  agent_id: name(facts.agentId),
  agent_version: name(facts.agentVersion),
  workflow: name(facts.workflow),
  user_id: name(facts.userId),
  on_behalf_of: name(facts.onBehalfOf),
  tool_name: name(facts.toolName),
  tool_call_id: name(facts.toolCallId),
  tool_schema_hash: facts.toolDefinition === undefined ? null : fingerprint(canonicalJson(facts.toolDefinition)),
  prompt_name: name(facts.promptName),
  prompt_version: name(facts.promptVersion),
  provider: name(facts.provider),
  request_model: name(facts.requestModel),
  response_model: name(facts.responseModel),
  response_id: name(facts.responseId),
  region: name(facts.region),
  service_tier: name(facts.serviceTier),
  status: facts.isFailed === true ? ('error' as const) : frame.status,
  error_type: facts.isFailed === true ? name(facts.errorType) : null,
  error_message: errorMessage(facts, redactor),
  attempt: facts.attempt ?? null,
  flags: flagsOf(frame, facts),
  labels: redactedMap(facts.labels, redactor),
});

const flagsOf = (frame: StepFrame, facts: StepFacts): readonly string[] =>
  [
    ...new Set([
      ...(facts.flags ?? []),
      ...frame.flags,
      ...frame.time.flags,
      ...(facts.isStreamed === true ? ['streamed'] : []),
    ]),
  ].slice(0, FLAGS_MAX);

const errorMessage = (facts: StepFacts, redactor: Redactor): string | null =>
  facts.isFailed !== true || facts.errorMessage === undefined
    ? null
    : cutUtf8(redactor.redact(facts.errorMessage).text, ERROR_MESSAGE_BYTES_MAX).toWellFormed();

const redactedMap = (
  map: Readonly<Record<string, string>> | undefined,
  redactor: Redactor,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(map ?? {}).map(([key, value]) => [
      key.toWellFormed(),
      cutUtf8(redactor.redact(value).text, FACT_BYTES_MAX).toWellFormed(),
    ]),
  );

/** Figures as the emitter said them, for checking; never added up. */
const reportedColumns = (call: CallFacts | undefined): Row => ({
  reported_input_tokens: call?.usage.input ?? null,
  reported_output_tokens: call?.usage.output ?? null,
  reported_cache_read_tokens: call?.usage.cacheRead ?? null,
  reported_cache_write_tokens: call?.usage.cacheWrite ?? null,
  reported_reasoning_tokens: call?.usage.reasoning ?? null,
  reported_cost_usd: call?.reportedCostUsd ?? null,
  call_role: call?.role ?? null,
});

const toolText = (value: Json | undefined, redactor: Redactor): string | undefined =>
  value === undefined ? undefined : redactor.redact(canonicalJson(value)).text.toWellFormed();

const toolColumns = (facts: StepFacts, redactor: Redactor) => {
  const args = toolText(facts.toolArguments, redactor);
  const result = facts.toolResult === undefined ? undefined : redactor.redact(displayText(facts.toolResult)).text;
  return {
    tool_arguments: args === undefined ? null : cutUtf8(args, TOOL_ARGUMENTS_BYTES_MAX),
    tool_arguments_hash: args === undefined ? null : fingerprint(args),
    tool_result_hash: result === undefined ? null : fingerprint(result),
  };
};

const argumentFacts = (facts: StepFacts, redactor: Redactor): Readonly<Record<string, string>> => {
  if (facts.toolArguments === undefined) return {};
  const { classes } = redactor.redact(canonicalJson(facts.toolArguments));
  return classes.length === 0 ? {} : { 'pii.arguments': [...classes].sort().join(',') };
};

const stepCall = (facts: StepFacts, status: Status): AgentStep['call'] => {
  const { call } = facts;
  if (call === undefined) return null;
  const model = facts.responseModel ?? facts.requestModel;
  return {
    role: call.role,
    operation: call.operation ?? null,
    outcome: status === 'error' ? 'failed' : 'ok',
    ...bucketsOf(call.usage, call.semantics, {
      isEmbedding: facts.stepKind === 'embedding',
      billsCacheWrites:
        facts.provider === 'anthropic' || providerOfModel(model) === 'anthropic' || /claude/i.test(model ?? ''),
    }),
    estimated: call.isEstimated ?? false,
    quantities: call.quantities ?? {},
    reported_cost_usd: call.reportedCostUsd ?? null,
  };
};
