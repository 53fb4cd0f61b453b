import { type Site, sql } from './tacho.ts';

/** What a table says of the traffic, wherever it was recorded; columns that may differ stand apart, each with its reason. */
interface Canonical {
  readonly table: string;
  /** Columns left out of the comparison, and why two places may differ in them. */
  readonly leftOut: Readonly<Record<string, string>>;
  /** Columns that are summed over rows equal in all others; a group whose `counts` sum to 0 says nothing and is no row. */
  readonly summed?: readonly string[];
  readonly counts?: string;
  /** As `leftOut`, but only in runs that were told by spans and by log records. */
  readonly leftOutOfMixedRuns?: Readonly<Record<string, string>>;
  /** Only the newest version of a row counts. */
  readonly isVersioned?: true;
}

const BATCHES = {
  batch_id: 'names a stretch of a log, and each place cuts its log as records come',
  logged_at: 'when the log took the record',
};
const POSITION = {
  log_id: 'each log has its own',
  log_partition: 'the logs have different numbers of partitions',
  log_offset: 'counts the records of one partition',
};
const REVISIONS =
  'counts or names corrections: how many there are depends on how the steps of a run were cut into batches';
const FIRST_SEEN = 'is of the violation that came first, and partitions have no order among each other';
const ANCHOR =
  'is of the step that came first of those which are one violation, and the topics of spans and logs have no order among each other';
const WATCHED = 'when it was noticed';

const TOKENS = ['input', 'cache_read', 'cache_write', 'cache_write_1h', 'output', 'reasoning']
  .concat(['audio_input', 'audio_output'])
  .map((bucket) => `${bucket}_tokens`);

const CANONICAL: readonly Canonical[] = [
  { table: 'spans', leftOut: { ...BATCHES, ...POSITION, ingested_at: 'when the store took the row' } },
  { table: 'span_content', leftOut: BATCHES },
  { table: 'dead_letters', leftOut: { ...BATCHES, ...POSITION } },
  {
    table: 'ledger_entries',
    leftOut: {
      ...BATCHES,
      booked_at: 'the log time of the batch that booked it',
      entry_id: REVISIONS,
      reverses_entry_id: REVISIONS,
      reason: REVISIONS,
    },
    summed: ['calls', ...TOKENS, 'cost_usd', 'reported_cost_usd', 'quantities'],
    counts: 'calls',
  },
  { table: 'runs', leftOut: { ...BATCHES, version: 'grows along the log' }, isVersioned: true },
  { table: 'run_links', leftOut: { ...BATCHES, version: 'grows along the log' }, isVersioned: true },
  { table: 'scores', leftOut: { ...BATCHES, version: 'grows along the log' }, isVersioned: true },
  {
    table: 'lineage_edges',
    leftOut: { ...BATCHES, edge_id: REVISIONS, reverses_edge_id: REVISIONS },
    summed: ['weight'],
    counts: 'weight',
  },
  {
    table: 'policy_violations',
    leftOut: { ...BATCHES, detected_at: 'when the log took the step' },
    leftOutOfMixedRuns: { ts: ANCHOR, span_id: ANCHOR, step_id: ANCHOR, user_id: ANCHOR, evidence: ANCHOR },
  },
  {
    table: 'policy_coverage',
    leftOut: { ...BATCHES, hour: 'the hour in which the log took the step' },
    summed: ['steps', 'lacking', 'errors'],
    counts: 'steps',
  },
  {
    table: 'incidents',
    leftOut: {
      ...BATCHES,
      version: 'grows along the log',
      opened_at: WATCHED,
      last_observed_at: WATCHED,
      acknowledged_at: 'when somebody asked for it, in each place for itself',
      resolved_at: 'when somebody asked for it, in each place for itself',
      title: FIRST_SEEN,
      service: FIRST_SEEN,
      workflow: FIRST_SEEN,
      run_id: FIRST_SEEN,
      detail: FIRST_SEEN,
      notices:
        'notifications under way, with their moments; `pending` says how many, the deliveries what became of them',
    },
    isVersioned: true,
  },
  {
    table: 'incident_deliveries',
    leftOut: {
      ...BATCHES,
      version: 'grows along the log',
      delivery_id: 'is made of event_id',
      event_id: FIRST_SEEN,
      attempts: 'the world between here and there',
      last_error: 'the world between here and there',
      created_at: WATCHED,
      updated_at: WATCHED,
    },
    isVersioned: true,
  },
  { table: 'budget_status', leftOut: { version: WATCHED, computed_at: WATCHED }, isVersioned: true },
];

/** The rows of a table in no order that could matter: each as text. */
export type StoredRows = Readonly<Record<string, readonly string[]>>;

const MIXED_RUNS = 'SELECT run_id FROM spans GROUP BY run_id HAVING uniqExact(signal) > 1';

/** Which rows, and whether the requests of one run reached both places in the same order. */
export interface StoredRowsOptions {
  readonly tenants?: readonly string[];
  /** Senders side by side: what is left out of mixed runs is left out of all. */
  readonly isUnordered?: true;
}

const queryOf = (
  { table, leftOut, leftOutOfMixedRuns, summed = [], counts, isVersioned }: Canonical,
  { tenants, isUnordered }: StoredRowsOptions,
): string => {
  const anchored = Object.keys(leftOutOfMixedRuns ?? {});
  const masked = isUnordered ? [] : anchored;
  const masks = masked.map((column) => `, if(of.run_id IN (${MIXED_RUNS}), NULL, of.${column}) AS some_${column}`);
  const sums = summed.map((column) => {
    const sum = column === 'quantities' ? 'sumMap' : 'sum';
    return `, ${sum}(of.${column}) AS net_${column}`;
  });
  return `SELECT of.* EXCEPT (${[...Object.keys(leftOut), ...anchored, ...summed].join(', ')})${masks.join('')}${sums.join('')}
    FROM ${table} AS of ${isVersioned ? 'FINAL' : ''}
    ${tenants === undefined ? '' : `WHERE of.tenant_id IN (${tenants.map((tenant) => `'${tenant}'`).join(', ')})`}
    ${counts === undefined ? '' : `GROUP BY ALL HAVING net_${counts} != 0`}`;
};

/** Everything a site says of its traffic (or of that of some tenants), table by table, without what is only of the place. */
export const storedRows = async (site: Site, options: StoredRowsOptions = {}): Promise<StoredRows> => {
  const rows: Record<string, readonly string[]> = {};
  for (const canonical of CANONICAL) {
    const found = await sql<object>(site, queryOf(canonical, options));
    rows[canonical.table] = found.map((row) => JSON.stringify(row)).sort();
  }
  return rows;
};

/** Rows shown of each side of a table that differs. */
const SHOWN_MAX = 3;

/** Rows that only one of the two has, some of each table; [] when they say the same. */
export const differences = (one: StoredRows, other: StoredRows): readonly string[] =>
  CANONICAL.flatMap(({ table }) => {
    const [left, right] = [one[table] ?? [], other[table] ?? []];
    if (JSON.stringify(left) === JSON.stringify(right)) return [];
    const only = (rows: readonly string[], others: readonly string[]): readonly string[] => {
      const known = new Set(others);
      return rows.filter((row) => !known.has(row)).slice(0, SHOWN_MAX);
    };
    return [
      `${table}: ${left.length} and ${right.length} rows`,
      ...only(left, right).map((row) => `< ${row}`),
      ...only(right, left).map((row) => `> ${row}`),
    ];
  });
