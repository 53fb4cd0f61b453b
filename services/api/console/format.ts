import { isoOf, parseIso } from '../time.ts';
import { type Fragment, type Html, html } from './html.ts';

/** How figures read. Display only: sums and prices are decimals in the store, never computed here. */

const NARROW = ' ';

/** `$12.40`; below a dollar with two significant digits (`$0.018`, `$0.0042`); `$1,234` from a thousand on. null: 'unknown'. */
export const money = (usd: string | null): string => {
  if (usd === null) return 'unknown';
  const value = Number(usd);
  const size = Math.abs(value);
  if (size === 0) return '$0.00';
  const sign = value < 0 ? '−' : '';
  if (size < 0.000_000_1) return `${sign}<$0.0000001`;
  if (size < 1) return `${sign}$${size.toFixed(Math.max(2, Math.min(8, 1 - Math.floor(Math.log10(size)))))}`;
  const digits = size >= 1000 ? 0 : 2;
  return `${sign}$${size.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
};

/** Below this a cost says nothing in a column; the whole figure stands in its title. */
const CELL_USD_MIN = 0.0001;

/** Money for a column of a table: as `money`, but tiny sums as `<$0.0001`, whole on hover. */
export const moneyCell = (usd: string | null): Fragment => {
  const size = usd === null ? 0 : Math.abs(Number(usd));
  return size > 0 && size < CELL_USD_MIN ? html`<span title="${money(usd)}">&lt;$0.0001</span>` : money(usd);
};

/** `940`, `12.4k`, `3.1M`. null: an en dash, for "not told" is not zero. */
export const compact = (value: number | null): string => {
  if (value === null) return '–';
  const size = Math.abs(value);
  if (size < 10_000) return value.toLocaleString('en-US');
  if (size < 1_000_000) return `${(value / 1000).toFixed(size < 100_000 ? 1 : 0)}k`;
  if (size < 1_000_000_000) return `${(value / 1_000_000).toFixed(size < 100_000_000 ? 1 : 0)}M`;
  return `${(value / 1_000_000_000).toFixed(1)}G`;
};

/** `1,204 runs`, `1 run`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;

/** `340 ms`, `2.4 s`, `3 min 12 s`, `5 h 2 min`, `3 d 4 h`. */
export const duration = (ms: number): string => {
  if (ms < 1) return ms <= 0 ? `0${NARROW}ms` : `<1${NARROW}ms`;
  if (ms < 1000) return `${Math.round(ms)}${NARROW}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)}${NARROW}s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}${NARROW}min ${seconds % 60}${NARROW}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}${NARROW}h ${minutes % 60}${NARROW}min`;
  return `${Math.floor(minutes / 1440)}${NARROW}d ${Math.floor(minutes / 60) % 24}${NARROW}h`;
};

/** How long something has been so, for people: as `duration`, without parts of a second. */
export const age = (ms: number): string =>
  ms < 60_000 ? `${Math.floor(Math.max(0, ms) / 1000)}${NARROW}s` : duration(ms);

/** `97 %`; never rounded up to 100 % nor down to 0 % while it is neither. */
export const percent = (part: number, whole: number): string => {
  if (whole === 0) return '–';
  const share = (100 * part) / whole;
  if (share > 99 && share < 100) return `>99${NARROW}%`;
  if (share > 0 && share < 1) return `<1${NARROW}%`;
  return `${Math.round(share)}${NARROW}%`;
};

const ago = (ms: number): string => {
  if (ms < 0) return -ms < 60_000 ? 'just now' : `in ${duration(-ms)}`;
  if (ms < 5000) return 'just now';
  if (ms < 60_000) return `${Math.floor(ms / 1000)}${NARROW}s ago`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}${NARROW}min ago`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)}${NARROW}h ago`;
  return `${Math.floor(ms / 86_400_000)}${NARROW}d ago`;
};

/** Milliseconds of a moment as the store gives it; 0 for one it cannot have given. */
export const msOf = (iso: string): number => parseIso(iso) ?? 0;

/** `3 min ago`, with the whole moment and its zone on hover and for assistive technology. */
export const when = (iso: string, nowMs: number): Html => {
  const ms = msOf(iso);
  const absolute = `${isoOf(ms).slice(0, 19).replace('T', ' ')} UTC`;
  return html`<time datetime="${isoOf(ms)}" title="${absolute}">${ago(nowMs - ms)}</time>`;
};

/** The start of an id, copied whole by a click (or Enter) on it. */
export const shortId = (id: string, length = 8): Html =>
  html`<button type="button" class="id" data-copy="${id}" title="${id}: click to copy">${id.length > length + 2 ? `${id.slice(0, length)}…` : id}</button>`;
