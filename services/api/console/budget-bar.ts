import { parseDecimal } from '../decimal.ts';
import type { BudgetPeriodRow } from '../queries/budgets.ts';
import { percent } from './format.ts';
import { type Html, html } from './html.ts';

/** The pattern of the unknown part; once a page. */
export const hatchPattern: Html = html`<svg class="defs" aria-hidden="true"><defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" class="hatch-ground"/><rect width="2.5" height="6" class="hatch-line"/></pattern></defs></svg>`;

/** Shares of the limit, for drawing and words: doubles are exact enough for pixels. */
export interface BudgetShares {
  readonly spent: number;
  readonly unknown: number;
  readonly forecast: number | null;
}

const PARTS = 1_000_000n;

/** What part of the limit `text` (USD) is; 0 where there is no limit to compare with. */
const shareOf = (text: string, limit: bigint): number =>
  limit <= 0n ? 0 : Number(((parseDecimal(text) ?? 0n) * PARTS) / limit) / Number(PARTS);

/** The shares of a period; null when its limit is none. */
export const budgetShares = (row: BudgetPeriodRow, forecastUsd: string | null): BudgetShares | null => {
  const limit = parseDecimal(row.limit_usd);
  if (limit === null || limit <= 0n) return null;
  return {
    spent: Math.max(0, shareOf(row.spent_usd, limit)),
    unknown: Math.max(0, shareOf(row.unknown_ceiling_usd, limit)),
    forecast: forecastUsd === null ? null : shareOf(forecastUsd, limit),
  };
};

/** A forecast far beyond the limit would squeeze what is spent into a line: the scale ends here. */
const SCALE_MAX = 2.5;

/** Spent, then the unknown part hatched, then the forecast as an outline; thresholds and the limit as marks. */
export const budgetBar = (row: BudgetPeriodRow, shares: BudgetShares): Html => {
  const counted = shares.spent + shares.unknown;
  const scale = Math.min(SCALE_MAX, Math.max(1, counted, shares.forecast ?? 0)) * 1.04;
  const x = (share: number): string => `${((100 * Math.min(share, scale)) / scale).toFixed(2)}%`;
  const width = (from: number, to: number): string =>
    `${((100 * Math.max(0, Math.min(to, scale) - Math.min(from, scale))) / scale).toFixed(2)}%`;
  const tone = counted >= 1 ? 'over' : counted >= 0.8 ? 'near' : 'fine';
  const forecast = shares.forecast !== null && shares.forecast > counted ? shares.forecast : null;
  const marks = [...new Set([...row.thresholds.filter((level) => level > 0 && level < scale), 1])].sort(
    (a, b) => a - b,
  );
  return html`<svg class="budget-bar ${tone}" role="img" aria-label="${percent(counted, 1)} of the limit counted, ${percent(shares.unknown, 1)} of it unknown">
<rect class="ground" x="0" y="6" width="${x(1)}" height="18" rx="3"/>
${forecast !== null && html`<rect class="forecast" x="${x(counted)}" y="9" width="${width(counted, forecast)}" height="12" rx="2"><title>Forecast: ${percent(forecast, 1)} of the limit</title></rect>`}
<rect class="spent" x="0" y="6" width="${width(0, shares.spent)}" height="18" rx="3"><title>Known: ${percent(shares.spent, 1)}</title></rect>
${shares.unknown > 0 && html`<rect class="unknown" x="${x(shares.spent)}" y="6" width="${width(shares.spent, counted)}" height="18"><title>Unknown, at most: ${percent(shares.unknown, 1)}</title></rect>`}
${marks.map((level) => mark(row, level, x(level), isNamed(level, marks, scale)))}
</svg>`;
};

/** Share of the width that a label needs on a phone. */
const LABEL_WIDTH = 0.12;

/** The limit has its label always; a threshold when nothing stands in its way. */
const isNamed = (level: number, marks: readonly number[], scale: number): boolean =>
  level === 1 || marks.every((other) => other <= level || (other - level) / scale >= LABEL_WIDTH);

const mark = (row: BudgetPeriodRow, level: number, x: string, isLabelled: boolean): Html => {
  const isReached = row.reached.includes(level);
  const [top, bottom] = level === 1 ? [1, 29] : [4, 26];
  const tick = isReached ? 'tick reached' : 'tick';
  return html`<line class="${level === 1 ? 'limit' : tick}" x1="${x}" x2="${x}" y1="${top}" y2="${bottom}"><title>${percent(level, 1)}${isReached && ', reached'}</title></line>${isLabelled && html`<text x="${x}" y="41" class="${isReached && 'reached'}">${percent(level, 1)}</text>`}`;
};
