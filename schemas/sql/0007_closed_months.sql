-- Months whose books are closed (`tacho price close`): re-pricing leaves their calls alone unless it is told otherwise.
-- tenant_id '' = every tenant. The newest version of a row wins: read with FINAL. Kept for ever: a month stays closed longer
-- than its entries are kept, and there are few.
CREATE TABLE IF NOT EXISTS {{db}}.closed_months {{on_cluster}}
(
  tenant_id LowCardinality(String),
  month String,
  is_closed Bool,
  actor String,
  at DateTime64(3, 'UTC'),
  version UInt64
)
ENGINE = {{ReplacingMergeTree(version)}}
ORDER BY (tenant_id, month)
SETTINGS {{dedup}};
