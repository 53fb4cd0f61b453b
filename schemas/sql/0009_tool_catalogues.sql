-- What tools were said to read and write (config/catalog.yaml), whole, written before lineage goes by it: a batch that was open
-- when the file changed is replayed by what it began with. Kept for ever: there are few.
CREATE TABLE IF NOT EXISTS {{db}}.tool_catalogues {{on_cluster}}
(
  catalogue_hash String,
  text String CODEC(ZSTD(3)),
  tools UInt32,
  loaded_at DateTime64(3, 'UTC')
)
ENGINE = {{ReplacingMergeTree(loaded_at)}}
ORDER BY catalogue_hash
SETTINGS {{dedup}};
