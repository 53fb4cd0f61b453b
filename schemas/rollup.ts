import { TOKEN_COLUMNS } from './ledger-entry.ts';

/** Dimensions of an hour of spend: columns of `ledger_entries` that are columns of `rollup_spend` and `hourly_spend`. */
export const SPEND_DIMENSIONS = [
  'tenant_id',
  'entry_kind',
  'service',
  'environment',
  'agent_name',
  'workflow',
  'user_id',
  'account',
  'region',
  'service_tier',
  'provider',
  'model',
  'family',
  'outcome',
  'untold',
  'estimated',
  'unpriced_reason',
] as const;

/** What may be unknown of a booking. Known and unknown are never summed into one row of a roll-up. */
export const SPEND_MEASURES = [...TOKEN_COLUMNS, 'cost_usd', 'reported_cost_usd'] as const;

/** Dimensions of an hour of steps: columns of `spans` that are columns of `rollup_steps` and `hourly_steps`. */
export const STEP_DIMENSIONS = [
  'tenant_id',
  'step_kind',
  'signal',
  'service',
  'environment',
  'agent_name',
  'workflow',
  'tool_name',
  'provider',
  'request_model',
  'family',
  'status',
] as const;

/** `rollup_slices.kind`: what is summed, and from which table. */
export const ROLLUP_KINDS = ['spend', 'steps'] as const;
export type RollupKind = (typeof ROLLUP_KINDS)[number];

/** A roll-up: its rows are one of these a slice, dimensions and pattern of what is known. */
export interface Rollup {
  readonly kind: RollupKind;
  readonly table: string;
  /** The table it is made of. */
  readonly raw: string;
  readonly dimensions: readonly string[];
  /** Column of the roll-up → expression over `raw AS e`. */
  readonly sums: readonly (readonly [column: string, sql: string])[];
  /** What else tells groups apart, over `raw AS e`. */
  readonly patterns: readonly string[];
}

const TIMED = "(e.signal = 'span' AND NOT hasAny(e.flags, ['no_end', 'negative_duration', 'ts_clamped']))";

export const ROLLUPS: readonly Rollup[] = [
  {
    kind: 'spend',
    table: 'rollup_spend',
    raw: 'ledger_entries',
    dimensions: SPEND_DIMENSIONS,
    sums: [
      ['entries', 'count()'],
      ['calls', 'sum(e.calls)'],
      ...SPEND_MEASURES.map((column) => [column, `sum(e.${column})`] as const),
    ],
    patterns: SPEND_MEASURES.map((column) => `e.${column} IS NULL`),
  },
  {
    kind: 'steps',
    table: 'rollup_steps',
    raw: 'spans',
    dimensions: STEP_DIMENSIONS,
    sums: [
      ['steps', 'count()'],
      ['timed', `countIf(${TIMED})`],
      ['duration_ns_sum', `sumIf(toUInt128(e.duration_ns), ${TIMED})`],
      ['durations', `quantilesDDStateIf(0.01, 0.5, 0.9, 0.99)(e.duration_ns, ${TIMED})`],
    ],
    patterns: [],
  },
];

/** The slice of a row of raw (schemas/sql/0004_rollups.sql), for the hours that are rolled up. */
export const SLICE_HOUR = 'toStartOfHour(e.ts)';
export const SLICE_DAY = 'toDate(e.logged_at)';
/** True of rows whose hour is rolled up: from 400 days before to 2 days after the day that logged them. */
export const IS_ROLLED_UP = `intDiv(toUnixTimestamp64Micro(e.ts), 1000000) >= toInt64(toUInt16(${SLICE_DAY})) * 86400 - 34560000
  AND intDiv(toUnixTimestamp64Micro(e.ts), 1000000) < toInt64(toUInt16(${SLICE_DAY})) * 86400 + 172800`;
