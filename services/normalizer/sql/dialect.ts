/** How a database reads and names things; by `db.system.name` (semconv, database) and the older `db.system`. */
export interface Dialect {
  /** Name of the dialect for the parser. */
  readonly parser: string;
  /** Scheme of the namespace (OpenLineage, dataset naming). */
  readonly scheme: string;
  /** Default port of the server: told as OpenLineage names it. */
  readonly port: string | null;
  /** Parts of a whole name: database, schema, table. */
  readonly parts: 1 | 2 | 3;
  /** Schema of a table that names none, where the database has a fixed one. */
  readonly schema: string | null;
  readonly fold: 'lower' | 'upper' | 'as_is';
  /** A backslash escapes the next sign of a literal. */
  readonly hasBackslash: boolean;
}

const dialect = (parser: string, scheme: string, more: Partial<Dialect> = {}): Dialect => ({
  parser,
  scheme,
  port: null,
  parts: 3,
  schema: null,
  fold: 'as_is',
  hasBackslash: false,
  ...more,
});

const POSTGRES = dialect('postgresql', 'postgres', { port: '5432', schema: 'public', fold: 'lower' });
const MYSQL = dialect('mysql', 'mysql', { port: '3306', parts: 2, hasBackslash: true });
const MSSQL = dialect('mssql', 'mssql', { port: '1433', schema: 'dbo' });
const SQLITE = dialect('sqlite', 'sqlite', { parts: 2 });
const SPARK = dialect('databricks', 'spark', { hasBackslash: true });

const DIALECTS: ReadonlyMap<string, Dialect> = new Map([
  ['postgresql', POSTGRES],
  ['postgres', POSTGRES],
  ['cockroachdb', { ...POSTGRES, scheme: 'cockroachdb', port: '26257' }],
  ['mysql', MYSQL],
  ['mariadb', MYSQL],
  ['mssql', MSSQL],
  ['microsoft.sql_server', MSSQL],
  ['azure.sql', MSSQL],
  ['sqlite', SQLITE],
  ['gcp.bigquery', dialect('bigquery', 'bigquery', { hasBackslash: true })],
  ['bigquery', dialect('bigquery', 'bigquery', { hasBackslash: true })],
  ['snowflake', dialect('snowflake', 'snowflake', { fold: 'upper', hasBackslash: true })],
  ['redshift', dialect('redshift', 'redshift', { port: '5439', schema: 'public', fold: 'lower', hasBackslash: true })],
  ['aws.redshift', dialect('redshift', 'redshift', { port: '5439', schema: 'public', fold: 'lower' })],
  ['clickhouse', dialect('clickhouse', 'clickhouse', { port: '8123', parts: 2, hasBackslash: true })],
  ['duckdb', dialect('duckdb', 'duckdb', { schema: 'main' })],
  ['oracle', dialect('oracle', 'oracle', { port: '1521', fold: 'upper' })],
  ['oracle.db', dialect('oracle', 'oracle', { port: '1521', fold: 'upper' })],
  ['databricks', SPARK],
  ['spark', SPARK],
  ['hive', dialect('hive', 'hive', { port: '10000', parts: 2, hasBackslash: true })],
  ['trino', dialect('generic', 'trino', { port: '8080', fold: 'lower' })],
  ['teradata', dialect('teradata', 'teradata', { port: '1025', parts: 2 })],
  ['other_sql', dialect('generic', 'sql')],
]);

/** A dialect that is not known: the widest grammar, names as they are written. */
export const GENERIC_SQL: Dialect = dialect('generic', 'sql', { parts: 1 });

/** The SQL dialect of a database by its `db.system.name`; null for one that speaks no SQL we know. */
export const dialectOf = (system: string): Dialect | null => DIALECTS.get(system.toLowerCase()) ?? null;
