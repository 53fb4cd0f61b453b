import type { CallBooking } from '../../schemas/ledger-entry.ts';
import { COST_DECIMALS, formatCost, parseScaled } from '../ledger/money.ts';
import type { Priced } from '../ledger/prices/price-call.ts';

/** What changes of the calls of one model on one day. */
interface Change {
  calls: number;
  before: bigint;
  after: bigint;
  newlyPriced: number;
  noLonger: number;
}

/** What pricing anew changes, by day (UTC) and model. Bounded by days times models of the range. */
export interface PriceDifference {
  readonly add: (booking: CallBooking, wanted: Priced) => void;
  /** Calls with another price. */
  readonly calls: () => number;
  /** A table with a line of sums; [] when nothing changes. */
  readonly lines: () => readonly string[];
}

/** An empty difference. */
export const createPriceDifference = (): PriceDifference => {
  const groups = new Map<string, Change>();
  const all = noChange();
  return {
    add: (booking, wanted) => {
      const key = `${booking.ts.slice(0, 10)}\t${booking.model ?? '(no model)'}`;
      const group = groups.get(key) ?? noChange();
      groups.set(key, group);
      for (const change of [group, all]) addCall(change, booking, wanted);
    },
    calls: () => all.calls,
    lines: () => {
      if (groups.size === 0) return [];
      const rows = [...groups]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, change]) => [...key.split('\t'), ...cellsOf(change)]);
      return table([HEAD, ...rows, ['all', '', ...cellsOf(all)]]);
    },
  };
};

const HEAD = ['day', 'model', 'calls', 'old USD', 'new USD', 'difference', 'newly priced', 'no longer priced'];

const noChange = (): Change => ({ calls: 0, before: 0n, after: 0n, newlyPriced: 0, noLonger: 0 });

const addCall = (change: Change, booking: CallBooking, wanted: Priced): void => {
  change.calls += booking.calls;
  change.before += scaled(booking.cost_usd);
  change.after += scaled(wanted.cost_usd);
  if (booking.cost_usd === null && wanted.cost_usd !== null) change.newlyPriced += booking.calls;
  if (booking.cost_usd !== null && wanted.cost_usd === null) change.noLonger += booking.calls;
};

const scaled = (cost: string | null): bigint => (cost === null ? 0n : (parseScaled(cost, COST_DECIMALS) ?? 0n));

const cellsOf = ({ calls, before, after, newlyPriced, noLonger }: Change): readonly string[] => [
  String(calls),
  shortUsd(before),
  shortUsd(after),
  `${after > before ? '+' : ''}${shortUsd(after - before)}`,
  String(newlyPriced),
  String(noLonger),
];

/** An amount scaled by 10^12 as text without the zeros at its end. */
export const shortUsd = (amount: bigint): string => formatCost(amount).replace(/\.?0+$/, '');

/** The first two columns to the left, figures to the right. */
export const table = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = (rows[0] ?? []).map((_title, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
};
