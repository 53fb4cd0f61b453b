import { InvariantError } from '../errors.ts';

/** What the placeholders of `schemas/sql` become. */
export interface DdlOptions {
  /** An identifier of letters, digits and `_`. */
  readonly database: string;
  readonly cluster?: string;
  /** ReplicatedMergeTree instead of MergeTree. */
  readonly replication: boolean;
  /** Sync every insert to disk before it is confirmed: for the embedded engine, which has no replica. */
  readonly fsyncInserts?: boolean;
  /** Days until whole parts are dropped. */
  readonly retentionDays?: Partial<RetentionDays>;
}

/** Tables that are kept equally long. */
export type RetentionFamily = 'spans' | 'content' | 'ledger' | 'state';

/** Days by family, and of single tables that part from theirs. */
export interface RetentionDays extends Readonly<Record<RetentionFamily, number>> {
  readonly tables?: Readonly<Record<string, number>>;
}

export const DEFAULT_RETENTION_DAYS: RetentionDays = { spans: 30, content: 14, ledger: 400, state: 30 };

/** Inserts a table remembers by token; a batch a second and partition for hours. */
const DEDUP_WINDOW = 10_000;
/** Replicated tables remember by time as well: longer than the longest outage we promise to survive. */
const DEDUP_WINDOW_SECONDS = 7 * 24 * 3600;

/** Days that rows of `table` are kept: its own, else those of its family. */
export const daysOf = (table: string, family: RetentionFamily, days: Partial<RetentionDays> = {}): number =>
  days.tables?.[table] ?? days[family] ?? DEFAULT_RETENTION_DAYS[family];

/** Fills the placeholders of one DDL file. Throws InvariantError for a placeholder that does not exist. */
export const renderDdl = (sql: string, options: DdlOptions): string =>
  sql.replace(/\{\{([^{}]+)\}\}/g, (_whole, name: string, at: number) => fill(name, options, sql.slice(0, at)));

/** The table whose statement `before` ends in. */
const tableIn = (before: string): string =>
  before.slice(before.lastIndexOf('CREATE TABLE')).match(/\{\{db\}\}\.(\w+)/)?.[1] ?? '';

const fill = (name: string, options: DdlOptions, before: string): string => {
  const engine = /^(MergeTree|ReplacingMergeTree|SummingMergeTree|AggregatingMergeTree)(?:\((\w+)\))?$/.exec(name);
  if (engine) return engineOf(engine[1] ?? '', engine[2], options.replication);
  if (name === 'db') return options.database;
  if (name === 'on_cluster') return options.cluster === undefined ? '' : `ON CLUSTER '${options.cluster}'`;
  if (name === 'dedup') return tableSettings(options);
  const family = /^days_(spans|content|ledger|state)$/.exec(name)?.[1];
  if (family === 'spans' || family === 'content' || family === 'ledger' || family === 'state')
    return String(daysOf(tableIn(before), family, options.retentionDays));
  throw new InvariantError(`unknown placeholder {{${name}}} in the DDL`);
};

const engineOf = (family: string, version: string | undefined, isReplicated: boolean): string => {
  const path = isReplicated ? "'/clickhouse/tables/{uuid}/{shard}', '{replica}'" : '';
  const args = [path, version ?? ''].filter((arg) => arg !== '').join(', ');
  return `${isReplicated ? 'Replicated' : ''}${family}${args === '' ? '' : `(${args})`}`;
};

const tableSettings = ({ replication, fsyncInserts }: DdlOptions): string =>
  [
    ...(replication
      ? [
          `replicated_deduplication_window = ${DEDUP_WINDOW}`,
          `replicated_deduplication_window_seconds = ${DEDUP_WINDOW_SECONDS}`,
        ]
      : [`non_replicated_deduplication_window = ${DEDUP_WINDOW}`]),
    ...(fsyncInserts ? ['fsync_after_insert = 1', 'fsync_part_directory = 1'] : []),
    'ttl_only_drop_parts = 1',
  ].join(', ');
