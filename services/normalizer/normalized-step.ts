import type { AgentStep } from '../../schemas/agent-step.ts';
import type { Signal, Status } from '../../schemas/step-kinds.ts';
import type { Row } from '../runtime/ports.ts';
import type { ContentMode } from './attributes.ts';
import { contentFacts, contentRows, type StoredContent } from './content-rows.ts';
import { canonicalText } from './json.ts';
import { ERROR_MESSAGE_BYTES_MAX, FACT_BYTES_MAX, FLAGS_MAX, NAME_BYTES_MAX } from './limits.ts';
import type { RecordOrigin } from './record-origin.ts';
import type { Redactor } from './redact.ts';
import { stepCall, toolColumns } from './step-details.ts';
import type { StepFacts } from './step-facts.ts';
import { cutUtf8, fingerprint } from './text.ts';
import { microsOf, type StepTime } from './time.ts';

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
  const row = rowOf(shared, frame, facts, origin);
  const step = stepOf(shared, frame, facts, stored, origin, options.redactor);
  return { row, content: contentRows(stored, row, options.mode), step, startNano: frame.time.startNano };
};

type Shared = ReturnType<typeof sharedColumns>;

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
  name: name(redactor.clean(frame.name)) ?? '',
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
  tool_schema_hash: facts.toolDefinition === undefined ? null : fingerprint(canonicalText(facts.toolDefinition)),
  prompt_name: name(facts.promptName),
  prompt_version: name(facts.promptVersion),
  provider: name(facts.provider),
  request_model: name(facts.requestModel),
  response_model: name(facts.responseModel),
  response_id: name(facts.responseId),
  region: name(facts.region),
  service_tier: name(facts.serviceTier),
  status: statusOf(frame, facts),
  error_type: facts.isFailed === true ? name(facts.errorType) : null,
  error_message: errorMessage(facts, redactor),
  attempt: facts.attempt ?? null,
  flags: flagsOf(frame, facts),
  labels: redactedMap(facts.labels, redactor),
});

/** A convention may know better than the status: a sign of failure it lacks, or a failure it took over from elsewhere. */
const statusOf = (frame: StepFrame, facts: StepFacts): Status => {
  if (facts.isFailed === true) return 'error';
  return facts.isFailed === false && frame.status === 'error' ? 'unset' : frame.status;
};

/** The row of `spans`. One literal each, here and below: objects made by spreading others are many times slower. */
const rowOf = (shared: Shared, frame: StepFrame, facts: StepFacts, origin: RecordOrigin): Row => ({
  tenant_id: shared.tenant_id,
  step_id: shared.step_id,
  run_id: shared.run_id,
  signal: shared.signal,
  vantage: shared.vantage,
  log_id: shared.log_id,
  log_topic: shared.log_topic,
  log_partition: shared.log_partition,
  log_offset: shared.log_offset,
  log_index: shared.log_index,
  trace_id: shared.trace_id,
  span_id: shared.span_id,
  parent_span_id: shared.parent_span_id,
  links: shared.links,
  step_kind: shared.step_kind,
  name: shared.name,
  service: shared.service,
  environment: shared.environment,
  family: shared.family,
  scope_name: shared.scope_name,
  scope_version: shared.scope_version,
  session_id: shared.session_id,
  agent_name: shared.agent_name,
  agent_id: shared.agent_id,
  agent_version: shared.agent_version,
  workflow: shared.workflow,
  user_id: shared.user_id,
  on_behalf_of: shared.on_behalf_of,
  tool_name: shared.tool_name,
  tool_call_id: shared.tool_call_id,
  tool_schema_hash: shared.tool_schema_hash,
  prompt_name: shared.prompt_name,
  prompt_version: shared.prompt_version,
  provider: shared.provider,
  request_model: shared.request_model,
  response_model: shared.response_model,
  response_id: shared.response_id,
  region: shared.region,
  service_tier: shared.service_tier,
  status: shared.status,
  error_type: shared.error_type,
  error_message: shared.error_message,
  attempt: shared.attempt,
  flags: shared.flags,
  labels: shared.labels,
  ts: frame.time.startNano,
  duration_ns: frame.time.durationNano,
  span_kind: frame.spanKind,
  // Figures as the emitter said them, for checking; never added up.
  reported_input_tokens: facts.call?.usage.input ?? null,
  reported_output_tokens: facts.call?.usage.output ?? null,
  reported_cache_read_tokens: facts.call?.usage.cacheRead ?? null,
  reported_cache_write_tokens: facts.call?.usage.cacheWrite ?? null,
  reported_reasoning_tokens: facts.call?.usage.reasoning ?? null,
  reported_cost_usd: facts.call?.reportedCostUsd ?? null,
  call_role: facts.call?.role ?? null,
  event_name: frame.eventName,
  severity: frame.severity,
  attributes: frame.attributes,
  resource: frame.resource,
  batch_id: origin.batchId,
  logged_at: origin.loggedAtMs,
});

const stepOf = (
  shared: Shared,
  frame: StepFrame,
  facts: StepFacts,
  stored: readonly StoredContent[],
  origin: RecordOrigin,
  redactor: Redactor,
): AgentStep => {
  const tool = toolColumns(facts, redactor);
  return {
    tenant_id: shared.tenant_id,
    step_id: shared.step_id,
    run_id: shared.run_id,
    signal: shared.signal,
    vantage: shared.vantage,
    log_id: shared.log_id,
    log_topic: shared.log_topic,
    log_partition: shared.log_partition,
    log_offset: shared.log_offset,
    log_index: shared.log_index,
    trace_id: shared.trace_id,
    span_id: shared.span_id,
    parent_span_id: shared.parent_span_id,
    links: shared.links,
    step_kind: shared.step_kind,
    name: shared.name,
    service: shared.service,
    environment: shared.environment,
    family: shared.family,
    scope_name: shared.scope_name,
    scope_version: shared.scope_version,
    session_id: shared.session_id,
    agent_name: shared.agent_name,
    agent_id: shared.agent_id,
    agent_version: shared.agent_version,
    workflow: shared.workflow,
    user_id: shared.user_id,
    on_behalf_of: shared.on_behalf_of,
    tool_name: shared.tool_name,
    tool_call_id: shared.tool_call_id,
    tool_schema_hash: shared.tool_schema_hash,
    prompt_name: shared.prompt_name,
    prompt_version: shared.prompt_version,
    provider: shared.provider,
    request_model: shared.request_model,
    response_model: shared.response_model,
    response_id: shared.response_id,
    region: shared.region,
    service_tier: shared.service_tier,
    status: shared.status,
    error_type: shared.error_type,
    error_message: shared.error_message,
    attempt: shared.attempt,
    flags: shared.flags,
    labels: shared.labels,
    start_unix_micros: microsOf(frame.time.startNano),
    end_unix_micros: microsOf(frame.time.startNano + frame.time.durationNano),
    logged_at_ms: origin.loggedAtMs,
    account: name(facts.account),
    tool_arguments: tool.text,
    tool_arguments_hash: tool.hash,
    tool_result_hash: tool.resultHash,
    call: stepCall(facts, shared.status),
    facts: {
      ...redactedMap(facts.facts, redactor),
      ...contentFacts(stored),
      ...(tool.classes.length === 0 ? {} : { 'pii.arguments': [...tool.classes].sort().join(',') }),
    },
  };
};

const NO_FLAGS: readonly string[] = [];

const flagsOf = (frame: StepFrame, facts: StepFacts): readonly string[] => {
  const said = facts.flags ?? NO_FLAGS;
  const isStreamed = facts.isStreamed === true;
  if (said.length + frame.flags.length + frame.time.flags.length === 0) return isStreamed ? STREAMED : NO_FLAGS;
  return [...new Set([...said, ...frame.flags, ...frame.time.flags, ...(isStreamed ? STREAMED : [])])].slice(
    0,
    FLAGS_MAX,
  );
};
const STREAMED: readonly string[] = ['streamed'];

const errorMessage = (facts: StepFacts, redactor: Redactor): string | null =>
  facts.isFailed !== true || facts.errorMessage === undefined
    ? null
    : cutUtf8(redactor.clean(facts.errorMessage), ERROR_MESSAGE_BYTES_MAX).toWellFormed();

const redactedMap = (
  map: Readonly<Record<string, string>> | undefined,
  redactor: Redactor,
): Readonly<Record<string, string>> => {
  const entries = map === undefined ? [] : Object.entries(map);
  if (entries.length === 0) return NO_FACTS;
  return Object.fromEntries(
    entries.map(([key, value]) => [key.toWellFormed(), cutUtf8(redactor.clean(value), FACT_BYTES_MAX).toWellFormed()]),
  );
};
const NO_FACTS: Readonly<Record<string, string>> = {};
