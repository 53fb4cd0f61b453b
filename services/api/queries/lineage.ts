import type { NodeKind } from '../../../schemas/lineage-edge.ts';
import {
  type Condition,
  given,
  type Query,
  READ_SETTINGS,
  type TimeRange,
  tenantIs,
  timeWithin,
  whereOf,
} from './query.ts';

/** Both ends and the type of an edge, as the table has them. */
export interface EdgeEnds {
  readonly from_kind: NodeKind;
  readonly from_id: string;
  readonly edge: string;
  readonly to_kind: NodeKind;
  readonly to_id: string;
}

/** An edge of one run that is in force, with the first step that tells it. */
export interface RunEdgeRow extends EdgeEnds {
  readonly from_fields: readonly string[];
  readonly to_fields: readonly string[];
  readonly evidence_level: string;
  readonly flags: readonly string[];
  readonly ts: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly step_id: string;
}

const ENDS = 'from_kind, from_id, edge, to_kind, to_id';
const RUN_EDGE = `${ENDS}, from_fields, to_fields, evidence_level, flags, ts, trace_id, span_id, step_id`;

/** Edges of a run in force, by the time of their first step; one row more than `limit` tells that there are others. */
export const runEdgesQuery = (input: {
  readonly tenant: string;
  readonly runId: string;
  readonly limit: number;
}): Query => ({
  sql: `SELECT ${RUN_EDGE}
FROM lineage_edges
WHERE tenant_id = {tenant:String}
  AND run_id = {run_id:String}
GROUP BY ${RUN_EDGE}
HAVING sum(weight) > 0
ORDER BY ts, step_id, ${ENDS}
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_id: input.runId, limit: input.limit + 1 },
});

/** What the steps of a run leave out of its lineage. */
export interface LineageGapsRow {
  readonly steps: number;
  readonly orphans: number;
  readonly agents_without_name: number;
  readonly calls_without_model: number;
  readonly data_without_name: number;
  readonly steps_with_user: number;
}

/** Counts steps whose emitter did not say what lineage needs. */
export const lineageGapsQuery = (input: { readonly tenant: string; readonly runId: string }): Query => ({
  sql: `SELECT count() AS steps,
  countIf(signal = 'span' AND parent_span_id != '' AND parent_span_id NOT IN (
    SELECT span_id FROM spans WHERE tenant_id = {tenant:String} AND run_id = {run_id:String} AND signal = 'span')) AS orphans,
  countIf(step_kind = 'agent' AND agent_name IS NULL) AS agents_without_name,
  countIf(call_role = 'leaf' AND request_model IS NULL AND response_model IS NULL) AS calls_without_model,
  countIf(step_kind IN ('retrieval', 'data_access') AND attributes['data.name'] = '' AND attributes['gen_ai.data_source.id'] = '') AS data_without_name,
  countIf(user_id IS NOT NULL OR on_behalf_of IS NOT NULL) AS steps_with_user
FROM spans
WHERE tenant_id = {tenant:String}
  AND run_id = {run_id:String}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_id: input.runId },
});

export interface NodeName {
  readonly kind: NodeKind;
  readonly id: string;
}

/** Tenants in whose edges a node stands. Each end is asked for on its own: the rows of an end lie together. */
export const nodeTenantsQuery = (input: {
  readonly tenant: string | null;
  readonly node: NodeName;
  readonly range: TimeRange;
}): Query => {
  const at = (end: 'from' | 'to'): Condition =>
    whereOf([
      tenantIs(input.tenant),
      timeWithin('ts', input.range),
      {
        sql: `${end}_id = {id:String} AND ${end}_kind = {kind:String}`,
        params: { kind: input.node.kind, id: input.node.id },
      },
    ]);
  return {
    sql: `SELECT tenant_id
FROM (
  SELECT tenant_id, weight FROM lineage_edges ${at('from').sql}
  UNION ALL
  SELECT tenant_id, weight FROM lineage_edges ${at('to').sql}
)
GROUP BY tenant_id
HAVING sum(weight) > 0
ORDER BY tenant_id
LIMIT 10
${READ_SETTINGS}`,
    params: at('from').params,
  };
};

/** An edge over all runs of a range. */
export interface EdgeRow extends EdgeEnds {
  readonly runs: number;
  readonly first_ts: string;
  readonly last_ts: string;
  /** The run that told it last. */
  readonly last_run_id: string;
}

/** The edges at one side of some nodes, the most frequent first; one row more than `limit` tells that there are others. */
export const neighboursQuery = (input: {
  readonly tenant: string;
  /** 'down': edges that begin at the nodes; 'up': edges that end there. */
  readonly direction: 'up' | 'down';
  readonly nodes: readonly NodeName[];
  readonly range: TimeRange;
  readonly limit: number;
}): Query => {
  const end = input.direction === 'down' ? 'from' : 'to';
  const where = whereOf([
    tenantIs(input.tenant),
    timeWithin('ts', input.range),
    {
      sql: `${end}_id IN {ids:Array(String)} AND (${end}_kind, ${end}_id) IN arrayZip({kinds:Array(String)}, {ids:Array(String)})`,
      params: { kinds: input.nodes.map((node) => node.kind), ids: input.nodes.map((node) => node.id) },
    },
  ]);
  return {
    sql: `SELECT ${ENDS}, uniqExact(run_id) AS runs, min(ts) AS first_ts, max(ts) AS last_ts, argMax(run_id, (ts, run_id)) AS last_run_id
FROM (
  SELECT ${ENDS}, run_id, ts
  FROM lineage_edges
  ${where.sql}
  GROUP BY ${ENDS}, run_id, ts
  HAVING sum(weight) > 0
)
GROUP BY ${ENDS}
ORDER BY runs DESC, last_ts DESC, ${ENDS}
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...where.params, limit: input.limit + 1 },
  };
};

export interface NodeRow extends NodeName {
  readonly tenant_id: string;
  readonly runs: number;
  readonly last_ts: string;
}

const kindIs = (kind: string | undefined): Condition | undefined =>
  kind === undefined ? { sql: "node.1 != 'run'", params: {} } : given(kind, 'kind', 'node.1 = {kind:String}');

/** Nodes by a part of their id in any case, those of most runs first; runs themselves only where asked for. */
export const nodesQuery = (input: {
  readonly tenant: string | null;
  readonly range: TimeRange;
  readonly q?: string | undefined;
  readonly kind?: string | undefined;
  readonly limit: number;
}): Query => {
  const inside = whereOf([tenantIs(input.tenant), timeWithin('ts', input.range)]);
  const outside = whereOf([
    kindIs(input.kind),
    given(input.q, 'q', 'positionCaseInsensitiveUTF8(node.2, {q:String}) > 0'),
  ]);
  return {
    sql: `SELECT tenant_id, node.1 AS kind, node.2 AS id, count() AS runs, max(seen) AS last_ts
FROM (
  SELECT tenant_id, run_id, node, max(ts) AS seen
  FROM (
    SELECT tenant_id, run_id, ts, weight,
      arrayJoin([(toString(from_kind), from_id), (toString(to_kind), to_id)]) AS node
    FROM lineage_edges
    ${inside.sql}
  )
  ${outside.sql}
  GROUP BY tenant_id, run_id, node
  HAVING sum(weight) > 0
)
GROUP BY tenant_id, node
ORDER BY runs DESC, last_ts DESC, kind, id
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...inside.params, ...outside.params, limit: input.limit + 1 },
  };
};
