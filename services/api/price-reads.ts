import type { Store } from '../runtime/ports.ts';
import { createNearest, type KnownName } from './nearest-names.ts';
import {
  type CapacityRow,
  type CoverageRow,
  capacityQuery,
  coverageQuery,
  knownModelsQuery,
  type ModelUseRow,
  modelUseQuery,
  type PriceBookRow,
  priceBookQuery,
  type UnpricedRow,
  unpricedQuery,
} from './queries/prices.ts';
import type { Query, TimeRange } from './queries/query.ts';

/** A model without a price, with the known names that look like it. */
export interface UnpricedModel extends UnpricedRow {
  readonly nearest: readonly KnownName[];
}

/** What has no price, and what share of the calls the totals cover. */
export interface Unpriced {
  readonly coverage: CoverageRow;
  readonly models: readonly UnpricedModel[];
  /** More models have none than are listed. */
  readonly is_cut: boolean;
}

export interface PriceScope {
  /** null: every tenant the caller may see. */
  readonly tenant: string | null;
  readonly range: TimeRange;
}

/** Models listed: whoever has more without a price begins with these. */
const UNPRICED_MAX = 200;
const USED_MAX = 500;
const NEAREST_MAX = 3;

/** Reads what has no price. Throws TransportError. */
export const readUnpriced = async (store: Store, scope: PriceScope): Promise<Unpriced> => {
  const ask = asker(store);
  const [rows, known, [coverage]] = await Promise.all([
    ask<UnpricedRow>(unpricedQuery({ ...scope, limit: UNPRICED_MAX + 1 })),
    ask<KnownName>(knownModelsQuery()),
    ask<CoverageRow>(coverageQuery(scope)),
  ]);
  const nearest = createNearest(known);
  return {
    coverage: coverage ?? { calls: 0, priced_calls: 0, cost_usd: null },
    models: rows
      .slice(0, UNPRICED_MAX)
      .map((row) => ({ ...row, nearest: row.model === null ? [] : nearest(row.model, NEAREST_MAX) })),
    is_cut: rows.length > UNPRICED_MAX,
  };
};

/** Models in use on one axis, cloud and own, and capacity bought beside them. */
export interface PriceUse {
  readonly models: readonly ModelUseRow[];
  readonly capacity: readonly CapacityRow[];
}

/** Reads what models in use cost. `nowMs`: hours of capacity after it have not begun. Throws TransportError. */
export const readPriceUse = async (store: Store, scope: PriceScope, nowMs: number): Promise<PriceUse> => {
  const ask = asker(store);
  const [models, capacity] = await Promise.all([
    ask<ModelUseRow>(modelUseQuery({ ...scope, limit: USED_MAX })),
    ask<CapacityRow>(capacityQuery({ ...scope, untilMs: nowMs })),
  ]);
  return { models, capacity };
};

/** The book in force; null before a ledger has started. Throws TransportError. */
export const readPriceBook = async (store: Store): Promise<PriceBookRow | null> => {
  const [book] = await asker(store)<PriceBookRow>(priceBookQuery());
  return book ?? null;
};

const asker =
  (store: Store) =>
  <T>(query: Query): Promise<readonly T[]> =>
    store.query<T>(query.sql, query.params);
