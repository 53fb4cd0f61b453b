import type { StoredUsage } from '../../schemas/stored-usage.ts';
import { COST_DECIMALS, parseScaled } from '../ledger/money.ts';
import type { PriceBook } from '../ledger/prices/price.ts';
import { priceStored } from '../ledger/stored-usage.ts';
import { TOLD_TOKENS, type ToldTokens } from './price-reconcile-map.ts';
import type { Billed, Invoice } from './price-reconcile-read.ts';

/** What the ledger has for one day, model and account. */
export interface Booked {
  readonly provider: string | null;
  readonly calls: number;
  readonly unpriced_calls: number;
  readonly tokens: Readonly<Record<ToldTokens, number>>;
  /** Scaled by 10^12. */
  readonly cost: bigint;
}

/**
 * Why an amount differs. capture: calls or tokens one side has and the other lacks. price: the same tokens at another
 * price. rounding: the export's own decimals. undecided: it does not tell enough to say which.
 */
export const CAUSES = ['capture', 'price', 'rounding', 'undecided'] as const;
export type Cause = (typeof CAUSES)[number];

/** One difference: export minus ledger, so that a plus is what the ledger lacks. */
export interface Gap {
  readonly cause: Cause;
  /** By `keyOf`. */
  readonly key: string;
  /** Scaled by 10^12. null: known in tokens only. */
  readonly usd: bigint | null;
  readonly calls: number | null;
  readonly tokens: Partial<Readonly<Record<ToldTokens, number>>>;
  readonly note: string;
}

/** The two sides and what lies between them; `invoice - ledger` is the sum of all gaps that have an amount. */
export interface Reconciled {
  /** null: the export tells usage and no amounts. */
  readonly invoice: bigint | null;
  readonly ledger: bigint;
  readonly gaps: readonly Gap[];
}

const ZERO_TOKENS = Object.fromEntries(TOLD_TOKENS.map((name) => [name, 0])) as Readonly<Record<ToldTokens, number>>;
const NOTHING: Booked = { provider: null, calls: 0, unpriced_calls: 0, tokens: ZERO_TOKENS, cost: 0n };

/** Names every difference by its cause. Pure; gaps by day, model and account. */
export const reconcile = (
  invoice: Invoice,
  ledger: ReadonlyMap<string, Booked>,
  prices: PriceBook,
  of: { readonly tenant: string | null; readonly provider: string | null },
): Reconciled => {
  const keys = [...new Set([...invoice.groups.keys(), ...ledger.keys()])].sort();
  const gaps = keys.flatMap((key) => {
    const billed = invoice.groups.get(key);
    const booked = ledger.get(key);
    if (billed === undefined) return onlyBooked(key, booked ?? NOTHING);
    const price = (tokens: Partial<Record<ToldTokens, number>>, calls: number): bigint | null =>
      priceOf(prices, key, tokens, calls, { ...of, provider: booked?.provider ?? of.provider });
    return gapsOf(key, billed, booked ?? NOTHING, toleranceOf(billed, invoice.places), price);
  });
  return {
    invoice: [...invoice.groups.values()].reduce<bigint | null>(
      (sum, { cost }) => (cost === null ? sum : (sum ?? 0n) + cost),
      null,
    ),
    ledger: [...ledger.values()].reduce((sum, { cost }) => sum + cost, 0n),
    gaps,
  };
};

const onlyBooked = (key: string, { calls, cost, tokens }: Booked): readonly Gap[] =>
  calls === 0 && cost === 0n
    ? []
    : [{ cause: 'capture', key, usd: -cost, calls: -calls, tokens: turned(tokens), note: 'the export has none of it' }];

const turned = (tokens: Booked['tokens']): Gap['tokens'] =>
  Object.fromEntries(TOLD_TOKENS.filter((name) => tokens[name] !== 0).map((name) => [name, -tokens[name]]));

/** Half of the last decimal the export writes, for each of its lines. */
const toleranceOf = ({ lines }: Billed, places: number): bigint =>
  (BigInt(lines) * 10n ** BigInt(Math.max(0, COST_DECIMALS - places))) / 2n + 1n;

type Price = (tokens: Partial<Record<ToldTokens, number>>, calls: number) => bigint | null;

const gapsOf = (key: string, billed: Billed, booked: Booked, tolerance: bigint, price: Price): readonly Gap[] => {
  const tokens = tokenGap(billed, booked);
  const calls = billed.calls === null ? null : billed.calls - booked.calls;
  const isUsageTold = Object.values(billed.tokens).some((figure) => figure !== null);
  const isMissing = booked.calls === 0;
  const areSame = Object.keys(tokens).length === 0 && (calls ?? 0) === 0;
  const difference = billed.cost === null ? null : billed.cost - booked.cost;
  const gap = (cause: Cause, usd: bigint | null, note = ''): Gap => ({ cause, key, usd, calls, tokens, note });
  if (isMissing) return [gap('capture', difference ?? gapCost(tokens, calls, price), 'the ledger has none of it')];
  if (areSame)
    return difference === null ? [] : sameUsage(difference, tolerance, booked, isUsageTold || calls !== null, gap);
  const lacking = isUsageTold ? gapCost(tokens, calls, price) : null;
  if (difference === null) return [gap('capture', lacking, lacking === null ? 'no price here for these tokens' : '')];
  if (lacking === null) return [gap('undecided', difference, 'usage differs, and what differs has no price here')];
  return [gap('capture', lacking), ...sameUsage(difference - lacking, tolerance, booked, true, bare(gap))];
};

/** The rest of a group whose usage gap stands in a line of its own. */
const bare =
  (gap: (cause: Cause, usd: bigint | null, note?: string) => Gap) =>
  (cause: Cause, usd: bigint | null, note = ''): Gap => ({ ...gap(cause, usd, note), calls: null, tokens: {} });

const sameUsage = (
  difference: bigint,
  tolerance: bigint,
  { unpriced_calls }: Booked,
  isUsageTold: boolean,
  gap: (cause: Cause, usd: bigint | null, note?: string) => Gap,
): readonly Gap[] => {
  if (difference === 0n) return [];
  if (difference <= tolerance && -difference <= tolerance) return [gap('rounding', difference)];
  if (!isUsageTold) return [gap('undecided', difference, 'the export tells neither calls nor tokens')];
  const note = unpriced_calls === 0 ? '' : `${unpriced_calls} calls have no price in the ledger`;
  return [gap('price', difference, note)];
};

const tokenGap = (billed: Billed, booked: Booked): Gap['tokens'] =>
  Object.fromEntries(
    TOLD_TOKENS.flatMap((name) => {
      const told = billed.tokens[name];
      const gap = told === null ? 0 : told - booked.tokens[name];
      return gap === 0 ? [] : [[name, gap]];
    }),
  );

/** What the missing tokens cost, less what those too many do: at the listed rate, for no prompt size is known of them. */
const gapCost = (tokens: Gap['tokens'], calls: number | null, price: Price): bigint | null => {
  const side = (sign: 1 | -1): bigint | null => {
    const own = Object.entries(tokens).flatMap(([name, figure]) => (figure * sign > 0 ? [[name, figure * sign]] : []));
    const count = Math.max(0, (calls ?? 0) * sign);
    return own.length === 0 && count === 0 ? 0n : price(Object.fromEntries(own), count);
  };
  const [lacking, extra] = [side(1), side(-1)];
  return lacking === null || extra === null ? null : lacking - extra;
};

const NOON_MICROS = 12 * 3_600_000_000;

const priceOf = (
  prices: PriceBook,
  key: string,
  tokens: Partial<Record<ToldTokens, number>>,
  calls: number,
  of: { readonly tenant: string | null; readonly provider: string | null },
): bigint | null => {
  const [day, model, account] = JSON.parse(key) as readonly [string, string, string | null];
  const usage: StoredUsage = {
    ...{ tenant_id: of.tenant ?? '', account, provider: of.provider, model, region: null, service_tier: null },
    ...{ outcome: 'ok', calls, quantities: {}, untold: ['calls'] },
    ...{ reasoning_tokens: null, audio_input_tokens: null, audio_output_tokens: null },
    ...(Object.fromEntries(TOLD_TOKENS.map((name) => [name, tokens[name] ?? 0])) as Record<ToldTokens, number>),
  };
  const { cost_usd } = priceStored(prices, usage, Date.parse(day) * 1000 + NOON_MICROS);
  return cost_usd === null ? null : parseScaled(cost_usd, COST_DECIMALS);
};
