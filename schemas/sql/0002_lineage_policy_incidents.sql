-- Lineage, policy and alerting (design 6). Tables with batch_id are written by the stream loop and audited; the others say
-- what a service knows of itself and are rebuilt by it.

-- Signed like the ledger: an edge that a late step moves elsewhere is taken back by a row of weight -1, so that
-- sum(weight) over any slice is right at any moment.
CREATE TABLE IF NOT EXISTS {{db}}.lineage_edges {{on_cluster}}
(
  edge_id String,
  tenant_id LowCardinality(String),
  ts DateTime64(6, 'UTC'),
  run_id String,
  trace_id String,
  span_id String,
  step_id String,
  from_kind LowCardinality(String),
  from_id String,
  from_fields Array(String),
  to_kind LowCardinality(String),
  to_id String,
  to_fields Array(String),
  edge LowCardinality(String),
  evidence_level LowCardinality(String),
  flags Array(LowCardinality(String)),
  weight Int8,
  reverses_edge_id Nullable(String),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  INDEX run_id_bloom run_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX from_id_bloom from_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX to_id_bloom to_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (tenant_id, toStartOfHour(ts), run_id)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

CREATE TABLE IF NOT EXISTS {{db}}.policy_violations {{on_cluster}}
(
  violation_id String,
  tenant_id LowCardinality(String),
  ts DateTime64(6, 'UTC'),
  detected_at DateTime64(3, 'UTC'),
  rule_id LowCardinality(String),
  rule_version LowCardinality(String),
  ruleset_hash LowCardinality(String),
  severity LowCardinality(String),
  mode LowCardinality(String),
  title String,
  run_id String,
  trace_id String,
  span_id String,
  step_id String,
  source_span_id Nullable(String),
  service LowCardinality(String),
  agent_name LowCardinality(Nullable(String)),
  workflow LowCardinality(Nullable(String)),
  user_id Nullable(String),
  evidence String,
  evidence_level LowCardinality(String),
  detected_by LowCardinality(String),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  INDEX run_id_bloom run_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (tenant_id, toStartOfHour(ts), rule_id, run_id)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- How many steps of a rule's kinds could be judged; summed at read. "Cannot judge" is a verdict. field '' counts the rule
-- as a whole; a field or list it requires (e.… or cfg.…, "not configured") has a row of its own with the steps that lacked
-- it; of one that only its condition came to, just the steps that lacked it are counted. The hour is the log's.
CREATE TABLE IF NOT EXISTS {{db}}.policy_coverage {{on_cluster}}
(
  tenant_id LowCardinality(String),
  hour DateTime('UTC'),
  rule_id LowCardinality(String),
  rule_version LowCardinality(String),
  family LowCardinality(String),
  field LowCardinality(String),
  steps UInt64,
  lacking UInt64,
  errors UInt64,
  ruleset_hash LowCardinality(String),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (tenant_id, rule_id, hour)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- Every rule set that was ever in force, whole, written before it judges: a batch that began under it can be replayed
-- under it. Refused ones stand here too, with what is wrong.
CREATE TABLE IF NOT EXISTS {{db}}.policy_rulesets {{on_cluster}}
(
  ruleset_hash String,
  state LowCardinality(String),
  rules UInt32,
  files Map(String, String) CODEC(ZSTD(3)),
  problems Array(String),
  loaded_at DateTime64(3, 'UTC')
)
ENGINE = {{ReplacingMergeTree(loaded_at)}}
ORDER BY (ruleset_hash, state)
SETTINGS {{dedup}};

-- What people say of a violation: confirm, dismiss, except. Events; the newest counts.
CREATE TABLE IF NOT EXISTS {{db}}.violation_reviews {{on_cluster}}
(
  tenant_id LowCardinality(String),
  violation_id String,
  review LowCardinality(String),
  actor String,
  comment String,
  until Nullable(DateTime64(3, 'UTC')),
  at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(at)
ORDER BY (tenant_id, violation_id, at)
TTL toDateTime(at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- What happened to incidents: transitions (state changed) and what people and sinks said. Append-only. transition is NULL
-- for what was recorded and changed nothing; further observations of a known condition are only counted in incidents.
-- notification: 'wanted', 'suppressed' (silenced), 'overflow' (too many already wait); NULL: none is due.
CREATE TABLE IF NOT EXISTS {{db}}.incident_events {{on_cluster}}
(
  event_id String,
  incident_id String,
  tenant_id LowCardinality(String),
  ts DateTime64(3, 'UTC'),
  kind LowCardinality(String),
  transition LowCardinality(Nullable(String)),
  notification LowCardinality(Nullable(String)),
  state LowCardinality(String),
  source LowCardinality(String),
  subject String,
  severity LowCardinality(String),
  title String,
  actor Nullable(String),
  comment Nullable(String),
  level Nullable(Float64),
  silenced_until Nullable(DateTime64(3, 'UTC')),
  run_id Nullable(String),
  sink LowCardinality(Nullable(String)),
  detail String,
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  INDEX incident_id_bloom incident_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (tenant_id, incident_id, ts)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- One row an incident, the newest version wins; read with FINAL. notices: the alerter's own list (JSON) of notifications
-- not yet settled, pending: how many.
CREATE TABLE IF NOT EXISTS {{db}}.incidents {{on_cluster}}
(
  incident_id String,
  tenant_id LowCardinality(String),
  version UInt64,
  source LowCardinality(String),
  subject String,
  title String,
  severity LowCardinality(String),
  state LowCardinality(String),
  opened_at DateTime64(3, 'UTC'),
  last_observed_at DateTime64(3, 'UTC'),
  observations UInt64,
  level Nullable(Float64),
  acknowledged_at Nullable(DateTime64(3, 'UTC')),
  acknowledged_by Nullable(String),
  resolved_at Nullable(DateTime64(3, 'UTC')),
  resolved_by Nullable(String),
  silenced_until Nullable(DateTime64(3, 'UTC')),
  service LowCardinality(Nullable(String)),
  agent_name LowCardinality(Nullable(String)),
  workflow LowCardinality(Nullable(String)),
  run_id Nullable(String),
  detail String,
  pending UInt32,
  notices String CODEC(ZSTD(3)),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC')
)
ENGINE = {{ReplacingMergeTree(version)}}
ORDER BY (tenant_id, incident_id)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- One row a notification and sink, the newest version wins: pending, sent, failed (given up).
CREATE TABLE IF NOT EXISTS {{db}}.incident_deliveries {{on_cluster}}
(
  delivery_id String,
  tenant_id LowCardinality(String),
  version UInt64,
  incident_id String,
  event_id String,
  transition LowCardinality(String),
  sink LowCardinality(String),
  state LowCardinality(String),
  attempts UInt32,
  last_error String,
  created_at DateTime64(3, 'UTC'),
  updated_at DateTime64(3, 'UTC'),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC')
)
ENGINE = {{ReplacingMergeTree(version)}}
ORDER BY (tenant_id, incident_id, delivery_id)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- Spend of each budget in each of its periods, as last computed from the ledger; the newest version wins. What counts
-- against the limit is spent_usd + unknown_ceiling_usd. state: 'ok', 'warning', 'exceeded', by the sum as it is now;
-- reached: thresholds that ever fired in the period, also when a correction brought the sum down again.
CREATE TABLE IF NOT EXISTS {{db}}.budget_status {{on_cluster}}
(
  budget_id String,
  version UInt64,
  title String,
  tenant_id LowCardinality(String),
  scope Map(String, String),
  period LowCardinality(String),
  timezone LowCardinality(String),
  period_start DateTime('UTC'),
  period_end DateTime('UTC'),
  limit_usd Decimal(38, 12),
  spent_usd Decimal(38, 12),
  unknown_calls Int64,
  unknown_call_ceiling_usd Decimal(38, 12),
  unknown_ceiling_usd Decimal(38, 12),
  calls Int64,
  thresholds Array(Float64),
  reached Array(Float64),
  state LowCardinality(String),
  incident_id String,
  computed_at DateTime64(3, 'UTC')
)
ENGINE = {{ReplacingMergeTree(version)}}
ORDER BY (tenant_id, budget_id, period_start)
TTL toDateTime(computed_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- What each audit found, check by check: the newest audit_id is the state of the promise. Not a stream's table.
CREATE TABLE IF NOT EXISTS {{db}}.audit_results {{on_cluster}}
(
  audit_id String,
  position UInt16,
  check LowCardinality(String),
  claim String,
  kind LowCardinality(String),
  findings UInt32,
  waiting UInt32,
  places Array(String),
  watermark DateTime64(3, 'UTC'),
  started_at DateTime64(3, 'UTC'),
  finished_at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(finished_at)
ORDER BY (finished_at, audit_id, position)
TTL toDateTime(finished_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};
