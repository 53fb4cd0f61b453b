/** A budget as its file states it. Amounts are USD × 10^12. */
export interface Budget {
  readonly id: string;
  readonly title: string;
  /** What it is about; a part left out means all. Without tenant it spans tenants. */
  readonly scope: {
    readonly tenant?: string | undefined;
    readonly agent?: string | undefined;
    readonly workflow?: string | undefined;
    readonly service?: string | undefined;
  };
  readonly period: 'day' | 'month';
  /** IANA name: its midnight begins a day. */
  readonly timezone: string;
  readonly limit: bigint;
  /** Shares of the limit that alert, ascending, 1 = all of it. */
  readonly thresholds: readonly number[];
  /** What a call of unknown cost counts as: unknown is never zero. */
  readonly unknownCallCeiling: bigint;
}

/** A budget's stretch of time, [startMs, endMs), milliseconds since 1970. */
export interface Period {
  readonly startMs: number;
  readonly endMs: number;
}

/** What the ledger says of a budget's scope in a period: signed sums, so it is right at any moment. */
export interface Spend {
  readonly spent: bigint;
  readonly calls: number;
  /** Calls without a cost: no usage, no price, or failed without a word. */
  readonly unknownCalls: number;
}
