import type { QueryParams } from '../../runtime/ports.ts';

/** One SELECT as a value: tests compare it, the store runs it. Values only ever travel in `params`. */
export interface Query {
  readonly sql: string;
  readonly params: QueryParams;
}

/** A half-open span of time, milliseconds since 1970: from ≤ t < to. */
export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Longest time one read of the API may take in the store. A console that waits longer has lost its reader. */
const READ_SECONDS_MAX = 20;

/**
 * Ends every SELECT of the API: times as ISO 8601 with Z, decimals as strings (money is never a float),
 * 64-bit counts as numbers (tokens and rows stay far below 2^53).
 */
export const READ_SETTINGS = `SETTINGS date_time_output_format = 'iso', output_format_json_quote_decimals = 1, output_format_json_quote_64bit_integers = 0, output_format_json_quote_denormals = 0, max_execution_time = ${READ_SECONDS_MAX}`;

/** A fixed piece of SQL with the parameters it names. Absent filters are left out by passing undefined. */
export interface Condition {
  readonly sql: string;
  readonly params: QueryParams;
}

/** `WHERE a AND b`, parameters merged; empty when there is nothing to ask. */
export const whereOf = (conditions: readonly (Condition | undefined)[]): Condition => {
  const given = conditions.filter((condition) => condition !== undefined);
  if (given.length === 0) return { sql: '', params: {} };
  return {
    sql: `WHERE ${given.map((condition) => condition.sql).join('\n  AND ')}`,
    params: Object.assign({}, ...given.map((condition) => condition.params)),
  };
};

/** Rows of one tenant; undefined for a caller who may see all and asked for all. */
export const tenantIs = (tenant: string | null): Condition | undefined =>
  tenant === null ? undefined : { sql: 'tenant_id = {tenant:String}', params: { tenant } };

/** `column` within the range. The column name is one of ours, never a caller's. */
export const timeWithin = (column: 'ts' | 'booked_at' | 'logged_at', range: TimeRange): Condition => ({
  sql: `${column} >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND ${column} < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')`,
  params: { from_ms: range.fromMs, to_ms: range.toMs },
});

/** `sql` with its one parameter when the value was given. */
export const given = (value: string | undefined, name: string, sql: string): Condition | undefined =>
  value === undefined ? undefined : { sql, params: { [name]: value } };
