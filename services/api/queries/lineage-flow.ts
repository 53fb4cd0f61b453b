import type { NodeKind } from '../../../schemas/lineage-edge.ts';
import type { NodeName } from './lineage.ts';
import { type Query, READ_SETTINGS, type TimeRange, tenantIs, timeWithin, whereOf } from './query.ts';

export const FLOW_LEVELS = ['order', 'context', 'value'] as const;
export type FlowLevel = (typeof FLOW_LEVELS)[number];

/** A place in the flow of data and since when (up: until when) it matters, microseconds since 1970. */
export interface FlowPoint extends NodeName {
  readonly micros: number;
}

/** What derives from what, over all runs that tell it in time. */
export interface FlowEdgeRow {
  readonly from_kind: NodeKind;
  readonly from_id: string;
  readonly to_kind: NodeKind;
  readonly to_id: string;
  readonly evidence_level: FlowLevel;
  readonly runs: number;
  readonly last_run_id: string;
  readonly first_ts: string;
  readonly last_ts: string;
  /** Moments it happened, microseconds since 1970, ascending; the first or last of them when there are more. */
  readonly times: readonly number[];
}

/** Moments of one edge that a walk may choose from. */
const TIMES_MAX = 256;

/**
 * `derives` edges at one side of some nodes: down, those that happen at or after the moment of their source; up, at or
 * before the moment of their target. One row more than `limit` tells that there are others.
 */
export const flowQuery = (input: {
  readonly tenant: string;
  readonly direction: 'up' | 'down';
  readonly points: readonly FlowPoint[];
  readonly levels: readonly FlowLevel[];
  readonly range: TimeRange;
  readonly limit: number;
}): Query => {
  const isDown = input.direction === 'down';
  const end = isDown ? 'from' : 'to';
  const where = whereOf([
    tenantIs(input.tenant),
    timeWithin('ts', input.range),
    {
      sql: `edge = 'derives'
  AND evidence_level IN {levels:Array(String)}
  AND ${end}_id IN {ids:Array(String)} AND (${end}_kind, ${end}_id) IN arrayZip({kinds:Array(String)}, {ids:Array(String)})
  AND toUnixTimestamp64Micro(ts) ${isDown ? '>=' : '<='} transform(concat(${end}_kind, ':', ${end}_id), {nodes:Array(String)}, {micros:Array(Int64)}, toInt64(0))`,
      params: {
        levels: input.levels,
        kinds: input.points.map(({ kind }) => kind),
        ids: input.points.map(({ id }) => id),
        nodes: input.points.map(({ kind, id }) => `${kind}:${id}`),
        micros: input.points.map(({ micros }) => micros),
      },
    },
  ]);
  return {
    sql: `SELECT from_kind, from_id, to_kind, to_id,
  ['order', 'context', 'value'][max(level)] AS evidence_level,
  uniqExact(run_id) AS runs,
  argMax(run_id, (ts, run_id)) AS last_run_id,
  min(ts) AS first_ts,
  max(ts) AS last_ts,
  arraySlice(arraySort(groupUniqArray(toUnixTimestamp64Micro(ts))), ${isDown ? '1' : `-${TIMES_MAX}`}, ${TIMES_MAX}) AS times
FROM (
  SELECT from_kind, from_id, to_kind, to_id, run_id, ts, indexOf(['order', 'context', 'value'], evidence_level) AS level
  FROM lineage_edges
  ${where.sql}
  GROUP BY from_kind, from_id, to_kind, to_id, run_id, ts, evidence_level
  HAVING sum(weight) > 0
)
GROUP BY from_kind, from_id, to_kind, to_id
ORDER BY ${isDown ? 'first_ts' : 'last_ts DESC'}, from_kind, from_id, to_kind, to_id
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...where.params, limit: input.limit + 1 },
  };
};

/** What a run read or wrote, with the first moment: where its flow begins. */
export const runDataQuery = (input: {
  readonly tenant: string;
  readonly runId: string;
  readonly way: 'reads' | 'writes';
  readonly limit: number;
}): Query => ({
  sql: `SELECT to_kind AS kind, to_id AS id, min(toUnixTimestamp64Micro(ts)) AS first, max(toUnixTimestamp64Micro(ts)) AS last
FROM (
  SELECT to_kind, to_id, from_kind, from_id, ts
  FROM lineage_edges
  WHERE tenant_id = {tenant:String} AND run_id = {run_id:String} AND edge = {way:String} AND NOT has(flags, 'failed')
  GROUP BY to_kind, to_id, from_kind, from_id, ts
  HAVING sum(weight) > 0
)
GROUP BY kind, id
ORDER BY first, kind, id
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, run_id: input.runId, way: input.way, limit: input.limit + 1 },
});

/** One reading or writing of a node by one run. */
export interface TouchRow {
  readonly run_id: string;
  readonly way: 'reads' | 'writes';
  readonly from_kind: NodeKind;
  readonly from_id: string;
  readonly from_fields: readonly string[];
  readonly to_fields: readonly string[];
  readonly flags: readonly string[];
  readonly ts: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly step_id: string;
}

const TOUCH = 'run_id, edge, from_kind, from_id, from_fields, to_fields, flags, ts, trace_id, span_id, step_id';

/** Who read or wrote a node, the latest first; one row more than `limit` tells that there are others. */
export const touchesQuery = (input: {
  readonly tenant: string;
  readonly node: NodeName;
  readonly ways: readonly ('reads' | 'writes')[];
  readonly range: TimeRange;
  readonly limit: number;
}): Query => {
  const where = whereOf([
    tenantIs(input.tenant),
    timeWithin('ts', input.range),
    {
      sql: 'to_kind = {kind:String} AND to_id = {id:String} AND edge IN {ways:Array(String)}',
      params: { kind: input.node.kind, id: input.node.id, ways: input.ways },
    },
  ]);
  return {
    // The rows of a node lie together without their details; those are looked up by hour and run, as the table lies.
    sql: `SELECT ${TOUCH.replace('edge', 'edge AS way')}
FROM lineage_edges
${where.sql}
  AND (toStartOfHour(ts), run_id) IN (
    SELECT toStartOfHour(ts), run_id
    FROM lineage_edges
    ${where.sql}
    GROUP BY run_id, edge, from_kind, from_id, ts
    HAVING sum(weight) > 0
    ORDER BY ts DESC, run_id, edge, from_kind, from_id
    LIMIT {limit:UInt32})
GROUP BY ${TOUCH}
HAVING sum(weight) > 0
ORDER BY ts DESC, run_id, way, from_kind, from_id
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...where.params, limit: input.limit + 1 },
  };
};

/** What the runs of some touches say of users and sources. */
export interface RunContextRow {
  readonly run_id: string;
  readonly edge: 'acts_for' | 'derives' | 'delegates';
  readonly from_kind: NodeKind;
  readonly from_id: string;
  readonly to_kind: NodeKind;
  readonly to_id: string;
  readonly evidence_level: FlowLevel;
}

/** Rows one answer joins from its runs: a run that writes a table from 2,000 others has as many. */
const CONTEXT_ROWS_MAX = 50_000;

/** On whose behalf runs acted, who delegated to whom, and what a node derives from in them. */
export const runContextQuery = (input: {
  readonly tenant: string;
  readonly node: NodeName;
  readonly runIds: readonly string[];
  readonly range: TimeRange;
}): Query => {
  const where = whereOf([
    tenantIs(input.tenant),
    timeWithin('ts', input.range),
    { sql: 'run_id IN {run_ids:Array(String)}', params: { run_ids: input.runIds } },
  ]);
  const told = (which: string): string => `SELECT run_id, edge, from_kind, from_id, to_kind, to_id, evidence_level
  FROM lineage_edges
  ${where.sql}
  AND ${which}
  GROUP BY run_id, edge, from_kind, from_id, to_kind, to_id, evidence_level
  HAVING sum(weight) > 0`;
  return {
    sql: `SELECT run_id, edge, from_kind, from_id, to_kind, to_id,
  ['order', 'context', 'value'][max(indexOf(['order', 'context', 'value'], evidence_level))] AS evidence_level
FROM (
  ${told("edge IN ('acts_for', 'delegates')")}
  UNION ALL
  ${told("edge = 'derives' AND to_kind = {kind:String} AND to_id = {id:String}")}
)
GROUP BY run_id, edge, from_kind, from_id, to_kind, to_id
ORDER BY run_id, edge, from_kind, from_id, to_kind, to_id
LIMIT ${CONTEXT_ROWS_MAX}
${READ_SETTINGS}`,
    params: { ...where.params, kind: input.node.kind, id: input.node.id },
  };
};
