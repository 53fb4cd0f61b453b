import { decimalText } from '../../../schemas/decimal.ts';
import { hash128 } from '../../../schemas/identity.ts';
import type { Row, Store } from '../../runtime/ports.ts';
import { utcMicrosText, utcMillisText } from '../utc-time.ts';
import type { FoundPriceFile, LoadedBook } from './book.ts';
import { CATALOGUE_NAME, type ListedPrice, listedPrices } from './catalogue.ts';
import { type Capacity, chargedPrice, type OwnPrice } from './own-price.ts';
import { type Price, RATE_DECIMALS } from './price.ts';

/** The tables `price_books` and `prices`: every book that priced, whole, and what each price_id stands for. */
export interface PriceBookStore {
  readonly keep: (loaded: LoadedBook, atMs: number, signal: AbortSignal) => Promise<void>;
  readonly bookOf: (
    hash: string,
    signal: AbortSignal,
  ) => Promise<{ readonly catalogue: string; readonly files: readonly FoundPriceFile[] } | null>;
  readonly hashOfBatch: (batchId: string, signal: AbortSignal) => Promise<string>;
  /** Whether bookings made by that book stand in a batch that has not ended. */
  readonly hasOpenBookings: (hash: string, signal: AbortSignal) => Promise<boolean>;
}

/** Price books in the store. All methods throw TransportError. */
export const createPriceBookStore = (store: Store): PriceBookStore => ({
  keep: async (loaded, atMs, signal) => {
    const { hash } = loaded.book;
    const loaded_at = utcMillisText(atMs);
    const [last] = await store.query<{ readonly hash: string }>(
      'SELECT argMax(price_book, loaded_at) AS hash FROM price_books',
      {},
      signal,
    );
    if (last?.hash === hash) return;
    const frame = { price_book: hash, loaded_at };
    const rows = [
      ...loaded.own.map((own) => ownRow(own, frame)),
      ...loaded.capacity.map((one) => capacityRow(one, frame)),
      ...listedPrices().map((one) => listedRow(one, frame)),
    ];
    // The book after its prices: what stands in price_books has all its prices in the other table.
    await store.insert('prices', rows, { token: `prices/${hash}/${atMs}`, signal });
    const book = { ...frame, catalogue: CATALOGUE_NAME, files: loaded.files, prices: rows.length };
    await store.insert('price_books', [book], { token: `price_books/${hash}/${atMs}`, signal });
  },
  bookOf: async (hash, signal) => {
    const [row] = await store.query<{ readonly catalogue: string; readonly files: Readonly<Record<string, string>> }>(
      'SELECT catalogue, files FROM price_books FINAL WHERE price_book = {hash:String}',
      { hash },
      signal,
    );
    if (row === undefined) return null;
    const files = Object.entries(row.files).map(([path, text]) => ({ path, text, problem: null }));
    return { catalogue: row.catalogue, files };
  },
  hashOfBatch: async (batchId, signal) => {
    const [row] = await store.query<{ readonly hash: string }>(
      `SELECT assumeNotNull(price_book) AS hash FROM ledger_entries
       WHERE batch_id = {batch:String} AND price_book IS NOT NULL LIMIT 1`,
      { batch: batchId },
      signal,
    );
    return row?.hash ?? '';
  },
  hasOpenBookings: async (hash, signal) => {
    const [row] = await store.query<{ readonly rows: string }>(
      `SELECT count() AS rows FROM ledger_entries WHERE price_book = {hash:String}
         AND batch_id NOT IN (SELECT batch_id FROM batches WHERE service = 'ledger')`,
      { hash },
      signal,
    );
    return row !== undefined && row.rows !== '0';
  },
});

interface Frame {
  readonly price_book: string;
  readonly loaded_at: string;
}

/** A discount's own row says what is off: what it comes to depends on the price it is off. */
const ownRow = (own: OwnPrice, frame: Frame): Row => {
  const { provider, models, tenant, ...selector } = own.selector;
  return {
    ...priceColumns(chargedPrice(own, null)),
    ...selector,
    provider,
    models: [...models],
    tenant_id: tenant,
    effective_from: timeText(own.from),
    effective_to: timeText(own.to),
    known_since: timeText(own.known_since),
    currency: own.currency,
    percent_off: own.share === null ? null : percentText(own.share),
    ...frame,
  };
};

/** Its units stand where a local model's figures would: both say how much of it there is. */
const capacityRow = ({ price, units }: Capacity, frame: Frame): Row => {
  const row = ownRow(price, frame);
  const price_id = `capacity:${price.id}#${hash128([String(row['price_id']), String(units), String(price.from)]).slice(0, 8)}`;
  return { ...row, price_id, source: 'capacity', local_model: JSON.stringify({ units }) };
};

const listedRow = ({ price, model }: ListedPrice, frame: Frame): Row => ({
  ...priceColumns(price),
  provider: price.provider,
  models: [model],
  tenant_id: null,
  account: null,
  region: null,
  service_tier: null,
  digest: null,
  quantisation: null,
  effective_from: timeText(price.effective_from),
  effective_to: timeText(price.effective_to),
  known_since: null,
  currency: 'USD',
  percent_off: null,
  ...frame,
});

const priceColumns = (price: Price) => ({
  price_id: price.price_id,
  source: price.source,
  rates: Object.fromEntries([...price.rates].map(([key, rate]) => [key, decimalText(rate.base, RATE_DECIMALS)])),
  long_context: Object.fromEntries(
    [...price.rates].flatMap(([key, rate]) =>
      rate.tiers.length === 0
        ? []
        : [
            [
              key,
              rate.tiers.map((tier) => `${tier.aboveInputTokens}:${decimalText(tier.usd, RATE_DECIMALS)}`).join(','),
            ],
          ],
    ),
  ),
  local_model: price.local === null ? null : JSON.stringify(price.local),
});

const timeText = (micros: number | null): string | null => (micros === null ? null : utcMicrosText(micros));

const percentText = (share: bigint): string =>
  decimalText((10n ** BigInt(RATE_DECIMALS) - share) * 100n, RATE_DECIMALS);
