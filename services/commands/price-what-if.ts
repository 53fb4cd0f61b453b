import type { StoredUsage } from '../../schemas/stored-usage.ts';
import { type UsageRow, usageOfRow, usagesQuery } from '../api/queries/usages.ts';
import { COST_DECIMALS, parseScaled } from '../ledger/money.ts';
import { isPrice, type PriceBook } from '../ledger/prices/price.ts';
import { priceStored } from '../ledger/stored-usage.ts';
import { ConfigError } from '../runtime/errors.ts';
import type { Store } from '../runtime/ports.ts';
import { shortUsd, table } from './price-reprice-difference.ts';
import { withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** Which history is priced otherwise, and how. */
export interface WhatIf {
  readonly fromMs: number;
  readonly toMs: number;
  readonly tenant: string | null;
  /** A model of the ledger → the one it is priced as: a name, or `provider/name`. */
  readonly models: ReadonlyMap<string, string>;
  /** The service tier of every call; null: as it was. */
  readonly tier: string | null;
  /** false: what was read from or written to a cache is priced as plain input. */
  readonly hasCache: boolean;
}

/** Distinct usages priced at once: they stay in memory only as sums, but the store sorts them out of every call. */
const USAGES_MAX = 2_000_000;
const PAGE_DAYS_MS = 86_400_000;

interface Row {
  calls: number;
  recorded: bigint;
  /** Of what has a price both ways. */
  before: bigint;
  after: bigint;
  unknownUsage: number;
  unpriced: number;
}

/** What the difference would be, by model. */
export interface WhatIfAnswer {
  readonly lines: readonly string[];
  readonly recorded: bigint;
  readonly before: bigint;
  readonly after: bigint;
}

/** Prices the history as booked and otherwise, shows both by model, and says what this cannot know. Resolves to exit code 0. */
export const whatIf = async (world: World, prices: PriceBook, other: PriceBook, ask: WhatIf): Promise<number> => {
  return withStoredData(world, async (opened) => {
    const answer = await priceOtherwise(opened.store, prices, other, ask);
    for (const line of answer.lines) world.print(line);
    for (const line of unknowns(ask)) world.print(line);
    return 0;
  });
};

/**
 * Day by day: each distinct usage at its own time, by `prices` as it was and by `other` as it is asked. Both sums are of the
 * calls that have a price both ways, so that their difference is one of price and of nothing else.
 */
export const priceOtherwise = async (
  store: Store,
  prices: PriceBook,
  other: PriceBook,
  ask: WhatIf,
): Promise<WhatIfAnswer> => {
  const rows = new Map<string, Row>();
  const all = emptyRow();
  let usages = 0;
  for (let fromMs = ask.fromMs; fromMs < ask.toMs; fromMs += PAGE_DAYS_MS) {
    const range = { fromMs, toMs: Math.min(fromMs + PAGE_DAYS_MS, ask.toMs) };
    const query = usagesQuery({
      ...{ tenant: ask.tenant, range, groupBy: [], step: null, filters: { entry_kind: 'call' } },
      ...{ isByTime: true, limit: USAGES_MAX - usages + 1 },
    });
    const found = await store.query<UsageRow>(query.sql, query.params);
    usages += found.length;
    if (usages > USAGES_MAX)
      throw new ConfigError([
        {
          key: '--from/--to',
          value: `more than ${USAGES_MAX} different calls`,
          allowed: 'name a shorter time or a tenant',
        },
      ]);
    for (const one of found) {
      const usage = usageOfRow(one);
      const name = rowName(usage, ask);
      const row = rows.get(name) ?? emptyRow();
      rows.set(name, row);
      const figures = figuresOf(one, usage, prices, other, ask);
      for (const into of [row, all]) addTo(into, figures);
    }
  }
  const named = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, row]) => [name, ...cellsOf(row)]);
  return { lines: table([HEAD, ...named, ['all', ...cellsOf(all)]]), ...all };
};

const HEAD = ['model', 'calls', 'recorded USD', 'as it was', 'what if', 'difference', 'no usage told', 'no price'];

const emptyRow = (): Row => ({ calls: 0, recorded: 0n, before: 0n, after: 0n, unknownUsage: 0, unpriced: 0 });

const rowName = ({ model }: StoredUsage, { models }: WhatIf): string => {
  const told = model ?? '(no model)';
  const to = models.get(told);
  return to === undefined ? told : `${told} → ${to}`;
};

const figuresOf = (row: UsageRow, usage: StoredUsage, prices: PriceBook, other: PriceBook, ask: WhatIf): Row => {
  const calls = usage.calls * row.u_count;
  const count = BigInt(row.u_count);
  const atMicros = row.u_micros ?? 0;
  const recorded = scaled(row.u_cost);
  const was = priceStored(prices, usage, atMicros);
  const none = { ...emptyRow(), calls, recorded };
  if (was.unpriced_reason === 'no_usage' || was.unpriced_reason === 'failed') return { ...none, unknownUsage: calls };
  const would = priceAs(other, otherUsage(usage, ask), atMicros, ask.models.get(usage.model ?? ''));
  // A price that says nothing of the tier would give the figure of another one.
  const isOtherTier = ask.tier !== null && would.untold.includes('price:service_tier');
  if (was.cost_usd === null || would.cost_usd === null || isOtherTier) return { ...none, unpriced: calls };
  return { ...none, before: scaled(was.cost_usd) * count, after: scaled(would.cost_usd) * count };
};

const otherUsage = (usage: StoredUsage, { tier, hasCache }: WhatIf): StoredUsage => {
  const tiered = tier === null ? usage : { ...usage, service_tier: tier };
  if (hasCache) return tiered;
  const buckets = [
    usage.input_tokens,
    usage.cache_read_tokens,
    usage.cache_write_tokens,
    usage.cache_write_1h_tokens,
  ].filter((tokens) => tokens !== null);
  const input_tokens = buckets.length === 0 ? null : buckets.reduce((sum, tokens) => sum + tokens, 0);
  const none = { cache_read_tokens: null, cache_write_tokens: null, cache_write_1h_tokens: null };
  return { ...tiered, ...none, input_tokens };
};

/** `provider/name` first, for a maker's name may have a slash in it as well; then at the call's provider, then anywhere. */
const priceAs = (book: PriceBook, usage: StoredUsage, atMicros: number, as: string | undefined) => {
  if (as === undefined) return priceStored(book, usage, atMicros);
  const slash = as.indexOf('/');
  const tried: readonly (readonly [provider: string | null, model: string])[] = [
    ...(slash > 0 ? [[as.slice(0, slash), as.slice(slash + 1)] as const] : []),
    [usage.provider, as],
    [null, as],
  ];
  const found = tried.find(([provider, model]) =>
    isPrice(
      book.find({
        ...{ provider, model, tsMicros: atMicros, region: null, tier: usage.service_tier },
        ...{ tenant: usage.tenant_id, account: usage.account },
      }),
    ),
  );
  const [provider, model] = found ?? [null, as];
  // Another maker's accounts and regions are not this one's.
  return priceStored(
    book,
    { ...usage, provider, model, ...(provider === usage.provider ? {} : { region: null }) },
    atMicros,
  );
};

const scaled = (cost: string | null): bigint => (cost === null ? 0n : (parseScaled(cost, COST_DECIMALS) ?? 0n));

const addTo = (into: Row, from: Row): void => {
  into.calls += from.calls;
  into.recorded += from.recorded;
  into.before += from.before;
  into.after += from.after;
  into.unknownUsage += from.unknownUsage;
  into.unpriced += from.unpriced;
};

const cellsOf = ({ calls, recorded, before, after, unknownUsage, unpriced }: Row): readonly string[] => [
  String(calls),
  shortUsd(recorded),
  shortUsd(before),
  shortUsd(after),
  `${after > before ? '+' : ''}${shortUsd(after - before)}`,
  String(unknownUsage),
  String(unpriced),
];

const unknowns = ({ models, tier, hasCache }: WhatIf): readonly string[] => [
  'This prices the same tokens otherwise. It cannot know:',
  ...(models.size === 0
    ? []
    : [
        '- how many tokens another model makes of the same text: its tokenizer is another one, and answers differ in length;',
        '- whether another model does the work as well, or takes more calls, retries and tool use for it;',
        '- what the other model would have kept in its cache: reads and writes are taken to be the same;',
      ]),
  ...(tier === null ? [] : ['- whether the other tier would have answered in time, or refused;']),
  ...(hasCache ? [] : ['- nothing more of the cache: without it, its reads and writes are plain input;']),
  '- calls nobody told the usage of, and calls without a price one way or the other: they are counted, and in neither sum.',
];
