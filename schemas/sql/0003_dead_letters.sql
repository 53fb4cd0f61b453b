-- Dead letters of every service, what the records of a batch held, and the partitions a brake stopped (design 5).

-- Two services that read one topic may have batches of the same boundaries, and so of the same id: the row says whose it is.
-- replay_of: the first origin of a record that was replayed and refused again, log_id/topic/partition/offset.
ALTER TABLE {{db}}.dead_letters {{on_cluster}} ADD COLUMN IF NOT EXISTS service LowCardinality(String) DEFAULT 'normalizer';

ALTER TABLE {{db}}.dead_letters {{on_cluster}} ADD COLUMN IF NOT EXISTS replay_of Nullable(String);

-- What the records of a batch held, counted before it was decided what becomes of it: each is a row, a duplicate, filtered or
-- refused. NULL: the service does not take its records apart, or the batch is older than this column.
ALTER TABLE {{db}}.batches {{on_cluster}} ADD COLUMN IF NOT EXISTS items Nullable(UInt64);

-- A partition stands because too many of its recent records were refused (event 'stopped', at_offset: the first record not
-- taken), or a person let it go on ('released', at_offset: records before it pass whatever becomes of them).
CREATE TABLE IF NOT EXISTS {{db}}.brakes {{on_cluster}}
(
  event LowCardinality(String),
  service LowCardinality(String),
  log_id LowCardinality(String),
  topic LowCardinality(String),
  partition UInt32,
  at_offset UInt64,
  refused Nullable(UInt64),
  records Nullable(UInt64),
  reasons Map(LowCardinality(String), UInt64),
  actor Nullable(String),
  at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
PARTITION BY toYYYYMM(at)
ORDER BY (service, topic, partition, at)
TTL toDateTime(at) + toIntervalDay({{days_ledger}})
SETTINGS {{dedup}};
