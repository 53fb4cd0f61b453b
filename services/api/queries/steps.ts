import type { Cursor } from '../cursor.ts';
import { type Condition, type Query, READ_SETTINGS, tenantIs, whereOf } from './query.ts';

/** A row of `spans` as the API gives it. Attributes and resource only where asked for: they are most of the bytes. */
export interface StepRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly step_id: string;
  readonly ts: string;
  /** Nanoseconds since 1970 as a decimal string. */
  readonly ts_nanos: string;
  readonly duration_ns: number;
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly session_id: string | null;
  readonly step_kind: string;
  readonly span_kind: string;
  readonly name: string;
  readonly service: string;
  readonly environment: string | null;
  readonly family: string;
  readonly scope_name: string;
  readonly scope_version: string;
  readonly agent_name: string | null;
  readonly workflow: string | null;
  readonly user_id: string | null;
  readonly on_behalf_of: string | null;
  readonly tool_name: string | null;
  readonly tool_call_id: string | null;
  readonly provider: string | null;
  readonly request_model: string | null;
  readonly response_model: string | null;
  readonly response_id: string | null;
  readonly reported_input_tokens: number | null;
  readonly reported_output_tokens: number | null;
  readonly reported_cache_read_tokens: number | null;
  readonly reported_cache_write_tokens: number | null;
  readonly reported_reasoning_tokens: number | null;
  readonly call_role: string | null;
  readonly status: string;
  readonly error_type: string | null;
  readonly error_message: string | null;
  readonly attempt: number | null;
  readonly signal: string;
  readonly vantage: string;
  readonly event_name: string | null;
  readonly severity: string | null;
  readonly flags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly logged_at: string;
}

/** The same with everything the emitter sent, and where the record stands in the log. */
export interface StepDetailRow extends StepRow {
  readonly attributes: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
  readonly log_id: string;
  readonly log_topic: string;
  readonly log_partition: number;
  readonly log_offset: number;
  readonly log_index: number;
}

const STEP_COLUMNS = `tenant_id, run_id, step_id, ts, toString(toUnixTimestamp64Nano(ts)) AS ts_nanos, duration_ns,
  trace_id, span_id, parent_span_id, session_id, step_kind, span_kind, name, service, environment, family, scope_name,
  scope_version, agent_name, workflow, user_id, on_behalf_of, tool_name, tool_call_id, provider, request_model,
  response_model, response_id, reported_input_tokens, reported_output_tokens, reported_cache_read_tokens,
  reported_cache_write_tokens, reported_reasoning_tokens, call_role, status, error_type, error_message, attempt,
  signal, vantage, event_name, severity, flags, labels, logged_at`;

const DETAIL_COLUMNS = `${STEP_COLUMNS}, attributes, resource, log_id, log_topic, log_partition, log_offset, log_index`;

export interface StepsInput {
  readonly tenant: string;
  readonly runId: string;
  readonly cursor?: Cursor | undefined;
  readonly limit: number;
  readonly withAttributes: boolean;
}

/** Steps of a run in order of time; one row more than `limit` tells that there is another page. */
export const stepsQuery = (input: StepsInput): Query => {
  const after: Condition | undefined =
    input.cursor === undefined
      ? undefined
      : {
          sql: '(toUnixTimestamp64Micro(ts), step_id) > ({cursor_ts:Int64}, {cursor_id:String})',
          params: { cursor_ts: input.cursor.ts_micros, cursor_id: input.cursor.id },
        };
  const where = whereOf([
    tenantIs(input.tenant),
    { sql: 'run_id = {run_id:String}', params: { run_id: input.runId } },
    after,
  ]);
  return {
    sql: `SELECT ${input.withAttributes ? DETAIL_COLUMNS : STEP_COLUMNS}
FROM spans
${where.sql}
ORDER BY toUnixTimestamp64Micro(ts), step_id
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...where.params, limit: input.limit + 1 },
  };
};

/** One step with all its attributes. */
export const stepQuery = (input: {
  readonly tenant: string;
  readonly runId: string;
  readonly stepId: string;
}): Query => ({
  sql: `SELECT ${DETAIL_COLUMNS}
FROM spans
WHERE tenant_id = {tenant:String}
  AND run_id = {run_id:String}
  AND step_id = {step_id:String}
ORDER BY logged_at
LIMIT 1
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_id: input.runId, step_id: input.stepId },
});

/** Tenants that hold steps of a run which no fold has seen yet. */
export const runTenantsQuery = (input: { readonly tenant: string | null; readonly runId: string }): Query => {
  const where = whereOf([{ sql: 'run_id = {run_id:String}', params: { run_id: input.runId } }, tenantIs(input.tenant)]);
  return {
    sql: `SELECT tenant_id, count() AS steps\nFROM spans\n${where.sql}\nGROUP BY tenant_id\nORDER BY tenant_id\nLIMIT 10\n${READ_SETTINGS}`,
    params: where.params,
  };
};
