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
  /** Days until whole parts are dropped, by table family. */
  readonly retentionDays?: Partial<RetentionDays>;
}

export interface RetentionDays {
  readonly spans: number;
  readonly content: number;
  readonly ledger: number;
  readonly state: number;
}

export const DEFAULT_RETENTION_DAYS: RetentionDays = { spans: 30, content: 14, ledger: 400, state: 30 };

/** Inserts a table remembers by token; a batch a second and partition for hours. */
const DEDUP_WINDOW = 10_000;
/** Replicated tables remember by time as well: longer than the longest outage we promise to survive. */
const DEDUP_WINDOW_SECONDS = 7 * 24 * 3600;

/** Fills the placeholders of one DDL file. Throws InvariantError for a placeholder that does not exist. */
export const renderDdl = (sql: string, options: DdlOptions): string =>
  sql.replace(/\{\{([^{}]+)\}\}/g, (_whole, name: string) => fill(name, options));

const fill = (name: string, options: DdlOptions): string => {
  const engine = /^(MergeTree|ReplacingMergeTree|SummingMergeTree|AggregatingMergeTree)(?:\((\w+)\))?$/.exec(name);
  if (engine) return engineOf(engine[1] ?? '', engine[2], options.replication);
  if (name === 'db') return options.database;
  if (name === 'on_cluster') return options.cluster === undefined ? '' : `ON CLUSTER '${options.cluster}'`;
  if (name === 'dedup') return tableSettings(options);
  const days = { ...DEFAULT_RETENTION_DAYS, ...options.retentionDays };
  const family = /^days_(spans|content|ledger|state)$/.exec(name)?.[1];
  if (family === 'spans' || family === 'content' || family === 'ledger' || family === 'state')
    return String(days[family]);
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
