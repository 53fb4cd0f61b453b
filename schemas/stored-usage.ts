import type { TokenBuckets } from './ledger-entry.ts';

/** What a booked call says of itself as far as its price goes, read back from `ledger_entries`. */
export interface StoredUsage extends TokenBuckets {
  readonly tenant_id: string;
  readonly account: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly region: string | null;
  readonly service_tier: string | null;
  readonly outcome: 'ok' | 'failed';
  /** 1, or the number an aggregate stands for. */
  readonly calls: number;
  readonly quantities: Readonly<Record<string, number>>;
  /** Details the emitter did not tell, without what prices said. */
  readonly untold: readonly string[];
}

/** What such a call costs by a book. */
export interface StoredPrice {
  /** Decimal text, 12 places, USD; null: not known, `unpriced_reason` says why. */
  readonly cost_usd: string | null;
  readonly price_id: string | null;
  readonly unpriced_reason: string | null;
}
