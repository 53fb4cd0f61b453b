import { type Query, READ_SETTINGS } from './query.ts';

/** Spans one critical path is found among; a run of more says that it was cut. */
export const PATH_SPANS_MAX = 50_000;

/** A span of a run, as its critical path and its waste need it. */
export interface PathSpanRow {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly step_id: string;
  /** Microseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly step_kind: string;
  readonly agent_name: string | null;
  readonly tool_name: string | null;
  readonly status: string;
  /** Hash of the arguments of a tool; null: not told. */
  readonly arguments_hash: string | null;
  /** Hash of its result; null: not told. */
  readonly result_hash: string | null;
  /** Decimal text; null: nothing priced was booked for it. */
  readonly cost_usd: string | null;
}

/** The spans of a run with what their tools took and gave, and what was booked for them. */
export const pathSpansQuery = (input: { readonly tenant: string; readonly runId: string }): Query => ({
  sql: `SELECT s.trace_id AS trace_id, s.span_id AS span_id, s.parent_span_id AS parent_span_id, s.step_id AS step_id,
  toUnixTimestamp64Micro(toDateTime64(s.ts, 6, 'UTC')) AS start,
  start + intDiv(s.duration_ns, 1000) AS end,
  s.name AS name, s.step_kind AS step_kind, s.agent_name AS agent_name, s.tool_name AS tool_name, s.status AS status,
  nullIf(c.arguments_hash, '') AS arguments_hash, nullIf(c.result_hash, '') AS result_hash, l.cost AS cost_usd
FROM spans AS s
LEFT JOIN (
  SELECT step_id,
    anyIf(content_hash, direction = 'input' AND part_kind = 'tool_call') AS arguments_hash,
    anyIf(content_hash, direction = 'output' AND part_kind = 'tool_result') AS result_hash
  FROM span_content
  WHERE tenant_id = {tenant:String} AND run_id = {run_id:String}
  GROUP BY step_id
) AS c ON c.step_id = s.step_id
LEFT JOIN (
  SELECT trace_id, span_id, sum(cost_usd) AS cost
  FROM ledger_entries
  WHERE tenant_id = {tenant:String} AND run_id = {run_id:String}
  GROUP BY trace_id, span_id
) AS l ON l.trace_id = s.trace_id AND l.span_id = s.span_id
WHERE s.tenant_id = {tenant:String} AND s.run_id = {run_id:String} AND s.signal = 'span' AND s.span_id != ''
ORDER BY start, span_id
LIMIT ${PATH_SPANS_MAX + 1}
${READ_SETTINGS}, join_use_nulls = 1`,
  params: { tenant: input.tenant, run_id: input.runId },
});

/** Hashes of what was put before models, and when first and last: microseconds since 1970. */
export interface ModelInputRow {
  readonly content_hash: string;
  readonly last: number;
}

/** Tool results that models of the run were shown, by hash; none where contents are not kept. */
export const modelInputsQuery = (input: { readonly tenant: string; readonly runId: string }): Query => ({
  sql: `SELECT content_hash, max(toUnixTimestamp64Micro(toDateTime64(ts, 6, 'UTC'))) AS last
FROM span_content
WHERE tenant_id = {tenant:String} AND run_id = {run_id:String} AND direction = 'input' AND part_kind = 'tool_result'
GROUP BY content_hash
LIMIT ${PATH_SPANS_MAX}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_id: input.runId },
});
