import { splitStatements } from '../engine/sql-tokens.ts';
import type { Store } from '../ports.ts';
import { type DdlOptions, daysOf, type RetentionDays, type RetentionFamily, renderDdl } from './ddl.ts';

/** A table whose rows expire, as the DDL has it. */
export interface ExpiringTable {
  readonly table: string;
  readonly family: RetentionFamily;
  /** The TTL expression, with its placeholder. */
  readonly ttl: string;
  /** Rows carry the batch they came with: the manifest counts them. */
  readonly isInBatches: boolean;
}

/** A table whose retention was changed. Days. */
export interface RetentionChange {
  readonly table: string;
  readonly from: number;
  readonly to: number;
}

/** The manifest: what every other table is proven by. */
export const MANIFEST = 'batches';
/** Rows nothing reads back: a replay that misses them puts them in once more, and they expire again. */
const NEVER_READ_BACK: ReadonlySet<string> = new Set(['span_content']);
const HOURS_OF_DAY = 24;

const TABLE = /^\s*CREATE TABLE IF NOT EXISTS \{\{db\}\}\.(\w+)/;
const EXPIRY = /\bTTL (\S+ \+ toIntervalDay\(\{\{days_(spans|content|ledger|state)\}\}\))/;

/** Every table of the numbered files whose rows expire. */
export const expiringTables = (migrations: readonly { readonly sql: string }[]): readonly ExpiringTable[] =>
  migrations.flatMap(({ sql }) =>
    splitStatements(sql).flatMap((statement) => {
      const bare = statement.replace(/^\s*--.*$/gm, '');
      const table = TABLE.exec(bare)?.[1];
      const [, ttl, family] = EXPIRY.exec(bare) ?? [];
      if (table === undefined || ttl === undefined || !isFamily(family)) return [];
      return [{ table, family, ttl, isInBatches: table !== MANIFEST && /^\s+batch_id /m.test(bare) }];
    }),
  );

const isFamily = (name: string | undefined): name is RetentionFamily =>
  name === 'spans' || name === 'content' || name === 'ledger' || name === 'state';

/** Retention as a person wrote it, before anything follows from it. */
export interface WantedRetention extends Omit<RetentionDays, 'tables'> {
  readonly tables: Readonly<Record<string, number>>;
  readonly topicHours: number;
}

/** What cannot be: `key` as in the config. */
export interface RetentionProblem {
  readonly key: string;
  readonly value: string;
  readonly allowed: string;
}

/**
 * Days of every table, with the manifest as long as the longest of what it proves unless it was given. Says no to what
 * would break a promise: a table the log outlives (an open batch is replayed against rows and states that must still be
 * there), a manifest shorter than what it counts (the audit would take the rows for nobody's), a table that is not there.
 */
export const planRetention = (
  wanted: WantedRetention,
  tables: readonly ExpiringTable[],
): { readonly days: RetentionDays; readonly problems: readonly RetentionProblem[] } => {
  const counted = tables.filter(({ isInBatches }) => isInBatches);
  const longest = Math.max(0, ...counted.map(({ table, family }) => daysOf(table, family, wanted)));
  const auto = Math.max(longest, wanted.ledger);
  const days = { ...wanted, tables: { [MANIFEST]: auto, ...wanted.tables } };
  const known = tables.map(({ table }) => table);
  const unknown = Object.keys(wanted.tables)
    .filter((table) => !known.includes(table))
    .map((table) => ({ key: `retention.tables.${table}`, value: 'no such table', allowed: known.join(', ') }));
  const daysMin = Math.ceil(wanted.topicHours / HOURS_OF_DAY) + 1;
  const short = tables
    .filter(({ table, isInBatches }) => (isInBatches || table === MANIFEST) && !NEVER_READ_BACK.has(table))
    .filter(({ table, family }) => daysOf(table, family, days) < daysMin)
    .map(({ table, family }) => ({
      key: wanted.tables[table] === undefined ? `retention.${family}_days` : `retention.tables.${table}`,
      value: String(daysOf(table, family, days)),
      allowed: `${daysMin} or more: a day longer than topics are kept (retention.topic_hours), so that a batch read again finds what it wrote`,
    }));
  const manifest = days.tables[MANIFEST] ?? 0;
  const unproven =
    manifest >= longest
      ? []
      : [
          {
            key: `retention.tables.${MANIFEST}`,
            value: String(manifest),
            allowed: `${longest} or more: as long as the longest table it proves`,
          },
        ];
  const problems = new Map([...unknown, ...short, ...unproven].map((problem) => [problem.key, problem]));
  return { days, problems: [...problems.values()] };
};

/** The statements that give tables that exist already the retention of `options`; the same TTL again does nothing. */
export const retentionStatements = (tables: readonly ExpiringTable[], options: DdlOptions): readonly string[] =>
  tables.map((table) => alterOf(table, options));

const alterOf = ({ table, ttl, family }: ExpiringTable, options: DdlOptions): string => {
  const days = String(daysOf(table, family, options.retentionDays));
  const expression = ttl.replace(/\{\{days_\w+\}\}/, days);
  // One statement: with the setting, the server computes anew when parts expire and rewrites none of them.
  return renderDdl(
    `ALTER TABLE {{db}}.${table} {{on_cluster}} MODIFY SETTING materialize_ttl_recalculate_only = 1;\nALTER TABLE {{db}}.${table} {{on_cluster}} MODIFY TTL ${expression};`,
    options,
  );
};

/** Days each table of the store has now; tables without a TTL are absent. */
export const storedRetention = async (store: Store, database: string): Promise<ReadonlyMap<string, number>> => {
  const rows = await store.query<{ readonly name: string; readonly days: string }>(
    `SELECT name, toString(toUInt32OrZero(extract(engine_full, 'toIntervalDay[(]([0-9]+)[)]'))) AS days
     FROM system.tables WHERE database = {database:String}`,
    { database },
  );
  return new Map(rows.map(({ name, days }) => [name, Number(days)] as const).filter(([, days]) => days > 0));
};

/**
 * Gives the tables of the store the retention of `options` and says what changed. A shorter one drops whole parts within
 * minutes; a longer one cannot bring back what is gone. Throws TransportError when the server refuses.
 */
export const applyRetention = async (
  store: Store,
  tables: readonly ExpiringTable[],
  options: DdlOptions,
): Promise<readonly RetentionChange[]> => {
  const stored = await storedRetention(store, options.database);
  const changes: RetentionChange[] = [];
  for (const table of tables) {
    const from = stored.get(table.table);
    const to = daysOf(table.table, table.family, options.retentionDays);
    if (from === undefined || from === to) continue;
    for (const statement of splitStatements(alterOf(table, options))) await store.command(statement);
    changes.push({ table: table.table, from, to });
  }
  return changes;
};
