-- Core tables (design 6). Placeholders are filled by services/runtime/store/ddl.ts: the engine family becomes its
-- replicated form where the server offers it. Every table a stream writes carries batch_id and logged_at: an open intent
-- is verified by them after a crash. Partitioned and expired by logged_at, never by the sender's ts.

CREATE TABLE IF NOT EXISTS {{db}}.spans {{on_cluster}}
(
  tenant_id LowCardinality(String),
  step_id String,
  ts DateTime64(9, 'UTC'),
  duration_ns UInt64,
  trace_id String,
  span_id String,
  parent_span_id String,
  run_id String,
  session_id Nullable(String),
  step_kind LowCardinality(String),
  span_kind LowCardinality(String),
  name String,
  service LowCardinality(String),
  environment LowCardinality(Nullable(String)),
  family LowCardinality(String),
  scope_name LowCardinality(String),
  scope_version LowCardinality(String),
  agent_name LowCardinality(Nullable(String)),
  agent_id Nullable(String),
  agent_version LowCardinality(Nullable(String)),
  workflow LowCardinality(Nullable(String)),
  user_id Nullable(String),
  on_behalf_of Nullable(String),
  tool_name LowCardinality(Nullable(String)),
  tool_call_id Nullable(String),
  tool_schema_hash Nullable(String),
  prompt_name LowCardinality(Nullable(String)),
  prompt_version LowCardinality(Nullable(String)),
  provider LowCardinality(Nullable(String)),
  request_model LowCardinality(Nullable(String)),
  response_model LowCardinality(Nullable(String)),
  response_id Nullable(String),
  region LowCardinality(Nullable(String)),
  service_tier LowCardinality(Nullable(String)),
  reported_input_tokens Nullable(Int64),
  reported_output_tokens Nullable(Int64),
  reported_cache_read_tokens Nullable(Int64),
  reported_cache_write_tokens Nullable(Int64),
  reported_reasoning_tokens Nullable(Int64),
  reported_cost_usd Nullable(Decimal(38, 12)),
  call_role LowCardinality(Nullable(String)),
  status LowCardinality(String),
  error_type LowCardinality(Nullable(String)),
  error_message Nullable(String),
  attempt Nullable(UInt32),
  signal LowCardinality(String),
  vantage LowCardinality(String),
  event_name LowCardinality(Nullable(String)),
  severity LowCardinality(Nullable(String)),
  links Array(Tuple(trace_id String, span_id String)),
  flags Array(LowCardinality(String)),
  labels Map(LowCardinality(String), String),
  attributes Map(LowCardinality(String), String),
  resource Map(LowCardinality(String), String),
  log_id LowCardinality(String),
  log_topic LowCardinality(String),
  log_partition UInt32,
  log_offset UInt64,
  log_index UInt32,
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  ingested_at DateTime64(3, 'UTC') DEFAULT now64(3),
  INDEX trace_id_bloom trace_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX run_id_bloom run_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX step_id_bloom step_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX log_offset_range log_offset TYPE minmax GRANULARITY 4
)
ENGINE = {{MergeTree}}
PARTITION BY toDate(logged_at)
ORDER BY (tenant_id, toStartOfHour(ts), run_id, ts)
TTL toDateTime(logged_at) + toIntervalDay({{days_spans}})
SETTINGS {{dedup}};

CREATE TABLE IF NOT EXISTS {{db}}.span_content {{on_cluster}}
(
  tenant_id LowCardinality(String),
  run_id String,
  trace_id String,
  span_id String,
  step_id String,
  content_index UInt32,
  direction LowCardinality(String),
  role LowCardinality(String),
  part_kind LowCardinality(String),
  content String,
  content_bytes UInt64,
  content_hash String,
  is_cut Bool,
  pii_classes Array(LowCardinality(String)),
  ts DateTime64(9, 'UTC'),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  INDEX run_id_bloom run_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{MergeTree}}
PARTITION BY toDate(logged_at)
ORDER BY (tenant_id, run_id, step_id, content_index)
TTL toDateTime(logged_at) + toIntervalDay({{days_content}})
SETTINGS {{dedup}};

CREATE TABLE IF NOT EXISTS {{db}}.dead_letters {{on_cluster}}
(
  tenant_id LowCardinality(String),
  topic LowCardinality(String),
  log_id LowCardinality(String),
  log_topic LowCardinality(String),
  log_partition UInt32,
  log_offset UInt64,
  log_index UInt32,
  reason LowCardinality(String),
  detail String,
  bytes UInt64,
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (log_topic, log_partition, log_offset, log_index)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

CREATE TABLE IF NOT EXISTS {{db}}.ledger_entries {{on_cluster}}
(
  entry_id String,
  entry_kind LowCardinality(String),
  tenant_id LowCardinality(String),
  ts DateTime64(6, 'UTC'),
  booked_at DateTime64(3, 'UTC'),
  call_id String,
  trace_id String,
  span_id String,
  run_id String,
  session_id Nullable(String),
  service LowCardinality(String),
  environment LowCardinality(Nullable(String)),
  agent_name LowCardinality(Nullable(String)),
  workflow LowCardinality(Nullable(String)),
  user_id Nullable(String),
  account LowCardinality(Nullable(String)),
  region LowCardinality(Nullable(String)),
  service_tier LowCardinality(Nullable(String)),
  labels Map(LowCardinality(String), String),
  provider LowCardinality(Nullable(String)),
  model LowCardinality(Nullable(String)),
  family LowCardinality(String),
  outcome LowCardinality(String),
  calls Int64,
  input_tokens Nullable(Int64),
  cache_read_tokens Nullable(Int64),
  cache_write_tokens Nullable(Int64),
  cache_write_1h_tokens Nullable(Int64),
  output_tokens Nullable(Int64),
  reasoning_tokens Nullable(Int64),
  audio_input_tokens Nullable(Int64),
  audio_output_tokens Nullable(Int64),
  quantities Map(LowCardinality(String), Float64),
  untold Array(LowCardinality(String)),
  cost_usd Nullable(Decimal(38, 12)),
  price_id LowCardinality(Nullable(String)),
  estimated Bool,
  unpriced_reason LowCardinality(Nullable(String)),
  reason LowCardinality(String),
  reverses_entry_id Nullable(String),
  reported_cost_usd Nullable(Decimal(38, 12)),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  INDEX run_id_bloom run_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (tenant_id, toStartOfHour(ts), run_id, call_id)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

CREATE TABLE IF NOT EXISTS {{db}}.span_duplicates {{on_cluster}}
(
  tenant_id LowCardinality(String),
  step_id String,
  run_id String,
  trace_id String,
  span_id String,
  log_id LowCardinality(String),
  log_topic LowCardinality(String),
  log_partition UInt32,
  log_offset UInt64,
  log_index UInt32,
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (tenant_id, run_id, step_id)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- One row a run, the newest version wins; read with FINAL. Not partitioned: versions of one run must meet.
CREATE TABLE IF NOT EXISTS {{db}}.runs {{on_cluster}}
(
  tenant_id LowCardinality(String),
  run_id String,
  version UInt64,
  first_ts DateTime64(6, 'UTC'),
  last_ts DateTime64(6, 'UTC'),
  name String,
  root_agent LowCardinality(Nullable(String)),
  agents Array(String),
  models Array(String),
  tools Array(String),
  families Array(String),
  workflow LowCardinality(Nullable(String)),
  user_id Nullable(String),
  session_id Nullable(String),
  service LowCardinality(String),
  environment LowCardinality(Nullable(String)),
  steps UInt64,
  llm_steps UInt64,
  tool_steps UInt64,
  errors UInt64,
  calls Int64,
  failed_calls Int64,
  unknown_calls Int64,
  unpriced_calls Int64,
  input_tokens Nullable(Int64),
  output_tokens Nullable(Int64),
  cost_usd Nullable(Decimal(38, 12)),
  links Array(Tuple(trace_id String, span_id String)),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  INDEX session_bloom session_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{ReplacingMergeTree(version)}}
ORDER BY (tenant_id, run_id)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- State of a fold for one key as of an offset: memory is only a cache of it (delivery protocol 2.3).
CREATE TABLE IF NOT EXISTS {{db}}.run_state {{on_cluster}}
(
  service LowCardinality(String),
  log_id LowCardinality(String),
  topic LowCardinality(String),
  partition UInt32,
  run_key String,
  as_of UInt64,
  state String CODEC(ZSTD(3)),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toDate(logged_at)
ORDER BY (service, log_id, topic, partition, run_key, as_of)
TTL toDateTime(logged_at) + toIntervalDay({{days_state}})
SETTINGS {{dedup}};

-- The manifest: one row a batch, written last. What the audit believes.
CREATE TABLE IF NOT EXISTS {{db}}.batches {{on_cluster}}
(
  service LowCardinality(String),
  log_id LowCardinality(String),
  topic LowCardinality(String),
  partition UInt32,
  first UInt64,
  end UInt64,
  records UInt64,
  rows Map(LowCardinality(String), UInt64),
  steps UInt64,
  dead_letters UInt64,
  duplicates UInt64,
  filtered UInt64,
  empty UInt64,
  produced Map(LowCardinality(String), UInt64),
  hours Array(DateTime('UTC')),
  batch_id LowCardinality(String),
  logged_at DateTime64(3, 'UTC'),
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_at)
ORDER BY (service, log_id, topic, partition, first)
TTL toDateTime(logged_at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

CREATE TABLE IF NOT EXISTS {{db}}.access_log {{on_cluster}}
(
  at DateTime64(3, 'UTC'),
  actor String,
  action LowCardinality(String),
  tenant_id LowCardinality(String),
  subject String,
  detail String
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(at)
ORDER BY (tenant_id, at)
TTL toDateTime(at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};
