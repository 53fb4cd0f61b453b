import { TOKEN_COLUMNS } from '../../../schemas/ledger-entry.ts';
import type { StoredUsage } from '../../../schemas/stored-usage.ts';
import { type CostKey, type CostsInput, costGroups } from './costs.ts';
import { type Query, READ_SETTINGS } from './query.ts';

export interface UsagesInput extends Omit<CostsInput, 'limit'> {
  /** Calls of different times stay apart, for prices that depend on it. */
  readonly isByTime: boolean;
  readonly limit: number;
}

/** Calls that are alike in all that their price depends on, and in the group they belong to. */
export type UsageRow = Readonly<Partial<Record<CostKey | 'bucket', string | null>>> & {
  /** Everything of the usage by the name of its column, after `u_`. */
  readonly [column: `u_${string}`]: unknown;
  readonly u_kind: string;
  /** How many of them stand in the books. */
  readonly u_count: number;
  /** Time of the calls, µs; null where it is not asked for. */
  readonly u_micros: number | null;
  /** What is booked for all of them; null: nothing known. */
  readonly u_cost: string | null;
  readonly u_quantities: string;
};

// The sign of an entry: a reversal repeats the figures of what it takes back, turned.
const SIGN = 'if(e.calls < 0, -1, 1)';
const OWN = ['tenant_id', 'account', 'provider', 'model', 'region', 'service_tier', 'outcome'] as const;

/**
 * Distinct usages with their number: the size of a prompt decides the rate of the whole call, so calls cannot be priced by
 * their sums; equal ones cost the same. A call that was taken back has none left.
 */
export const usagesQuery = (input: UsagesInput): Query => {
  const { where, keys, names, params } = costGroups(input);
  const usage = [
    'e.entry_kind AS u_kind',
    ...OWN.map((column) => `e.${column} AS u_${column}`),
    'abs(e.calls) AS u_calls',
    ...TOKEN_COLUMNS.map((column) => `e.${column} * ${SIGN} AS u_${column}`),
    `toJSONString(mapApply((name, quantity) -> (name, quantity * ${SIGN}), e.quantities)) AS u_quantities`,
    "arraySort(arrayFilter(name -> NOT startsWith(name, 'price:'), e.untold)) AS u_untold",
    `${input.isByTime ? 'toUnixTimestamp64Micro(e.ts)' : 'NULL'} AS u_micros`,
  ];
  const groups = [...names, ...usage.map((item) => item.slice(item.lastIndexOf(' ') + 1))];
  return {
    sql: `SELECT
  ${[...keys, ...usage].join(',\n  ')},
  sum(${SIGN}) AS u_count,
  sum(e.cost_usd) AS u_cost
FROM ledger_entries AS e
${where}
GROUP BY ${groups.join(', ')}
HAVING u_count != 0
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...params, limit: input.limit },
  };
};

/** The usage a row is about. */
export const usageOfRow = (row: UsageRow): StoredUsage =>
  ({
    ...Object.fromEntries([...OWN, ...TOKEN_COLUMNS].map((column) => [column, row[`u_${column}`] ?? null])),
    calls: row['u_calls'],
    untold: row['u_untold'],
    quantities: JSON.parse(row.u_quantities),
  }) as unknown as StoredUsage;
