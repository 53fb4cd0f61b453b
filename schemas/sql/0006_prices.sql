-- Prices, and which book of them a booking was made by (design 6).

-- Hash of the price book in force when the entry was written: a batch that was open when the book changed is replayed by the
-- book it began with. NULL: written before books had hashes.
ALTER TABLE {{db}}.ledger_entries {{on_cluster}} ADD COLUMN IF NOT EXISTS price_book LowCardinality(Nullable(String));

-- Every price book that was ever in force, whole, written before it prices: the files of config/prices and the name of the
-- public catalogue beside them.
CREATE TABLE IF NOT EXISTS {{db}}.price_books {{on_cluster}}
(
  price_book String,
  catalogue LowCardinality(String),
  files Map(String, String) CODEC(ZSTD(3)),
  prices UInt32,
  loaded_at DateTime64(3, 'UTC')
)
ENGINE = {{ReplacingMergeTree(loaded_at)}}
ORDER BY price_book
SETTINGS {{dedup}};

-- What a price_id stands for: one row a price of a book that was in force, the newest version wins, and all say the same of
-- the price: read with FINAL. An id names its content, so a price that is changed is another price. rates: USD by rate key,
-- for what the key's ending says (_mtok: a million tokens, _kcount: a thousand, _hours: 3,600 s, each_…: one, …_kwh: one).
-- long_context: 'more than so many prompt tokens:USD', parted by commas. local_model: what a model of one's own costs to
-- run, JSON. NULL times: as far back as anybody knows, until further notice, always known.
CREATE TABLE IF NOT EXISTS {{db}}.prices {{on_cluster}}
(
  price_id String,
  source LowCardinality(String),
  provider LowCardinality(Nullable(String)),
  models Array(String),
  tenant_id LowCardinality(Nullable(String)),
  account LowCardinality(Nullable(String)),
  region LowCardinality(Nullable(String)),
  service_tier LowCardinality(Nullable(String)),
  digest Nullable(String),
  quantisation LowCardinality(Nullable(String)),
  effective_from Nullable(DateTime64(6, 'UTC')),
  effective_to Nullable(DateTime64(6, 'UTC')),
  known_since Nullable(DateTime64(6, 'UTC')),
  currency LowCardinality(String),
  percent_off Nullable(Decimal(38, 18)),
  rates Map(LowCardinality(String), Decimal(38, 18)),
  long_context Map(LowCardinality(String), String),
  local_model Nullable(String),
  price_book String,
  loaded_at DateTime64(3, 'UTC')
)
ENGINE = {{ReplacingMergeTree(loaded_at)}}
ORDER BY price_id
SETTINGS {{dedup}};
