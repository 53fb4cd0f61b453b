-- Lineage is asked by node and by run, and lineage_edges lies in the order of time (docs/decisions/0017-lineage-by-node.md).
-- A projection is a part of each part of the table: it holds what the part holds, whatever is inserted twice, mended or
-- expires. Parts that were there are given theirs in the background; until then they are read as before. Small granules: a
-- walk asks for many nodes of few rows each.
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} ADD PROJECTION IF NOT EXISTS by_from
(
  SELECT from_id, tenant_id, edge, ts, from_kind, to_kind, to_id, run_id, evidence_level, weight
  ORDER BY from_id, tenant_id, edge, ts
) WITH SETTINGS (index_granularity = 1024);
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} ADD PROJECTION IF NOT EXISTS by_to
(
  SELECT to_id, tenant_id, edge, ts, to_kind, from_kind, from_id, run_id, evidence_level, weight
  ORDER BY to_id, tenant_id, edge, ts
) WITH SETTINGS (index_granularity = 1024);
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} MATERIALIZE PROJECTION by_from;
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} MATERIALIZE PROJECTION by_to;

-- Hundreds of runs are looked up at once: an index over four granules lets nearly all of them through.
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} ADD INDEX IF NOT EXISTS run_bloom run_id TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} MATERIALIZE INDEX run_bloom;

-- Nothing reads these any more.
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} DROP INDEX IF EXISTS run_id_bloom;
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} DROP INDEX IF EXISTS from_id_bloom;
ALTER TABLE {{db}}.lineage_edges {{on_cluster}} DROP INDEX IF EXISTS to_id_bloom;
