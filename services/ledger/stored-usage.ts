import { TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import type { StoredUsage } from '../../schemas/stored-usage.ts';
import type { PriceBook } from './prices/price.ts';
import { type CallUsage, type Priced, priceCall } from './prices/price-call.ts';

/**
 * Prices a booked call by a book, as of a moment, µs. What the ledger does not write down does not count: the model that was
 * asked for where another answered, how long the call took, the weights of a local model. `models`: other names to price by.
 */
export const priceStored = (
  book: PriceBook,
  usage: StoredUsage,
  tsMicros: number,
  models: readonly (string | null)[] = [usage.model],
): Priced =>
  priceCall(book, {
    tenant: usage.tenant_id,
    account: usage.account,
    provider: usage.provider,
    models,
    tsMicros,
    region: usage.region,
    tier: usage.service_tier,
    usage: usageOf(usage),
  });

/** A sum over calls nobody told one by one has no prompt size. */
const usageOf = (usage: StoredUsage): CallUsage => ({
  tokens: usage,
  quantities: usage.quantities,
  calls: usage.calls,
  isAggregate: usage.calls > 1 || usage.untold.includes('calls'),
  hasUsage: TOKEN_COLUMNS.some((column) => usage[column] !== null) || Object.keys(usage.quantities).length > 0,
  outcome: usage.outcome,
  untold: usage.untold,
});
