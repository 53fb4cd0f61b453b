import type { Cursor } from '../cursor.ts';
import { type Condition, given, type Query, READ_SETTINGS, type TimeRange, tenantIs, whereOf } from './query.ts';

/** Columns of a run as the API gives them; `status` and the share known are read off the counts. */
export const RUN_COLUMNS = `tenant_id, run_id, name, root_agent, agents, models, tools, families, workflow, user_id,
  session_id, service, environment, first_ts, last_ts,
  intDiv(toUnixTimestamp64Micro(last_ts) - toUnixTimestamp64Micro(first_ts), 1000) AS duration_ms,
  toString(toUnixTimestamp64Micro(first_ts)) AS first_ts_micros,
  if(errors > 0, 'error', 'ok') AS status,
  steps, llm_steps, tool_steps, errors, calls, failed_calls, unknown_calls, unpriced_calls,
  input_tokens, output_tokens, toString(cost_usd) AS cost_usd, version, logged_at`;

export interface RunRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly name: string;
  readonly root_agent: string | null;
  readonly agents: readonly string[];
  readonly models: readonly string[];
  readonly tools: readonly string[];
  readonly families: readonly string[];
  readonly workflow: string | null;
  readonly user_id: string | null;
  readonly session_id: string | null;
  readonly service: string;
  readonly environment: string | null;
  readonly first_ts: string;
  readonly last_ts: string;
  readonly duration_ms: number;
  readonly first_ts_micros: string;
  readonly status: 'ok' | 'error';
  readonly steps: number;
  readonly llm_steps: number;
  readonly tool_steps: number;
  readonly errors: number;
  readonly calls: number;
  readonly failed_calls: number;
  readonly unknown_calls: number;
  readonly unpriced_calls: number;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cost_usd: string | null;
  readonly version: number;
  readonly logged_at: string;
}

export interface RunsInput {
  readonly tenant: string | null;
  readonly range: TimeRange;
  readonly service?: string | undefined;
  readonly agent?: string | undefined;
  readonly model?: string | undefined;
  readonly tool?: string | undefined;
  readonly session?: string | undefined;
  readonly user?: string | undefined;
  readonly workflow?: string | undefined;
  readonly environment?: string | undefined;
  readonly status?: 'ok' | 'error' | undefined;
  /** Part of a name, agent, service, user or session in any case, or the start of a run id. */
  readonly q?: string | undefined;
  readonly cursor?: Cursor | undefined;
  readonly limit: number;
}

const SEARCHED = ['name', 'root_agent', 'service', 'user_id', 'session_id', 'workflow'] as const;

const textSearch = (q: string | undefined): Condition | undefined => {
  if (q === undefined) return undefined;
  const anywhere = SEARCHED.map((column) => `positionCaseInsensitiveUTF8(ifNull(${column}, ''), {q:String}) > 0`);
  return { sql: `(startsWith(run_id, lower({q:String})) OR ${anywhere.join(' OR ')})`, params: { q } };
};

const after = (cursor: Cursor | undefined): Condition | undefined =>
  cursor === undefined
    ? undefined
    : {
        sql: '(toUnixTimestamp64Micro(first_ts), run_id) < ({cursor_ts:Int64}, {cursor_id:String})',
        params: { cursor_ts: cursor.ts_micros, cursor_id: cursor.id },
      };

const statusIs = (status: 'ok' | 'error' | undefined): Condition | undefined =>
  status === undefined ? undefined : { sql: status === 'error' ? 'errors > 0' : 'errors = 0', params: {} };

/** A run belongs to a range when any of it happened there: a long run stays visible while it works. */
export const runWithin = (range: TimeRange): Condition => ({
  sql: "last_ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND first_ts < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')",
  params: { from_ms: range.fromMs, to_ms: range.toMs },
});

const runsWhere = (input: Omit<RunsInput, 'cursor' | 'limit'>, cursor?: Cursor): Condition =>
  whereOf([
    tenantIs(input.tenant),
    runWithin(input.range),
    given(input.service, 'service', 'service = {service:String}'),
    given(input.agent, 'agent', '(root_agent = {agent:String} OR has(agents, {agent:String}))'),
    given(input.model, 'model', 'has(models, {model:String})'),
    given(input.tool, 'tool', 'has(tools, {tool:String})'),
    given(input.session, 'session', 'session_id = {session:String}'),
    given(input.user, 'user', 'user_id = {user:String}'),
    given(input.workflow, 'workflow', 'workflow = {workflow:String}'),
    given(input.environment, 'environment', 'environment = {environment:String}'),
    statusIs(input.status),
    textSearch(input.q),
    after(cursor),
  ]);

/** A page of runs, newest start first; one row more than `limit` tells that there is another page. */
export const runsQuery = (input: RunsInput): Query => {
  const where = runsWhere(input, input.cursor);
  return {
    sql: `SELECT ${RUN_COLUMNS}
FROM runs FINAL
${where.sql}
ORDER BY first_ts DESC, run_id DESC
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...where.params, limit: input.limit + 1 },
  };
};

export interface RunCountsRow {
  readonly runs: number;
  readonly failed_runs: number;
  readonly step_count: number;
  readonly error_count: number;
  readonly last_logged_at: string | null;
}

/** How many runs, steps and errors the same filters find, and when the newest of them was last written to. */
export const runCountsQuery = (input: Omit<RunsInput, 'cursor' | 'limit'>): Query => {
  const where = runsWhere(input);
  return {
    sql: `SELECT count() AS runs, countIf(r.errors > 0) AS failed_runs, sum(r.steps) AS step_count, sum(r.errors) AS error_count,
  if(count() = 0, NULL, max(r.logged_at)) AS last_logged_at
FROM runs AS r FINAL
${where.sql}
${READ_SETTINGS}`,
    params: where.params,
  };
};

/** The runs with this id: one row for each tenant that has it. */
export const runQuery = (input: { readonly tenant: string | null; readonly runId: string }): Query => {
  const where = whereOf([{ sql: 'run_id = {run_id:String}', params: { run_id: input.runId } }, tenantIs(input.tenant)]);
  return {
    sql: `SELECT ${RUN_COLUMNS}\nFROM runs FINAL\n${where.sql}\nORDER BY tenant_id\nLIMIT 10\n${READ_SETTINGS}`,
    params: where.params,
  };
};
