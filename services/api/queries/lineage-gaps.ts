import { type Query, READ_SETTINGS, type TimeRange, tenantIs, timeWithin, whereOf } from './query.ts';

/** What the telemetry of a range leaves out of the flow of data. */
export interface FlowGapsRow {
  readonly sql_unparsed: number;
  readonly from_arguments: number;
  readonly without_agent: number;
  readonly parent_missing: number;
  readonly more: number;
  readonly tools_without_data: number;
  readonly data_without_name: number;
}

/** Counts touches that are rough, tools of which nothing says what they touched, and accesses without a name. */
export const flowGapsQuery = (input: { readonly tenant: string; readonly range: TimeRange }): Query => {
  const where = whereOf([tenantIs(input.tenant), timeWithin('ts', input.range)]);
  return {
    sql: `SELECT
  sumIf(weight, has(flags, 'sql_unparsed') AND edge IN ('reads', 'writes')) AS sql_unparsed,
  sumIf(weight, has(flags, 'from_arguments') AND edge IN ('reads', 'writes')) AS from_arguments,
  sumIf(weight, edge IN ('reads', 'writes') AND from_kind != 'agent' AND empty(from_fields)) AS without_agent,
  sumIf(weight, has(flags, 'parent_missing') AND edge IN ('reads', 'writes')) AS parent_missing,
  sumIf(weight, has(flags, 'more')) AS more,
  (SELECT count() FROM (
    SELECT if(edge = 'invokes', to_id, from_id) AS tool, sumIf(weight, edge = 'invokes') AS invoked, sumIf(weight, edge != 'invokes') AS touched
    FROM lineage_edges ${where.sql} AND ((edge = 'invokes' AND to_kind = 'tool') OR (edge IN ('reads', 'writes') AND from_kind = 'tool'))
    GROUP BY tool HAVING invoked > 0 AND touched <= 0)) AS tools_without_data,
  (SELECT count() FROM spans ${where.sql} AND step_kind IN ('retrieval', 'data_access')
    AND NOT mapContains(attributes, 'data.name') AND NOT mapContains(attributes, 'gen_ai.data_source.id')) AS data_without_name
FROM lineage_edges
${where.sql}
HAVING sum(weight) > 0
${READ_SETTINGS}`,
    params: where.params,
  };
};
