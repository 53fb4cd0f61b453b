import type { QueryParams, Store } from '../../runtime/ports.ts';
import { utcMillis } from '../../runtime/stream/time.ts';
import type { Budget, Period, Spend } from './budget.ts';
import { readUsd } from './decimal.ts';

/** Column of the ledger for each part of a scope. */
const SCOPE_COLUMNS = [
  ['tenant', 'tenant_id'],
  ['agent', 'agent_name'],
  ['workflow', 'workflow'],
  ['service', 'service'],
] as const;

/** The SQL behind readSpend: one row a period, in the order asked. */
export const spendQuery = (
  budget: Budget,
  periods: readonly Period[],
): { readonly sql: string; readonly params: QueryParams } => {
  const params: Record<string, unknown> = {};
  const conditions = SCOPE_COLUMNS.flatMap(([part, column]) => {
    const value = budget.scope[part];
    if (value === undefined) return [];
    params[part] = value;
    return [`AND e.${column} = {${part}:String}`];
  }).join(' ');
  // Columns are written `e.column`: an alias of the same name would be taken for the column.
  const parts = periods.map((period, at) => {
    params[`from_${at}`] = utcMillis(period.startMs);
    params[`to_${at}`] = utcMillis(period.endMs);
    return `SELECT ${at} AS at, toString(sum(ifNull(e.cost_usd, 0))) AS spent,
  sumIf(e.calls, e.entry_kind = 'call') AS calls, sumIf(e.calls, e.cost_usd IS NULL) AS unknown_calls
FROM ledger_entries AS e
WHERE e.ts >= {from_${at}:DateTime64(3, 'UTC')} AND e.ts < {to_${at}:DateTime64(3, 'UTC')} ${conditions}`;
  });
  return { sql: parts.join('\nUNION ALL\n'), params };
};

/**
 * What was spent in a budget's scope, by the time of the call: a call booked late or corrected counts where it was made.
 * Signed sums over raw bookings, right at any moment. Throws TransportError.
 */
export const readSpend = async (
  store: Store,
  budget: Budget,
  periods: readonly Period[],
  signal: AbortSignal,
): Promise<readonly Spend[]> => {
  const { sql, params } = spendQuery(budget, periods);
  const rows = await store.query<{
    readonly at: number;
    readonly spent: string;
    readonly calls: string;
    readonly unknown_calls: string;
  }>(sql, params, signal);
  return periods.map((_, at): Spend => {
    const row = rows.find((candidate) => Number(candidate.at) === at);
    return {
      spent: readUsd(row?.spent ?? '0'),
      calls: Number(row?.calls ?? 0),
      unknownCalls: Number(row?.unknown_calls ?? 0),
    };
  });
};
