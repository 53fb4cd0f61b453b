import { type Query, READ_SETTINGS } from '../queries/query.ts';
import type { Scope } from './finding.ts';

/** Senders one finding lists; a registry of findings times this is what an answer holds at most. */
export const SENDERS_MAX = 200;
/** Names told in `detail`. */
const NAMES_MAX = 5;

/** Rows of a table, aliased, that were stored in the time asked about. */
export const inScope = (scope: Scope, alias: string): string =>
  `${alias}.logged_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND ${alias}.logged_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')${scope.tenant === null ? '' : ` AND ${alias}.tenant_id = {tenant:String}`}`;

/** A query over the scope with its parameters. `body` selects the columns of FindingRow. */
export const scoped = (scope: Scope, body: string, params: Query['params'] = {}): Query => ({
  sql: `${body}
ORDER BY ifNull(calls, steps) DESC, tenant_id, service, family
LIMIT ${SENDERS_MAX}
${READ_SETTINGS}`,
  params: {
    from_ms: scope.fromMs,
    to_ms: scope.toMs,
    ...(scope.tenant === null ? {} : { tenant: scope.tenant }),
    ...params,
  },
});

/** A finding that is not counted in calls, or not in steps. */
export const NO_CALLS = "CAST(NULL, 'Nullable(Int64)') AS calls";
export const NO_STEPS = "CAST(NULL, 'Nullable(Int64)') AS steps";

/** A count as the column a finding tells it in. */
export const counted = (sql: string, name: 'calls' | 'steps'): string => `toNullable(toInt64(${sql})) AS ${name}`;

/** Up to five names of a column, in order, as text. */
export const names = (column: string): string =>
  `arrayStringConcat(arraySlice(arraySort(groupUniqArrayIf(${column}, ifNull(${column}, '') != '')), 1, ${NAMES_MAX}), ', ')`;

/**
 * Calls that stand in the books and meet a condition over `ledger_entries AS e`. The ledger is signed: a call taken back
 * in the same time cancels, whatever the order.
 */
export const callsWhere = (scope: Scope, condition: string, detail = 'e.model'): Query =>
  scoped(
    scope,
    `SELECT tenant_id, service, family, ${counted('sum(found)', 'calls')}, ${NO_STEPS},
  toNullable(min(run_id)) AS example_run_id, ${names('detail_one')} AS detail
FROM (
  SELECT e.tenant_id AS tenant_id, e.service AS service, e.family AS family, e.run_id AS run_id,
    ifNull(toString(${detail}), '') AS detail_one, sum(e.calls) AS found
  FROM ledger_entries AS e
  WHERE ${inScope(scope, 'e')} AND (${condition})
  GROUP BY tenant_id, service, family, run_id, detail_one
  HAVING found > 0
)
GROUP BY tenant_id, service, family`,
  );
