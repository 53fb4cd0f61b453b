-- Roll-ups of closed hours, rebuilt from raw by one job and never written by a stream (docs/decisions/0011-rollups.md).
--
-- A slice is (kind, hour of ts, day of logged_at). Raw tables expire by logged_at, so the raw of a slice expires as a
-- whole: what a late row of today adds to an hour of last month is a slice of its own, and the slice of last month, whose
-- raw may be gone, is never touched again. Hours further than 400 days before or 2 days after the day that logged them
-- are nobody's history: they are counted in one slice a day, of hour 0, which is always read from raw.

-- On which days the records of a batch were logged. Written only when there are several.
ALTER TABLE {{db}}.batches {{on_cluster}} ADD COLUMN IF NOT EXISTS logged_days Array(DateTime('UTC'))
  DEFAULT arrayMap(day -> toDateTime(day, 'UTC'),
    if(toHour(logged_at) = 0, [toDate(logged_at) - 1, toDate(logged_at)], [toDate(logged_at)]));
ALTER TABLE {{db}}.batches {{on_cluster}} ADD INDEX IF NOT EXISTS written_at_range written_at TYPE minmax GRANULARITY 1;

-- What is known of each slice, the newest version wins; read with FINAL. generation: the rows of the roll-up that count;
-- '' while there are none: the slice is read from raw. batches and fingerprint say of which batches of the manifest it was
-- built. version: when the job looked (ms since 1970) times two, plus one when it built.
CREATE TABLE IF NOT EXISTS {{db}}.rollup_slices {{on_cluster}}
(
  kind LowCardinality(String),
  hour DateTime('UTC'),
  logged_day Date,
  version UInt64,
  generation LowCardinality(String),
  batches UInt64,
  fingerprint UInt64,
  built_at DateTime('UTC')
)
ENGINE = {{ReplacingMergeTree(version)}}
PARTITION BY toYYYYMM(logged_day)
ORDER BY (kind, hour, logged_day)
TTL toDateTime(logged_day) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- One row a pass of the job. Every batch written before seen_until (less two minutes, in which an insert ends) is
-- accounted for in rollup_slices; what was written since is looked up in the manifest.
CREATE TABLE IF NOT EXISTS {{db}}.rollup_passes {{on_cluster}}
(
  owner String,
  seen_until DateTime64(3, 'UTC'),
  built UInt64,
  waiting UInt64,
  finished_at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(finished_at)
ORDER BY seen_until
TTL toDateTime(finished_at) + toIntervalDay({{days_state}})
SETTINGS {{dedup}};

-- Bookings of an hour with the same dimensions and the same known and unknown parts, summed: a row reads like a ledger
-- entry that stands for several, so every sum over entries is the same sum over these.
CREATE TABLE IF NOT EXISTS {{db}}.rollup_spend {{on_cluster}}
(
  hour DateTime('UTC'),
  logged_day Date,
  generation LowCardinality(String),
  tenant_id LowCardinality(String),
  entry_kind LowCardinality(String),
  service LowCardinality(String),
  environment LowCardinality(Nullable(String)),
  agent_name LowCardinality(Nullable(String)),
  workflow LowCardinality(Nullable(String)),
  user_id Nullable(String),
  account LowCardinality(Nullable(String)),
  region LowCardinality(Nullable(String)),
  service_tier LowCardinality(Nullable(String)),
  provider LowCardinality(Nullable(String)),
  model LowCardinality(Nullable(String)),
  family LowCardinality(String),
  outcome LowCardinality(String),
  untold Array(LowCardinality(String)),
  estimated Bool,
  unpriced_reason LowCardinality(Nullable(String)),
  entries UInt64,
  calls Int64,
  input_tokens Nullable(Int64),
  cache_read_tokens Nullable(Int64),
  cache_write_tokens Nullable(Int64),
  cache_write_1h_tokens Nullable(Int64),
  output_tokens Nullable(Int64),
  reasoning_tokens Nullable(Int64),
  audio_input_tokens Nullable(Int64),
  audio_output_tokens Nullable(Int64),
  cost_usd Nullable(Decimal(38, 12)),
  reported_cost_usd Nullable(Decimal(38, 12)),
  built_at DateTime('UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_day)
ORDER BY (tenant_id, hour, logged_day, service)
TTL toDateTime(logged_day) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- Steps of an hour. timed: of them, spans that began and ended; only their durations are known.
CREATE TABLE IF NOT EXISTS {{db}}.rollup_steps {{on_cluster}}
(
  hour DateTime('UTC'),
  logged_day Date,
  generation LowCardinality(String),
  tenant_id LowCardinality(String),
  step_kind LowCardinality(String),
  signal LowCardinality(String),
  service LowCardinality(String),
  environment LowCardinality(Nullable(String)),
  agent_name LowCardinality(Nullable(String)),
  workflow LowCardinality(Nullable(String)),
  tool_name LowCardinality(Nullable(String)),
  provider LowCardinality(Nullable(String)),
  request_model LowCardinality(Nullable(String)),
  family LowCardinality(String),
  status LowCardinality(String),
  steps UInt64,
  timed UInt64,
  duration_ns_sum UInt128,
  durations AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.99), UInt64),
  built_at DateTime('UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(logged_day)
ORDER BY (tenant_id, hour, logged_day, step_kind, service)
TTL toDateTime(logged_day) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};

-- Slices of the batches of the manifest, those of nobody's history under hour 0.
CREATE VIEW IF NOT EXISTS {{db}}.rollup_batches {{on_cluster}} AS
SELECT kind, batch_id, written_at, logged_at, logged_day,
  if(toInt64(toUnixTimestamp(touched)) >= toInt64(toUInt16(logged_day)) * 86400 - 34560000
     AND toInt64(toUnixTimestamp(touched)) < toInt64(toUInt16(logged_day)) * 86400 + 172800, touched, toDateTime(0, 'UTC')) AS hour
FROM (
  SELECT if(service = 'ledger', 'spend', 'steps') AS kind, batch_id, written_at, logged_at, hours,
    arrayJoin(if(service = 'ledger', [toDate(logged_at)], arrayMap(day -> toDate(day), logged_days))) AS logged_day
  FROM {{db}}.batches WHERE service IN ('ledger', 'normalizer') AND notEmpty(hours)
) ARRAY JOIN hours AS touched;

-- From where each slice is read: a generation of the roll-up, or '' for raw. Raw also where a batch touched a slice that
-- the job has not looked at yet.
CREATE VIEW IF NOT EXISTS {{db}}.rollup_sources {{on_cluster}} AS
SELECT kind, hour, logged_day, if(max(is_touched), '', any(built)) AS generation
FROM (
  SELECT kind, hour, logged_day, toString(generation) AS built, false AS is_touched FROM {{db}}.rollup_slices FINAL
  UNION ALL
  SELECT kind, hour, logged_day, '' AS built, true AS is_touched FROM {{db}}.rollup_batches
  WHERE written_at > (SELECT max(seen_until) - toIntervalMinute(2) FROM {{db}}.rollup_passes)
) GROUP BY kind, hour, logged_day;

-- ledger_entries by the hour: the same sums, from roll-ups where an hour is closed and from raw where it is not. One set
-- decides for both, so no row can count twice, whatever the job does meanwhile; each source has its own columns in it, 0
-- elsewhere, so that the primary key of the raw table can be searched by the open slices alone. Statistics of parts are
-- left out: toStartOfHour wraps in 2106, and a part with one such row would be passed over for all of its hours.
CREATE VIEW IF NOT EXISTS {{db}}.hourly_spend {{on_cluster}} AS
SELECT hour, tenant_id, entry_kind, service, environment, agent_name, workflow, user_id, account, region, service_tier, provider,
  model, family, outcome, untold, estimated, unpriced_reason, entries, calls, input_tokens, cache_read_tokens,
  cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
  cost_usd, reported_cost_usd
FROM (
  SELECT hour, (toDateTime(0, 'UTC'), toDate(0), toDate(0), toString(generation), hour, logged_day) AS source,
    tenant_id, entry_kind, service, environment, agent_name, workflow, user_id, account, region, service_tier,
    provider, model, family, outcome, untold, estimated, unpriced_reason, entries, calls, input_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, audio_input_tokens,
    audio_output_tokens, cost_usd, reported_cost_usd
  FROM {{db}}.rollup_spend
  UNION ALL
  SELECT toStartOfHour(ts) AS hour, (toStartOfHour(ts), toDate(logged_at), toDate(0), '', toDateTime(0, 'UTC'), toDate(0)) AS source,
    tenant_id, entry_kind, service, environment, agent_name, workflow, user_id, account, region, service_tier,
    provider, model, family, outcome, untold, estimated, unpriced_reason, toUInt64(1) AS entries, calls, input_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, audio_input_tokens,
    audio_output_tokens, cost_usd, reported_cost_usd
  FROM {{db}}.ledger_entries
  WHERE intDiv(toUnixTimestamp64Micro(ts), 1000000) >= toInt64(toUInt16(toDate(logged_at))) * 86400 - 34560000
    AND intDiv(toUnixTimestamp64Micro(ts), 1000000) < toInt64(toUInt16(toDate(logged_at))) * 86400 + 172800
  UNION ALL
  SELECT toDateTime(least(intDiv(toUnixTimestamp64Micro(ts), 3600000000) * 3600, 4294965600), 'UTC') AS hour,
    (toDateTime(0, 'UTC'), toDate(0), toDate(logged_at), '', toDateTime(0, 'UTC'), toDate(0)) AS source,
    tenant_id, entry_kind, service, environment, agent_name, workflow, user_id, account, region, service_tier,
    provider, model, family, outcome, untold, estimated, unpriced_reason, toUInt64(1) AS entries, calls, input_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, audio_input_tokens,
    audio_output_tokens, cost_usd, reported_cost_usd
  FROM {{db}}.ledger_entries
  WHERE NOT (intDiv(toUnixTimestamp64Micro(ts), 1000000) >= toInt64(toUInt16(toDate(logged_at))) * 86400 - 34560000
    AND intDiv(toUnixTimestamp64Micro(ts), 1000000) < toInt64(toUInt16(toDate(logged_at))) * 86400 + 172800)
) WHERE source IN (
  SELECT if(is_raw, hour, toDateTime(0, 'UTC')), if(is_raw, logged_day, toDate(0)), if(is_stray, logged_day, toDate(0)), generation,
    if(is_built, hour, toDateTime(0, 'UTC')), if(is_built, logged_day, toDate(0))
  FROM (SELECT *, generation != '' AS is_built, NOT is_built AND hour = toDateTime(0, 'UTC') AS is_stray,
          NOT is_built AND NOT is_stray AS is_raw
        FROM {{db}}.rollup_sources WHERE kind = 'spend'))
SETTINGS use_statistics_for_part_pruning = 0;

-- Steps by the hour, likewise. quantilesDDMerge(0.01, 0.5, 0.9, 0.99)(durations): nanoseconds, within one per cent.
CREATE VIEW IF NOT EXISTS {{db}}.hourly_steps {{on_cluster}} AS
SELECT hour, tenant_id, step_kind, signal, service, environment, agent_name, workflow, tool_name, provider, request_model,
  family, status,
  steps, timed, duration_ns_sum, durations
FROM (
  SELECT hour, (toDateTime(0, 'UTC'), toDate(0), toDate(0), toString(generation), hour, logged_day) AS source,
    tenant_id, step_kind, signal, service, environment, agent_name, workflow, tool_name, provider, request_model,
    family, status,
    steps, timed, duration_ns_sum, durations
  FROM {{db}}.rollup_steps
  UNION ALL
  SELECT toStartOfHour(ts) AS hour, (toStartOfHour(ts), toDate(logged_at), toDate(0), '', toDateTime(0, 'UTC'), toDate(0)) AS source,
    tenant_id, step_kind, signal, service, environment, agent_name, workflow, tool_name, provider, request_model,
    family, status,
    toUInt64(1) AS steps, toUInt64(signal = 'span' AND NOT hasAny(flags, ['no_end', 'negative_duration', 'ts_clamped'])) AS timed,
    if(timed = 1, toUInt128(duration_ns), 0) AS duration_ns_sum,
    arrayReduce('quantilesDDState(0.01, 0.5, 0.9, 0.99)', if(timed = 1, [duration_ns], [])) AS durations
  FROM {{db}}.spans
  WHERE intDiv(toUnixTimestamp64Micro(ts), 1000000) >= toInt64(toUInt16(toDate(logged_at))) * 86400 - 34560000
    AND intDiv(toUnixTimestamp64Micro(ts), 1000000) < toInt64(toUInt16(toDate(logged_at))) * 86400 + 172800
  UNION ALL
  SELECT toDateTime(least(intDiv(toUnixTimestamp64Micro(ts), 3600000000) * 3600, 4294965600), 'UTC') AS hour,
    (toDateTime(0, 'UTC'), toDate(0), toDate(logged_at), '', toDateTime(0, 'UTC'), toDate(0)) AS source,
    tenant_id, step_kind, signal, service, environment, agent_name, workflow, tool_name, provider, request_model,
    family, status,
    toUInt64(1) AS steps, toUInt64(signal = 'span' AND NOT hasAny(flags, ['no_end', 'negative_duration', 'ts_clamped'])) AS timed,
    if(timed = 1, toUInt128(duration_ns), 0) AS duration_ns_sum,
    arrayReduce('quantilesDDState(0.01, 0.5, 0.9, 0.99)', if(timed = 1, [duration_ns], [])) AS durations
  FROM {{db}}.spans
  WHERE NOT (intDiv(toUnixTimestamp64Micro(ts), 1000000) >= toInt64(toUInt16(toDate(logged_at))) * 86400 - 34560000
    AND intDiv(toUnixTimestamp64Micro(ts), 1000000) < toInt64(toUInt16(toDate(logged_at))) * 86400 + 172800)
) WHERE source IN (
  SELECT if(is_raw, hour, toDateTime(0, 'UTC')), if(is_raw, logged_day, toDate(0)), if(is_stray, logged_day, toDate(0)), generation,
    if(is_built, hour, toDateTime(0, 'UTC')), if(is_built, logged_day, toDate(0))
  FROM (SELECT *, generation != '' AS is_built, NOT is_built AND hour = toDateTime(0, 'UTC') AS is_stray,
          NOT is_built AND NOT is_stray AS is_raw
        FROM {{db}}.rollup_sources WHERE kind = 'steps'))
SETTINGS use_statistics_for_part_pruning = 0;
