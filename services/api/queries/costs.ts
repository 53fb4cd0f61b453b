import type { QueryParams } from '../../runtime/ports.ts';
import { type Owner, UNALLOCATED } from '../owners.ts';
import { FIGURES, type Figures } from './figures.ts';
import { type Condition, type Query, READ_SETTINGS, type TimeRange, tenantIs, timeWithin, whereOf } from './query.ts';

/** What costs may be grouped and filtered by: dimensions every ledger entry carries. Values are columns of ours. */
export const COST_DIMENSIONS = [
  'tenant_id',
  'provider',
  'model',
  'agent_name',
  'service',
  'environment',
  'workflow',
  'user_id',
  'account',
  'session_id',
  'run_id',
  'region',
  'service_tier',
  'family',
  'outcome',
  'entry_kind',
  'unpriced_reason',
] as const;
export type CostDimension = (typeof COST_DIMENSIONS)[number];

/** Who pays: not stored but looked up in the catalog at read. */
export const OWNER_DIMENSIONS = ['team', 'cost_centre'] as const;
export type OwnerDimension = (typeof OWNER_DIMENSIONS)[number];
export type CostKey = CostDimension | OwnerDimension;
/** Everything costs may be grouped and filtered by. */
export const COST_KEYS: readonly CostKey[] = [...COST_DIMENSIONS, ...OWNER_DIMENSIONS];

/** Width of a time bucket: its SQL interval and its length in milliseconds (null: calendar, lengths differ). */
export const COST_STEPS = {
  minute: { interval: 'INTERVAL 1 MINUTE', ms: 60_000 },
  '5m': { interval: 'INTERVAL 5 MINUTE', ms: 300_000 },
  '15m': { interval: 'INTERVAL 15 MINUTE', ms: 900_000 },
  hour: { interval: 'INTERVAL 1 HOUR', ms: 3_600_000 },
  '6h': { interval: 'INTERVAL 6 HOUR', ms: 21_600_000 },
  day: { interval: 'INTERVAL 1 DAY', ms: 86_400_000 },
  week: { interval: 'INTERVAL 1 WEEK', ms: null },
  month: { interval: 'INTERVAL 1 MONTH', ms: null },
} as const;
export type CostStep = keyof typeof COST_STEPS;
export const COST_STEP_NAMES = Object.keys(COST_STEPS) as readonly CostStep[];

export interface CostsInput {
  readonly tenant: string | null;
  readonly range: TimeRange;
  readonly groupBy: readonly CostKey[];
  readonly step: CostStep | null;
  readonly filters: Readonly<Partial<Record<CostKey, string>>>;
  /** First match wins. Absent: nobody owns anything. */
  readonly owners?: readonly Owner[];
  readonly limit: number;
}

/** A group's key columns (as asked for, plus `bucket` when a step was asked for) and its figures. */
export type CostRow = Figures & { readonly bucket?: string } & Readonly<Partial<Record<CostKey, string | null>>>;

/** Figures per group over [from, to), dearest first; with a step, per bucket in order of time. */
export const costsQuery = (input: CostsInput): Query => {
  const { where, keys, names, params } = costGroups(input);
  const order = input.step === null ? 'sum(e.cost_usd) DESC, calls DESC' : 'bucket, sum(e.cost_usd) DESC, calls DESC';
  return {
    sql: `SELECT
  ${[...keys, FIGURES].join(',\n  ')}
FROM ledger_entries AS e
${where}
${names.length > 0 ? `GROUP BY ${names.join(', ')}\n` : ''}HAVING calls != 0 OR ifNull(sum(e.cost_usd), 0) != 0
ORDER BY ${order}
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...params, limit: input.limit },
  };
};

/** The parts every question over groups of entries has: which entries, and the groups' keys as SQL and by name. */
export const costGroups = (input: Omit<CostsInput, 'limit'>) => {
  const asked = OWNER_DIMENSIONS.filter((name) => input.groupBy.includes(name) || input.filters[name] !== undefined);
  const owners = new Map<CostKey, Condition>(asked.map((name) => [name, ownerOf(name, input.owners ?? [])]));
  const filters = COST_KEYS.map((dimension): Condition | undefined => {
    const value = input.filters[dimension];
    const owner = owners.get(dimension);
    if (value !== undefined && owner !== undefined)
      return {
        sql: `${owner.sql} = {filter_${dimension}:String}`,
        params: { [`filter_${dimension}`]: value || UNALLOCATED },
      };
    // An empty value asks for the rows that have none: NULL and '' alike.
    if (value === undefined) return undefined;
    return value === ''
      ? { sql: `ifNull(toString(${dimension}), '') = ''`, params: {} }
      : { sql: `${dimension} = {filter_${dimension}:String}`, params: { [`filter_${dimension}`]: value } };
  });
  const where = whereOf([tenantIs(input.tenant), timeWithin('ts', input.range), ...filters]);
  const bucket =
    input.step === null
      ? []
      : [`toDateTime(toStartOfInterval(e.ts, ${COST_STEPS[input.step].interval}, 'UTC'), 'UTC') AS bucket`];
  return {
    where: where.sql,
    keys: [
      ...bucket,
      ...input.groupBy.map((dimension) => `${owners.get(dimension)?.sql ?? `e.${dimension}`} AS ${dimension}`),
    ],
    names: [...(input.step === null ? [] : ['bucket']), ...input.groupBy],
    params: Object.assign({}, where.params, ...[...owners.values()].map((owner) => owner.params)) as QueryParams,
  };
};

/** A part of an entry and the column it must equal, where it is given. */
const MATCHED = [
  ['tenant', 'e.tenant_id'],
  ['service', 'e.service'],
  ['agent', "ifNull(e.agent_name, '')"],
  ['workflow', "ifNull(e.workflow, '')"],
  ['user', "ifNull(e.user_id, '')"],
] as const;

/** The name that the first matching entry gives, as SQL over `ledger_entries AS e`; the last entry matches all. */
const ownerOf = (dimension: OwnerDimension, owners: readonly Owner[]): Condition => {
  const naming = owners.filter((owner) => owner[dimension] !== '');
  const values = (part: keyof Owner, last = ''): readonly string[] => [...naming.map((owner) => owner[part]), last];
  const list = (part: string): string => `{${dimension}_${part}:Array(String)}`;
  const parts = [...MATCHED.map(([part]) => part), 'label', 'label_value'] as const;
  const conditions = [
    ...MATCHED.map(([part, column]) => `(of_${part} = '' OR of_${part} = ${column})`),
    "(of_label = '' OR e.labels[of_label] = of_label_value)",
  ];
  const lambda = `(${parts.map((part) => `of_${part}`).join(', ')}) -> ${conditions.join(' AND ')}`;
  return {
    sql: `arrayElement(${list('names')}, arrayFirstIndex(${lambda}, ${parts.map(list).join(', ')}))`,
    params: {
      [`${dimension}_names`]: values(dimension, UNALLOCATED),
      ...Object.fromEntries(parts.map((part) => [`${dimension}_${part}`, values(part)])),
    },
  };
};
