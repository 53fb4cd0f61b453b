import { decimalText } from '../../schemas/decimal.ts';
import { readUnpriced, type Unpriced } from '../api/price-reads.ts';
import { shownTime } from '../ledger/prices/book.ts';
import { listedPrices } from '../ledger/prices/catalogue.ts';
import { chargedPrice, type OwnPrice } from '../ledger/prices/own-price.ts';
import { type Price, RATE_DECIMALS } from '../ledger/prices/price.ts';
import { openPrices } from './open-prices.ts';
import { sinceMs } from './typed-range.ts';
import { withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** A price as it is printed. */
export interface ShownPrice {
  readonly price: string;
  readonly models: string;
  readonly for: string;
  readonly from: string;
  readonly to: string;
  readonly usd: string;
}

/** `tacho price list`: prices of the files, and those of the public list whose model's name holds `model`. Needs no store. */
export const listPrices = async (world: World, model: string | null, isJson: boolean): Promise<number> => {
  const { own } = await openPrices(world.config);
  const wanted = model?.toLowerCase();
  const isWanted = (names: readonly string[]): boolean =>
    wanted === undefined || names.some((name) => name.toLowerCase().includes(wanted) || name === '*');
  const rows: readonly ShownPrice[] = [
    ...own.filter((price) => isWanted(price.selector.models)).map(ownShown),
    ...(wanted === undefined ? [] : listedPrices().filter((one) => isWanted([one.model]))).map(
      ({ price, model: name }) => shown(price, name, price.provider ?? ''),
    ),
  ];
  if (isJson) world.print(JSON.stringify(rows, null, 2));
  else for (const line of tableLines(rows)) world.print(line);
  if (!isJson && wanted === undefined)
    world.progress(`your own prices; --model NAME also looks in the public list (${listedPrices().length} prices)`);
  return 0;
};

const ownShown = (own: OwnPrice): ShownPrice => {
  const { models, ...narrow } = own.selector;
  const price = chargedPrice(own, null);
  const row = shown(
    price,
    models.join(' '),
    Object.values(narrow)
      .filter((value) => value !== null)
      .join(' '),
  );
  const off =
    own.share === null
      ? []
      : [`${trimmed(decimalText((10n ** BigInt(RATE_DECIMALS) - own.share) * 100n, RATE_DECIMALS))}% off`];
  return {
    ...row,
    from: own.from === null ? '' : shownTime(own.from),
    to: own.to === null ? '' : shownTime(own.to),
    usd: [...off, row.usd].filter((text) => text !== '').join(' '),
  };
};

const shown = (price: Price, models: string, scope: string): ShownPrice => ({
  price: price.price_id,
  models,
  for: scope,
  from: price.effective_from === null ? '' : shownTime(price.effective_from),
  to: price.effective_to === null ? '' : shownTime(price.effective_to),
  usd: [...price.rates].map(([key, rate]) => `${key}=${trimmed(decimalText(rate.base, RATE_DECIMALS))}`).join(' '),
});

const trimmed = (decimal: string): string => decimal.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');

const COLUMNS = ['price', 'models', 'for', 'from', 'to', 'usd'] as const;
/** Longer cells push what follows out of sight. */
const CELL_CHARS_MAX = 60;

const tableLines = (rows: readonly ShownPrice[]): readonly string[] => {
  const cells = [COLUMNS, ...rows.map((row) => COLUMNS.map((column) => row[column]))];
  const widths = COLUMNS.map((_, at) =>
    Math.min(CELL_CHARS_MAX, Math.max(...cells.map((row) => (row[at] ?? '').length))),
  );
  return cells.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
};

export interface UnpricedAsk {
  readonly tenant: string | null;
  /** A duration before now. */
  readonly since: string;
  readonly isJson: boolean;
}

/** `tacho price list --unpriced`. Exit 1 when a model of stored calls has no price. */
export const listUnpriced = async (world: World, ask: UnpricedAsk): Promise<number> => {
  const ms = sinceMs(ask.since);
  return withStoredData(world, async (opened) => {
    const toMs = world.clock.nowMs() + 1;
    const found = await readUnpriced(opened.store, { tenant: ask.tenant, range: { fromMs: toMs - ms, toMs } });
    if (ask.isJson) world.print(JSON.stringify(found, null, 2));
    else for (const line of unpricedLines(found)) world.print(line);
    return found.models.length > 0 ? 1 : 0;
  });
};

/** What has no price as lines for a terminal, after the share the totals cover. */
export const unpricedLines = ({ coverage, models, is_cut }: Unpriced): readonly string[] => {
  const { calls, priced_calls, cost_usd } = coverage;
  const share =
    calls === 0 ? 'no calls' : `${((100 * priced_calls) / calls).toFixed(1)} % of ${calls} calls have a price`;
  const total = cost_usd === null ? '' : `; ${trimmed(cost_usd)} USD is the cost of these alone`;
  const rows = models.map((model) => {
    const near = model.nearest.map((one) => `${one.provider === null ? '' : `${one.provider}/`}${one.model}`);
    const tokens = `${model.input_tokens ?? '?'} in, ${model.output_tokens ?? '?'} out`;
    return `  ${model.provider ?? '(provider not told)'}/${model.model ?? '(model not told)'}: ${model.calls} calls, ${tokens} tokens: ${model.reason}${near.length === 0 ? '' : `; known: ${near.join(', ')}`}`;
  });
  return [`${share}${total}`, ...rows, ...(is_cut ? ['  … and more'] : [])];
};
