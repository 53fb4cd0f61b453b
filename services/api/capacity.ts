import { decimalText, parseDecimal } from './decimal.ts';
import { type CapacityRow, capacityQuery } from './queries/prices.ts';
import type { Query, TimeRange } from './queries/query.ts';

/**
 * Capacity bought by the hour, as it stands beside the cost of calls. No call carries any of it, and nothing says which
 * agent or run it was bought for: it is a line of its own, and in a sum only where a sum with it is asked for.
 */
export interface CapacityBeside {
  /** Of what was bought for the tenant that is asked about, or of all where none is; null: there is none to be counted. */
  readonly cost_usd: string | null;
  /** Bought for every tenant while one is asked about: how much of it is theirs nobody knows, so it is in no sum. */
  readonly shared_cost_usd: string | null;
  readonly lines: readonly (CapacityRow & { readonly is_shared: boolean })[];
  /** What costs were filtered by that capacity cannot be: then nothing of it is counted. */
  readonly not_divided_by: readonly string[];
}

/** What capacity can be told apart by. */
const DIVIDED_BY: ReadonlySet<string> = new Set(['provider', 'model']);

export interface CapacityScope {
  readonly tenant: string | null;
  readonly range: TimeRange;
  readonly filters: Readonly<Partial<Record<string, string>>>;
  /** Hours after it have not begun. */
  readonly nowMs: number;
}

/** Reads the capacity beside the costs of a scope. `ask` throws TransportError. */
export const readCapacity = async (
  ask: (query: Query) => Promise<readonly CapacityRow[]>,
  { tenant, range, filters, nowMs }: CapacityScope,
): Promise<CapacityBeside> => {
  const asked = Object.keys(filters).filter((name) => filters[name] !== undefined);
  const not_divided_by = asked.filter((name) => !DIVIDED_BY.has(name)).sort();
  if (not_divided_by.length > 0) return { cost_usd: null, shared_cost_usd: null, lines: [], not_divided_by };
  const { provider, model } = filters;
  const rows = await ask(capacityQuery({ tenant, range, untilMs: nowMs, provider, model }));
  const lines = rows.map((row) => ({ ...row, is_shared: tenant !== null && row.tenant_id === null }));
  return {
    cost_usd: sumUsd(lines.filter((line) => !line.is_shared)),
    shared_cost_usd: sumUsd(lines.filter((line) => line.is_shared)),
    lines,
    not_divided_by,
  };
};

/** The cost of calls and that of capacity as one; null: neither is known. */
export const withCapacity = (callsUsd: string | null, { cost_usd }: CapacityBeside): string | null =>
  sumUsd([{ cost_usd: callsUsd }, { cost_usd }]);

const sumUsd = (amounts: readonly { readonly cost_usd: string | null }[]): string | null => {
  const known = amounts.flatMap(({ cost_usd }) => (cost_usd === null ? [] : [parseDecimal(cost_usd) ?? 0n]));
  return known.length === 0 ? null : decimalText(known.reduce((sum, amount) => sum + amount, 0n));
};
