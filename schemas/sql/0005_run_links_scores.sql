-- Runs that belong together, and what evaluations say (design 6).

-- Which runs are one tree, each row told by one step of run_id alone, so that no order of arrival changes them; resolved
-- at read. reason: 'hand_off' (an agent or delegation that names a span of another trace), 'span_link' (any other step that
-- does), 'conversation' (root_run_id is what a record of that conversation without a trace has for its run), 'mcp_call'
-- (the two sides of one MCP request; root_run_id is a name both make of it), 'same_call' (a span without a place tells of a
-- call that root_run_id has). The newest version of a row wins, and all
-- say the same; read with FINAL. Not partitioned: versions of one row must meet.
CREATE TABLE IF NOT EXISTS {{db}}.run_links {{on_cluster}}
(
  tenant_id LowCardinality(String),
  run_id String,
  root_run_id String,
  reason LowCardinality(String),
  session_id Nullable(String),
  version UInt64,
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  INDEX root_run_id_bloom root_run_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX session_bloom session_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{ReplacingMergeTree(version)}}
ORDER BY (tenant_id, run_id, root_run_id, reason)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- One row an evaluation a step told; a step read anew says it again, the newest version wins: read with FINAL. span_id: what was judged, as far as it is told: the span a log record stands in, the
-- parent of an evaluator's own span. evaluator: the scope that told it, or the agent it names.
CREATE TABLE IF NOT EXISTS {{db}}.scores {{on_cluster}}
(
  score_id String,
  tenant_id LowCardinality(String),
  ts DateTime64(6, 'UTC'),
  run_id String,
  trace_id String,
  span_id String,
  step_id String,
  session_id Nullable(String),
  response_id Nullable(String),
  service LowCardinality(String),
  name String,
  value Nullable(Float64),
  label Nullable(String),
  evaluator Nullable(String),
  family LowCardinality(String),
  version UInt64,
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  INDEX run_id_bloom run_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{ReplacingMergeTree(version)}}
ORDER BY (tenant_id, score_id)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};
