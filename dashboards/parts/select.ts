/** Tables dashboards and rules read. Those of versions are read with FINAL: the newest version of each row counts. */
const TABLES = {
  ledger_entries: 'e',
  spans: 's',
  runs: 'r',
  batches: 'b',
  dead_letters: 'd',
  policy_violations: 'v',
  incidents: 'i',
  budget_status: 'u',
  audit_results: 'a',
  brakes: 'k',
  prices: 'p',
} as const;
export type TableName = keyof typeof TABLES;

const VERSIONED: ReadonlySet<TableName> = new Set<TableName>(['runs', 'incidents', 'budget_status', 'prices']);

export interface Select {
  readonly from: TableName;
  /** Name as the panel shows it → expression. Columns are written `e.column`, with the letter of their table. */
  readonly columns: Readonly<Record<string, string>>;
  readonly where?: readonly string[];
  readonly groupBy?: readonly string[];
  readonly having?: string;
  readonly orderBy?: string;
  readonly limit?: number;
}

/** `FROM table AS letter`, with FINAL where versions must meet. */
export const fromOf = (table: TableName): string =>
  `${table} AS ${TABLES[table]}${VERSIONED.has(table) ? ' FINAL' : ''}`;

/** A name that may hold spaces. */
export const named = (name: string): string => (/^[a-z_]+$/.test(name) ? name : `\`${name}\``);

/** The SELECT as text. */
export const sqlOf = ({ from, columns, where = [], groupBy = [], having, orderBy, limit }: Select): string =>
  [
    `SELECT ${Object.entries(columns)
      .map(([name, expression]) => `${expression} AS ${named(name)}`)
      .join(',\n  ')}`,
    `FROM ${fromOf(from)}`,
    ...(where.length > 0 ? [`WHERE ${where.join('\n  AND ')}`] : []),
    ...(groupBy.length > 0 ? [`GROUP BY ${groupBy.map(named).join(', ')}`] : []),
    ...(having === undefined ? [] : [`HAVING ${having}`]),
    ...(orderBy === undefined ? [] : [`ORDER BY ${orderBy}`]),
    ...(limit === undefined ? [] : [`LIMIT ${limit}`]),
  ].join('\n');

/** Seconds between two times, with their milliseconds. */
export const secondsOf = (from: string, to: string): string => `dateDiff('millisecond', ${from}, ${to}) / 1000`;
