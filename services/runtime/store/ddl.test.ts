import { describe, expect, test } from 'vitest';
import { renderDdl } from './ddl.ts';
import { readMigrations } from './migrate.ts';

describe('DDL', () => {
  test('names the engine, its path and its window by what the server offers', () => {
    const sql =
      '{{MergeTree}} | {{ReplacingMergeTree(version)}} | {{dedup}} | {{on_cluster}} | {{db}} | {{days_spans}}';
    expect(renderDdl(sql, { database: 'tacho', replication: false, retentionDays: { spans: 7 } })).toBe(
      'MergeTree | ReplacingMergeTree(version) | non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1 |  | tacho | 7',
    );
    expect(renderDdl(sql, { database: 'd', cluster: 'c', replication: true })).toBe(
      "ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}') | " +
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', version) | " +
        "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, ttl_only_drop_parts = 1 | ON CLUSTER 'c' | d | 30",
    );
  });

  test('an unknown placeholder is a bug, and no shipped file has one', () => {
    expect(() => renderDdl('{{nope}}', { database: 'd', replication: false })).toThrow('unknown placeholder');
    for (const { sql } of readMigrations())
      expect(renderDdl(sql, { database: 'd', replication: false })).not.toContain('{{');
  });
});
