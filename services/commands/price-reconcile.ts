import { readFileSync, statSync } from 'node:fs';
import { COST_DECIMALS, parseScaled } from '../ledger/money.ts';
import type { PriceBook } from '../ledger/prices/price.ts';
import { ConfigError } from '../runtime/errors.ts';
import type { Store } from '../runtime/ports.ts';
import { type Booked, CAUSES, type Gap, type Reconciled, reconcile } from './price-reconcile-compare.ts';
import { type Mapping, READY_MADE, readMapping, type ToldTokens } from './price-reconcile-map.ts';
import { CACHE, type Invoice, keyOf, readInvoice, sumOf } from './price-reconcile-read.ts';
import { shortUsd, table } from './price-reprice-difference.ts';
import { withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** An export is read whole: a year of days, models and accounts has a few megabytes. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** Days times models times accounts of the ledger. */
const GROUPS_MAX = 500_000;
/** Lines of gaps shown; the sums are of all. */
const SHOWN_MAX = 1_000;

export interface ReconcileAsk {
  readonly file: string;
  /** A mapping file, or the name of a form that is known. */
  readonly map: string;
  readonly tenant: string | null;
}

/**
 * Compares an invoice or usage export with the ledger and names each difference with its cause and amount. Resolves to the
 * exit code: 1 when anything but rounding lies between them.
 */
export const reconcileInvoice = async (world: World, prices: PriceBook, ask: ReconcileAsk): Promise<number> => {
  const known = READY_MADE.get(ask.map);
  const mapping = known ?? readMapping(ask.map, textOf('--map', ask.map));
  const invoice = readInvoice(ask.file, textOf('file', ask.file), mapping);
  return withStoredData(world, async (opened) => {
    const reconciled = await reconcileWith(opened.store, prices, invoice, mapping, ask.tenant);
    for (const line of reconciledLines(reconciled)) world.print(line);
    return reconciled.gaps.every(({ cause }) => cause === 'rounding') ? 0 : 1;
  });
};

/** As `reconcileInvoice`, on a store that is open and an export that is read. */
export const reconcileWith = async (
  store: Store,
  prices: PriceBook,
  invoice: Invoice,
  mapping: Mapping,
  tenant: string | null,
): Promise<Reconciled> => {
  const of = { tenant, provider: mapping.provider };
  const ledger =
    invoice.days === null ? new Map<string, Booked>() : await bookedGroups(store, invoice.days, mapping, tenant);
  // Few emitters tell whose account it was: an export by accounts is then compared without them, not found missing twice.
  const isByAccount = [...ledger.keys()].some((key) => accountOf(key) !== '');
  if (isByAccount || ledger.size === 0) return reconcile(invoice, ledger, prices, of);
  const groups = withoutAccounts(invoice.groups, sumOf);
  return reconcile({ ...invoice, groups }, withoutAccounts(ledger, addBooked), prices, of);
};

const accountOf = (key: string): string | null => (JSON.parse(key) as readonly [string, string, string | null])[2];

const withoutAccounts = <T>(groups: ReadonlyMap<string, T>, sum: (a: T | undefined, b: T) => T): Map<string, T> => {
  const merged = new Map<string, T>();
  for (const [key, group] of groups) {
    const [day, model] = JSON.parse(key) as readonly [string, string];
    const without = keyOf(day, model, null);
    merged.set(without, sum(merged.get(without), group));
  }
  return merged;
};

const textOf = (key: string, path: string): string => {
  const allowed =
    key === '--map' ? `a mapping file, or ${[...READY_MADE.keys()].join(', ')}` : 'a file that can be read';
  try {
    if (statSync(path).size > FILE_BYTES_MAX)
      throw new ConfigError([{ key, value: path, allowed: `at most ${FILE_BYTES_MAX} bytes` }]);
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError([{ key, value: path, allowed }]);
  }
};

// ---------------------------------------------------------------------- the ledger

interface BookedRow {
  readonly day: string;
  readonly model: string;
  readonly account: string;
  readonly provider: string | null;
  readonly calls: string;
  readonly unpriced_calls: string;
  readonly input: string;
  readonly cache_read: string;
  readonly cache_write: string;
  readonly cache_write_1h: string;
  readonly output: string;
  readonly cost: string;
}

/** Whole days, in UTC. Providers bill reasoning and audio as output and input of a model. */
const bookedGroups = async (
  store: Store,
  days: { readonly first: string; readonly last: string },
  mapping: Mapping,
  tenant: string | null,
): Promise<ReadonlyMap<string, Booked>> => {
  const sum = (column: string): string => `toString(ifNull(sum(e.${column}), 0))`;
  const rows = await store.query<BookedRow>(
    `SELECT toString(toDate(e.ts)) AS day, ifNull(toString(e.model), '') AS model, ifNull(toString(e.account), '') AS account,
       any(e.provider) AS provider, toString(sum(e.calls)) AS calls,
       toString(sumIf(e.calls, e.cost_usd IS NULL)) AS unpriced_calls,
       toString(ifNull(sum(e.input_tokens), 0) + ifNull(sum(e.audio_input_tokens), 0)) AS input,
       ${sum('cache_read_tokens')} AS cache_read, ${sum('cache_write_tokens')} AS cache_write,
       ${sum('cache_write_1h_tokens')} AS cache_write_1h,
       toString(ifNull(sum(e.output_tokens), 0) + ifNull(sum(e.reasoning_tokens), 0)
         + ifNull(sum(e.audio_output_tokens), 0)) AS output,
       toString(ifNull(sum(e.cost_usd), 0)) AS cost
     FROM ledger_entries AS e
     WHERE e.ts >= toDateTime64({first:String}, 6, 'UTC') AND e.ts < toDateTime64({last:String}, 6, 'UTC') + INTERVAL 1 DAY
       AND e.entry_kind = 'call'
       AND ({provider:Nullable(String)} IS NULL OR e.provider = {provider:Nullable(String)})
       AND ({tenant:Nullable(String)} IS NULL OR e.tenant_id = {tenant:Nullable(String)})
     GROUP BY day, model, account HAVING sum(e.calls) != 0 LIMIT ${GROUPS_MAX + 1}`,
    { first: `${days.first} 00:00:00`, last: `${days.last} 00:00:00`, provider: mapping.provider, tenant },
  );
  if (rows.length > GROUPS_MAX)
    throw new ConfigError([{ key: 'file', value: `${days.first} to ${days.last}`, allowed: 'fewer days at once' }]);
  const groups = new Map<string, Booked>();
  for (const row of rows) {
    const key = keyOf(row.day, row.model, mapping.columns.account === undefined ? null : row.account);
    groups.set(key, addBooked(groups.get(key), bookedOf(row, mapping)));
  }
  return groups;
};

/** What the export does not tell apart is not told apart here either. */
const bookedOf = (row: BookedRow, { columns, input_includes_cache }: Mapping): Booked => {
  const tokens: Record<ToldTokens, number> = {
    input_tokens: Number(row.input),
    cache_read_tokens: Number(row.cache_read),
    cache_write_tokens: Number(row.cache_write),
    cache_write_1h_tokens: Number(row.cache_write_1h),
    output_tokens: Number(row.output),
  };
  if (input_includes_cache) {
    for (const name of CACHE.filter((bucket) => columns[bucket] === undefined)) {
      tokens.input_tokens += tokens[name];
      tokens[name] = 0;
    }
  }
  return {
    provider: row.provider,
    calls: Number(row.calls),
    unpriced_calls: Number(row.unpriced_calls),
    tokens,
    cost: parseScaled(row.cost, COST_DECIMALS) ?? 0n,
  };
};

const addBooked = (a: Booked | undefined, b: Booked): Booked =>
  a === undefined
    ? b
    : {
        provider: a.provider ?? b.provider,
        calls: a.calls + b.calls,
        unpriced_calls: a.unpriced_calls + b.unpriced_calls,
        tokens: Object.fromEntries(
          Object.entries(a.tokens).map(([name, figure]) => [name, figure + (b.tokens[name as ToldTokens] ?? 0)]),
        ) as Booked['tokens'],
        cost: a.cost + b.cost,
      };

// ----------------------------------------------------------------------- the report

/** The gaps, largest first, and what they come to by cause. */
export const reconciledLines = ({ invoice, ledger, gaps }: Reconciled): readonly string[] => {
  const size = ({ usd }: Gap): bigint => (usd === null ? 0n : usd < 0n ? -usd : usd);
  const sorted = [...gaps].sort((a, b) => (size(a) > size(b) ? -1 : size(a) < size(b) ? 1 : 0));
  const rows = sorted.slice(0, SHOWN_MAX).map((gap) => {
    const [day, model, account] = JSON.parse(gap.key) as readonly [string, string, string | null];
    return [gap.cause, day, model, account ?? '', gap.usd === null ? '?' : signed(gap.usd), usageText(gap), gap.note];
  });
  const sums = CAUSES.map((cause) => {
    const own = gaps.filter((gap) => gap.cause === cause);
    const usd = own.reduce((sum, gap) => sum + (gap.usd ?? 0n), 0n);
    return `${cause.padEnd(10)} ${own.length} gaps, ${signed(usd)} USD`;
  });
  return [
    ...(rows.length === 0 ? [] : table([['cause', 'day', 'model', 'account', 'USD', 'usage', ''], ...rows])),
    ...(gaps.length > SHOWN_MAX ? [`and ${gaps.length - SHOWN_MAX} smaller ones`] : []),
    invoice === null
      ? `the export tells no amounts: what it has more or less stands at list prices; ledger ${shortUsd(ledger)} USD`
      : `export ${shortUsd(invoice)} USD, ledger ${shortUsd(ledger)} USD, difference ${signed(invoice - ledger)} USD`,
    ...sums,
  ];
};

const signed = (amount: bigint): string => `${amount > 0n ? '+' : ''}${shortUsd(amount)}`;

const usageText = ({ calls, tokens }: Gap): string =>
  [
    ...(calls === null || calls === 0 ? [] : [`calls ${calls > 0 ? '+' : ''}${calls}`]),
    ...Object.entries(tokens).map(
      ([name, figure]) => `${name.replace('_tokens', '')} ${figure > 0 ? '+' : ''}${figure}`,
    ),
  ].join(', ');
