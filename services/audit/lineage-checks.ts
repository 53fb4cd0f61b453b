import { type Check, onceEach, proof } from './check.ts';

/**
 * A reversal can follow what it takes back by as long as the state of a fold lives (30 days by default). Near the end
 * of the table's retention the original may have expired before it: such pairs are left to earlier audits.
 */
const PAIRED_SINCE = `least({since:DateTime64(3)} + INTERVAL 35 DAY, now64(3, 'UTC') - INTERVAL 1 DAY)`;
/** What expires not at all is looked at whole. */
const PAIRED = `(logged_at >= ${PAIRED_SINCE} OR {since:DateTime64(3)} <= (SELECT min(logged_at) FROM batches))`;

const edgesOnce = onceEach(
  'edges-once',
  'lineage_edges',
  'edge',
  'edge_id',
  'no row of lineage_edges has the id of another',
);

const edgesNet = proof(
  'edges-net',
  'lineage_edges',
  'each edge of a run is in force once or not at all, reversals counted',
  `SELECT concat('tenant ', tenant_id, ' run ', run_id, ' ', from_kind, ':', from_id, ' ', edge, ' ', to_kind, ':', to_id) AS place,
          concat('net weight ', toString(sum(weight)), ' in ', toString(count()), ' rows') AS detail
   FROM lineage_edges WHERE ${PAIRED}
   GROUP BY tenant_id, run_id, from_kind, from_id, edge, to_kind, to_id
   HAVING sum(weight) > 1 OR sum(weight) < 0 ORDER BY place LIMIT 100`,
);

const edgeReversals = proof(
  'edge-reversals',
  'lineage_edges',
  'each reversal takes back exactly one edge, in every dimension, and none is taken back twice',
  `SELECT concat('reversal of ', id) AS place,
          concat(toString(countIf(isReversal)), ' reversals of ', toString(countIf(NOT isReversal)), ' edges, ', toString(uniqExact(what)), ' descriptions') AS detail
   FROM (
     SELECT ifNull(reverses_edge_id, '') AS id, 1 AS isReversal,
            cityHash64(tenant_id, run_id, ts, step_id, from_kind, from_id, from_fields, edge, to_kind, to_id, to_fields, flags, evidence_level) AS what
     FROM lineage_edges WHERE weight < 0 AND ${PAIRED}
     UNION ALL
     SELECT edge_id AS id, 0 AS isReversal,
            cityHash64(tenant_id, run_id, ts, step_id, from_kind, from_id, from_fields, edge, to_kind, to_id, to_fields, flags, evidence_level) AS what
     FROM lineage_edges
     WHERE weight > 0 AND edge_id IN (SELECT ifNull(reverses_edge_id, '') FROM lineage_edges WHERE weight < 0 AND ${PAIRED})
   ) GROUP BY id
   HAVING countIf(isReversal) != 1 OR countIf(NOT isReversal) != 1 OR uniqExact(what) != 1 ORDER BY place LIMIT 100`,
);

/** What holds of lineage beyond its rows being those of the manifest. */
export const lineageChecks: readonly Check[] = [edgesOnce, edgesNet, edgeReversals];
