import { describe, expect, test } from 'vitest';
import { DEFAULT_RETENTION_DAYS, daysOf, renderDdl } from './ddl.ts';
import { readMigrations } from './migrate.ts';
import { expiringTables, planRetention, retentionStatements } from './retention.ts';

const tables = expiringTables(readMigrations());
const plan = (over: Partial<Parameters<typeof planRetention>[0]> = {}) =>
  planRetention({ ...DEFAULT_RETENTION_DAYS, tables: {}, topicHours: 72, ...over }, tables);
const keysOf = (over: Parameters<typeof plan>[0]) => plan(over).problems.map(({ key }) => key);

describe('retention by days per table', () => {
  test('every table of the schema with a TTL is known, and none expires by the time of its sender', () => {
    const declared = readMigrations().flatMap(({ sql }) => sql.match(/^TTL .*$/gm) ?? []);
    expect(tables).toHaveLength(declared.length);
    expect(tables.length).toBeGreaterThan(12);
    for (const line of declared) expect(line).not.toMatch(/\bts\b/);
  });

  test('the defaults hold, and a table may part from its family', () => {
    expect(plan().problems).toEqual([]);
    const { days, problems } = plan({ tables: { dead_letters: 7 } });
    expect(problems).toEqual([]);
    expect([daysOf('dead_letters', 'ledger', days), daysOf('runs', 'ledger', days)]).toEqual([7, 400]);
    const [core = { sql: '' }] = readMigrations();
    const ddl = renderDdl(core.sql, { database: 'd', replication: false, retentionDays: days });
    const ttlOf = (table: string) => new RegExp(`\\.${table} [^;]*toIntervalDay\\((\\d+)\\)`).exec(ddl)?.[1];
    expect([ttlOf('spans'), ttlOf('dead_letters'), ttlOf('ledger_entries')]).toEqual(['30', '7', '400']);
  });

  test('the manifest lives as long as the longest table it proves, unless it is told otherwise: then that is refused', () => {
    expect(plan({ spans: 900 }).days.tables).toEqual({ batches: 900 });
    expect(plan({ tables: { lineage_edges: 1000 } }).days.tables).toEqual({ lineage_edges: 1000, batches: 1000 });
    expect(keysOf({ tables: { batches: 399 } })).toEqual(['retention.tables.batches']);
    expect(keysOf({ tables: { batches: 400 } })).toEqual([]);
  });

  test('nothing a replay looks for goes before the record it is replayed from', () => {
    expect(keysOf({ state: 3 })).toEqual(['retention.state_days']);
    expect(keysOf({ state: 4 })).toEqual([]);
    expect(keysOf({ spans: 3, ledger: 3 })).toEqual(['retention.spans_days', 'retention.ledger_days']);
    expect(keysOf({ topicHours: 24 * 60 })).toEqual(['retention.spans_days', 'retention.state_days']);
    expect(keysOf({ tables: { run_state: 2 } })).toEqual(['retention.tables.run_state']);
    // Texts are read back by nobody: they may go the next day.
    expect(keysOf({ content: 1 })).toEqual([]);
  });

  test('a table that is not there is named, with those that are', () => {
    const [problem] = plan({ tables: { spanz: 5 } }).problems;
    expect(problem).toMatchObject({ key: 'retention.tables.spanz', value: 'no such table' });
    expect(problem?.allowed).toContain('span_content');
  });

  test('statements for tables that exist name the same days, and the column the DDL expires by', () => {
    const text = retentionStatements(tables, {
      database: 'd',
      cluster: 'c',
      replication: true,
      retentionDays: plan({ spans: 7 }).days,
    }).join('\n');
    expect(text).toContain("ALTER TABLE d.spans ON CLUSTER 'c' MODIFY TTL toDateTime(logged_at) + toIntervalDay(7);");
    expect(text).toContain("ALTER TABLE d.access_log ON CLUSTER 'c' MODIFY TTL toDateTime(at) + toIntervalDay(400);");
    expect(text).not.toContain('{{');
  });
});
