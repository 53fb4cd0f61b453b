import { NO_TOKENS } from './ledger-entry.ts';
import type { Signal, Status, StepKind, Vantage } from './step-kinds.ts';

/**
 * The compact facts of one step, as the folds (ledger, lineage, policy) see it: record of topic `agent_steps`,
 * Avro `avro/agent-step.avsc`, key `tenant|run_id`. No long text: arguments are capped, contents are fingerprints.
 * null = the emitter did not say. Ids are lower-case hex. Times are microseconds since 1970.
 */
export interface AgentStep {
  readonly tenant_id: string;
  /** Identity of the step: 128-bit hex over (tenant, trace, span, signal), for logs over the whole record. */
  readonly step_id: string;
  readonly run_id: string;
  readonly signal: Signal;
  readonly vantage: Vantage;
  readonly start_unix_micros: number;
  readonly end_unix_micros: number;
  /** Append time of the source record: the only clock. */
  readonly logged_at_ms: number;
  // Where the source record stands, so that a redelivery differs from a twin.
  readonly log_id: string;
  readonly log_topic: string;
  readonly log_partition: number;
  readonly log_offset: number;
  readonly log_index: number;

  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly links: readonly StepLink[];
  readonly step_kind: StepKind;
  readonly name: string;
  readonly service: string;
  readonly environment: string | null;
  readonly family: string;
  readonly scope_name: string;
  readonly scope_version: string;
  readonly session_id: string | null;
  readonly agent_name: string | null;
  readonly agent_id: string | null;
  readonly agent_version: string | null;
  readonly workflow: string | null;
  readonly user_id: string | null;
  readonly on_behalf_of: string | null;
  readonly account: string | null;
  readonly tool_name: string | null;
  readonly tool_call_id: string | null;
  /** Canonical JSON, cut at TOOL_ARGUMENTS_BYTES_MAX. */
  readonly tool_arguments: string | null;
  readonly tool_arguments_hash: string | null;
  readonly tool_result_hash: string | null;
  readonly tool_schema_hash: string | null;
  readonly prompt_name: string | null;
  readonly prompt_version: string | null;
  readonly provider: string | null;
  readonly request_model: string | null;
  readonly response_model: string | null;
  readonly response_id: string | null;
  readonly region: string | null;
  readonly service_tier: string | null;
  /** null: this step describes no model call. */
  readonly call: StepCall | null;
  readonly status: Status;
  readonly error_type: string | null;
  readonly error_message: string | null;
  readonly attempt: number | null;
  readonly flags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Facts of an action event or of an egress/data access step, flat: `egress.host`, `data.dataset`, `data.rows` … */
  readonly facts: Readonly<Record<string, string>>;
}

/** A step of which nothing is known but that it was: for whoever makes steps up, such as the tests inside rule files. */
export const BLANK_STEP: Omit<AgentStep, 'step_id' | 'start_unix_micros' | 'end_unix_micros' | 'logged_at_ms'> = {
  tenant_id: 'default',
  run_id: '',
  signal: 'span',
  vantage: 'agent',
  log_id: '',
  log_topic: '',
  log_partition: 0,
  log_offset: 0,
  log_index: 0,
  trace_id: '',
  span_id: '',
  parent_span_id: '',
  links: [],
  step_kind: 'other',
  name: '',
  service: '',
  environment: null,
  family: '',
  scope_name: '',
  scope_version: '',
  session_id: null,
  agent_name: null,
  agent_id: null,
  agent_version: null,
  workflow: null,
  user_id: null,
  on_behalf_of: null,
  account: null,
  tool_name: null,
  tool_call_id: null,
  tool_arguments: null,
  tool_arguments_hash: null,
  tool_result_hash: null,
  tool_schema_hash: null,
  prompt_name: null,
  prompt_version: null,
  provider: null,
  request_model: null,
  response_model: null,
  response_id: null,
  region: null,
  service_tier: null,
  call: null,
  status: 'unset',
  error_type: null,
  error_message: null,
  attempt: null,
  flags: [],
  labels: {},
  facts: {},
};

/** A step that holds longer arguments keeps their hash and this many bytes. */
export const TOOL_ARGUMENTS_BYTES_MAX = 4096;

export interface StepLink {
  readonly trace_id: string;
  readonly span_id: string;
}

/**
 * What a step says of a model call. Buckets are disjoint: `input_tokens` is uncached input, `output_tokens` excludes
 * reasoning. null = not told; details that were not told are named in `untold` and sit in the enclosing bucket.
 */
export interface StepCall {
  /** 'leaf': describes one call itself. 'wrapper': repeats or sums the calls below it; stored, never booked beside them. */
  readonly role: 'leaf' | 'wrapper';
  readonly operation: string | null;
  readonly outcome: 'ok' | 'failed';
  readonly input_tokens: number | null;
  readonly cache_read_tokens: number | null;
  readonly cache_write_tokens: number | null;
  readonly cache_write_1h_tokens: number | null;
  readonly output_tokens: number | null;
  readonly reasoning_tokens: number | null;
  readonly audio_input_tokens: number | null;
  readonly audio_output_tokens: number | null;
  /** Bucket names ('cache_read', 'cache_write', 'reasoning' …) the emitter did not tell apart. */
  readonly untold: readonly string[];
  readonly estimated: boolean;
  /** Other billable quantities: images, requests, gpu_seconds … */
  readonly quantities: Readonly<Record<string, number>>;
  /** Decimal string in USD as the emitter reported it; compared, never mixed into our cost. */
  readonly reported_cost_usd: string | null;
}

/** A call of which nothing is known but that it was. */
export const BLANK_CALL: StepCall = {
  role: 'leaf',
  operation: null,
  outcome: 'ok',
  ...NO_TOKENS,
  untold: [],
  estimated: false,
  quantities: {},
  reported_cost_usd: null,
};
