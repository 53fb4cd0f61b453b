import type { LedgerEntry, TokenColumn } from '../../schemas/ledger-entry.ts';
import { sumCosts } from '../ledger/money.ts';

const FIGURES: readonly (readonly [title: string, columns: readonly TokenColumn[]])[] = [
  ['input', ['input_tokens']],
  ['cache read', ['cache_read_tokens']],
  ['cache write', ['cache_write_tokens', 'cache_write_1h_tokens']],
  ['output', ['output_tokens']],
  ['reasoning', ['reasoning_tokens']],
  ['audio', ['audio_input_tokens', 'audio_output_tokens']],
];
const UNKNOWN = '–';

/**
 * What entries add up to by family and model, as lines of a table: a family that reads a call no more stands with a
 * minus. A figure nobody told is `–`. [] without entries.
 */
export const differenceLines = (entries: readonly LedgerEntry[]): readonly string[] => {
  if (entries.length === 0) return [];
  const groups = Map.groupBy(entries, ({ family, model }) => JSON.stringify([family, model ?? '(no model)']));
  const rows = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, list]) => [...(JSON.parse(key) as readonly string[]), ...figuresOf(list)]);
  const head = ['family', 'model', 'calls', ...FIGURES.map(([title]) => title), 'cost USD'];
  return table([head, ...rows, ['all', '', ...figuresOf(entries)]]);
};

const figuresOf = (entries: readonly LedgerEntry[]): readonly string[] => [
  signed(BigInt(entries.reduce((sum, { calls }) => sum + calls, 0))),
  ...FIGURES.map(([, columns]) => {
    const told = entries.flatMap((entry) => columns.map((column) => entry[column])).filter((figure) => figure !== null);
    return told.length === 0 ? UNKNOWN : signed(BigInt(told.reduce((sum, figure) => sum + figure, 0)));
  }),
  costOf(entries),
];

const costOf = (entries: readonly LedgerEntry[]): string => {
  const told = entries.flatMap(({ cost_usd }) => (cost_usd === null ? [] : [cost_usd]));
  if (told.length === 0) return UNKNOWN;
  const sum = sumCosts(told).replace(/\.?0+$/, '');
  return sum === '0' || sum.startsWith('-') ? sum : `+${sum}`;
};

const signed = (figure: bigint): string => `${figure > 0n ? '+' : ''}${figure}`;

/** The first two columns to the left, figures to the right. */
const table = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = (rows[0] ?? []).map((_title, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
};
