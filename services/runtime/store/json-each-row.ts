import type { Row } from '../ports.ts';

/** FORMAT of our inserts and what it needs said; the only file that knows how rows become bytes. */
export const INSERT_FORMAT = 'JSONEachRow';

/** Settings that make the parser strict and the same on every server. */
export const INSERT_FORMAT_SETTINGS = {
  input_format_skip_unknown_fields: 0,
  input_format_null_as_default: 0,
  input_format_defaults_for_omitted_fields: 1,
  input_format_json_read_bools_as_numbers: 1,
  input_format_json_throw_on_bad_escape_sequence: 1,
  date_time_input_format: 'best_effort',
} as const;

/**
 * One line a row. Bigints become decimal strings; lone surrogates, which no UTF-8 can hold, become U+FFFD. The same rows
 * always give the same bytes.
 */
export const encodeRows = (rows: readonly Row[]): Buffer => Buffer.from(`${rows.map(encodeRow).join('\n')}\n`);

/** What JSON.stringify writes for a lone surrogate, or for text that happens to look like one. */
const SUSPECT = /\\ud[89ab][0-9a-f]{2}|\\ud[c-f][0-9a-f]{2}/;

const encodeRow = (row: Row): string => {
  const line = JSON.stringify(row, bigintAsText);
  return SUSPECT.test(line) ? JSON.stringify(wellFormed(row), bigintAsText) : line;
};

const bigintAsText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);

const wellFormed = (value: unknown): unknown => {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toWellFormed(), wellFormed(inner)]));
};
