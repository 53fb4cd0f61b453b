import { ConfigError } from '../runtime/errors.ts';
import type { Store } from '../runtime/ports.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import { actorOf, logActs } from './dlq-actor.ts';
import { withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** `YYYY-MM` of months that are closed, by tenant; '' is every tenant. */
export type ClosedMonths = ReadonlyMap<string, ReadonlySet<string>>;

interface ClosedRow {
  readonly tenant_id: string;
  readonly month: string;
  readonly at: string;
  readonly actor: string;
}

/** Years of months times a great many tenants; more is somebody's loop. */
const ROWS_MAX = 100_000;

const readRows = (store: Store): Promise<readonly ClosedRow[]> =>
  store.query<ClosedRow>(
    `SELECT tenant_id, month, toString(at) AS at, actor FROM closed_months FINAL WHERE is_closed
     ORDER BY month, tenant_id LIMIT ${ROWS_MAX}`,
  );

/** The months that are closed now. Throws TransportError. */
export const readClosedMonths = async (store: Store): Promise<ClosedMonths> =>
  new Map(
    [...Map.groupBy(await readRows(store), ({ tenant_id }) => tenant_id)].map(([tenant, rows]) => [
      tenant,
      new Set(rows.map(({ month }) => month)),
    ]),
  );

/** Whether a call of that time (`YYYY-MM-DD …` UTC) lies in a month closed for its tenant or for all. */
export const isInClosedMonth = (closed: ClosedMonths, tenant: string, ts: string): boolean => {
  const month = ts.slice(0, 'YYYY-MM'.length);
  return closed.get('')?.has(month) === true || closed.get(tenant)?.has(month) === true;
};

const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

/** What `tacho price close` was asked. */
export interface CloseAsk {
  /** null: only list. */
  readonly month: string | null;
  readonly tenant: string | null;
  readonly reopen: boolean;
}

/**
 * Closes a month for one tenant or all, or opens it again, and lists what is closed then. A month that is not over may be
 * closed: calls that still come are booked all the same, only re-pricing stays away. Throws ConfigError for no month.
 */
export const closeMonth = async (world: World, { month, tenant, reopen }: CloseAsk): Promise<number> => {
  if (month !== null && !MONTH.test(month))
    throw new ConfigError([{ key: 'month', value: month, allowed: 'such as 2026-03' }]);
  return withStoredData(world, async (opened) => {
    if (month !== null) await writeMonth(world, opened.store, month, tenant ?? '', !reopen);
    const rows = await readRows(opened.store);
    if (rows.length === 0) world.print('no month is closed');
    for (const row of rows)
      world.print(
        `closed ${row.month}  ${row.tenant_id === '' ? 'every tenant' : row.tenant_id}  since ${row.at} by ${row.actor}`,
      );
    return 0;
  });
};

const writeMonth = async (
  world: World,
  store: Store,
  month: string,
  tenant: string,
  isClosed: boolean,
): Promise<void> => {
  const nowMs = world.clock.nowMs();
  const action = isClosed ? 'month_close' : 'month_reopen';
  await logActs(world, store, [{ action, tenant, subject: month, detail: '' }]);
  const row = { tenant_id: tenant, month, is_closed: isClosed, actor: actorOf(), at: utcMillis(nowMs), version: nowMs };
  await store.insert('closed_months', [row], { token: world.random.uuid(), signal: world.stop });
};
