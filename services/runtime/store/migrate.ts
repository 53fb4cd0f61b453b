import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { splitStatements } from '../engine/sql-tokens.ts';
import { TransportError } from '../errors.ts';
import type { Clock, Random, Store } from '../ports.ts';
import { type DdlOptions, renderDdl } from './ddl.ts';
import { clickHouseCode } from './failure.ts';
import { withMigrationLock } from './migration-lock.ts';
import { applyRetention, expiringTables, type RetentionChange, retentionStatements } from './retention.ts';

/** Where the numbered DDL lies. */
export const SQL_DIR = resolve(import.meta.dirname, '../../../schemas/sql');

/** One numbered file. The checksum is of the file as written, before placeholders. */
export interface Migration {
  /** `0001_core`. */
  readonly version: string;
  readonly sql: string;
  readonly checksum: string;
}

export interface MigrateOptions extends Omit<DdlOptions, 'replication'> {
  readonly sqlDir?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Name of the lock's holder, for whoever tries again after the store was away. */
  readonly owner?: string;
}

export interface Migrated {
  readonly applied: readonly string[];
  readonly already: readonly string[];
  /** Tables that were there and are kept for another time now. */
  readonly retention: readonly RetentionChange[];
}

/** Reads `NNNN_*.sql` in order. */
export const readMigrations = (sqlDir: string = SQL_DIR): readonly Migration[] =>
  readdirSync(sqlDir)
    .filter((name) => /^\d{4}_\w+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(join(sqlDir, name), 'utf8');
      return { version: name.slice(0, -'.sql'.length), sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });

/**
 * Brings the schema up to the files: applies what is missing, in order, under a lock, and records each with its
 * checksum; then gives every table the retention of the options. `store` must be connected to database `default` (ours
 * may not exist yet) with the right to create and alter.
 * Throws TransportError STORE_REJECTED when an applied file was changed afterwards, or the server refuses a statement.
 */
export const migrate = async (store: Store, options: MigrateOptions): Promise<Migrated> => {
  const ddl: DdlOptions = { ...options, replication: await detectReplication(store, options.cluster) };
  for (const statement of splitStatements(renderDdl(BOOTSTRAP, ddl))) await store.command(statement);
  return withMigrationLock(store, options, async (assertHeld) => {
    const known = await appliedChecksums(store, options.database);
    const applied: string[] = [];
    const already: string[] = [];
    const migrations = readMigrations(options.sqlDir);
    for (const migration of migrations) {
      const checksum = known.get(migration.version);
      if (checksum !== undefined) {
        assertUnchanged(migration, checksum);
        already.push(migration.version);
        continue;
      }
      await assertHeld();
      await apply(store, migration, ddl);
      applied.push(migration.version);
    }
    await assertHeld();
    const retention = await applyRetention(store, expiringTables(migrations), ddl);
    return { applied, already, retention };
  });
};

const BOOTSTRAP = `
CREATE DATABASE IF NOT EXISTS {{db}} {{on_cluster}};
CREATE TABLE IF NOT EXISTS {{db}}.schema_migrations {{on_cluster}}
(
  version String,
  checksum String,
  applied_at DateTime64(3, 'UTC')
)
ENGINE = {{MergeTree}}
ORDER BY version
SETTINGS {{dedup}};
`;

/**
 * The whole schema as text for whoever applies it by hand: the database, every file, and the record of each, without which
 * `missingMigrations` would miss them for ever.
 */
export const printedSchema = (options: DdlOptions, migrations = readMigrations()): string =>
  [
    renderDdl(BOOTSTRAP, options),
    ...migrations.flatMap(({ version, sql, checksum }) => [
      `-- ${version}`,
      renderDdl(sql, options),
      `INSERT INTO ${options.database}.schema_migrations SELECT '${version}', '${checksum}', now64(3);`,
    ]),
    '-- retention of tables that were there before',
    ...retentionStatements(expiringTables(migrations), options),
  ].join('\n');

/** Every statement is IF NOT EXISTS or repeatable: a migration killed half-way is simply applied again. */
const apply = async (store: Store, migration: Migration, ddl: DdlOptions): Promise<void> => {
  for (const statement of splitStatements(renderDdl(migration.sql, ddl))) await store.command(statement);
  await store.command(
    `INSERT INTO ${ddl.database}.schema_migrations SELECT {version:String}, {checksum:String}, now64(3)`,
    { version: migration.version, checksum: migration.checksum },
  );
};

const appliedChecksums = async (store: Store, database: string): Promise<ReadonlyMap<string, string>> => {
  const rows = await store.query<{ version: string; checksum: string }>(
    `SELECT version, argMin(checksum, applied_at) AS checksum FROM ${database}.schema_migrations GROUP BY version`,
  );
  return new Map(rows.map((row) => [row.version, row.checksum]));
};

const UNKNOWN_TABLE = 60;
const UNKNOWN_DATABASE = 81;

/** Versions that `store` lacks, in order; all of them when it has no schema of ours. `store` needs only to read. */
export const missingMigrations = async (
  store: Store,
  database: string,
  sqlDir: string = SQL_DIR,
): Promise<readonly string[]> => {
  const wanted = readMigrations(sqlDir).map(({ version }) => version);
  try {
    const known = await appliedChecksums(store, database);
    return wanted.filter((version) => !known.has(version));
  } catch (cause) {
    const code = clickHouseCode(cause);
    if (code === UNKNOWN_TABLE || code === UNKNOWN_DATABASE) return wanted;
    throw cause;
  }
};

const assertUnchanged = (migration: Migration, checksum: string): void => {
  if (checksum === migration.checksum) return;
  throw new TransportError(
    'STORE_REJECTED',
    `schema file ${migration.version}.sql was changed after it had been applied; applied files are never edited, add a new one`,
    { retryable: false },
  );
};

/** Replicated engines need a cluster to replicate over, a Keeper, and macros that tell replicas apart. */
const detectReplication = async (store: Store, cluster: string | undefined): Promise<boolean> => {
  if (cluster === undefined) return false;
  const rows = await store.query<{ macros: string }>(
    "SELECT count() AS macros FROM system.macros WHERE macro IN ('shard', 'replica')",
  );
  if (Number(rows[0]?.macros) !== 2) return false;
  try {
    await store.query("SELECT name FROM system.zookeeper WHERE path = '/' LIMIT 1");
    return true;
  } catch (cause) {
    if (cause instanceof TransportError && cause.code === 'STORE_REJECTED') return false;
    throw cause;
  }
};
