import { COST_DECIMALS, parseScaled } from '../ledger/money.ts';
import { ConfigError } from '../runtime/errors.ts';
import { type CsvRow, readCsv } from './price-reconcile-csv.ts';
import { type Mapping, TOLD_TOKENS, type ToldTokens } from './price-reconcile-map.ts';

/** Sums of an export for one day, model and account; null: the export does not tell. */
export interface Billed {
  readonly calls: number | null;
  readonly tokens: Readonly<Record<ToldTokens, number | null>>;
  /** Scaled by 10^12. */
  readonly cost: bigint | null;
  readonly lines: number;
}

/** An export as it was read. */
export interface Invoice {
  /** By `keyOf`. */
  readonly groups: ReadonlyMap<string, Billed>;
  readonly days: { readonly first: string; readonly last: string } | null;
  /** Most decimals any amount has: what is rounded away of a line is half of the last of them at most. */
  readonly places: number;
}

/** One key for (day, model, account); the account null where the export does not tell any. */
export const keyOf = (day: string, model: string, account: string | null): string =>
  JSON.stringify([day, model, account]);

/** Figures of one line. A trillion tokens, calls or dollars in a line are a mistake. */
const FIGURE_MAX = 1_000_000_000_000;
const PROBLEMS_MAX = 20;

/** Reads an export: CSV, or JSON pages of a usage API. Throws ConfigError with what is wrong, each with its line. */
export const readInvoice = (file: string, text: string, mapping: Mapping): Invoice => {
  const rows = /^\s*[[{]/.test(text) ? jsonRows(file, text) : csvRows(file, text, mapping);
  const problems: { readonly key: string; readonly value: string; readonly allowed: string }[] = [];
  const groups = new Map<string, Billed>();
  const days: string[] = [];
  let places = 0;
  for (const row of rows) {
    const read = readRow(row, mapping);
    if (typeof read === 'string') {
      if (problems.length < PROBLEMS_MAX)
        problems.push({ key: `${file}:${row.line}`, value: read, allowed: 'as the mapping says' });
      continue;
    }
    days.push(read.day);
    places = Math.max(places, read.places);
    groups.set(read.key, sumOf(groups.get(read.key), read.billed));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  days.sort();
  const [first, last] = [days[0], days.at(-1)];
  return { groups, days: first === undefined || last === undefined ? null : { first, last }, places };
};

const csvRows = (file: string, text: string, { columns }: Mapping): readonly CsvRow[] => {
  const read = readCsv(text);
  if (read.kind === 'wrong')
    throw new ConfigError([{ key: `${file}:${read.line}`, value: read.problem, allowed: 'CSV (RFC 4180)' }]);
  const missing = Object.values(columns).filter((name) => name !== undefined && !read.columns.includes(name));
  if (missing.length > 0)
    throw new ConfigError([
      { key: `${file}:1`, value: `no column ${missing.join(', ')}`, allowed: read.columns.join(', ') },
    ]);
  return read.rows;
};

/** Buckets of time with their results, in one document or one a line; every result gets its bucket's own fields. */
const jsonRows = (file: string, text: string): readonly CsvRow[] => {
  const documents = parsedDocuments(file, text);
  const rows: CsvRow[] = [];
  for (const { line, value } of documents) {
    for (const bucket of listIn(value, 'data')) {
      for (const result of listIn(bucket, 'results')) {
        const told = { ...fieldsOf(bucket), ...fieldsOf(result) };
        const cells = Object.entries(told).flatMap(([name, cell]) =>
          cell === null || typeof cell === 'object' ? [] : [[name, String(cell)] as const],
        );
        rows.push({ line, cells: new Map(cells) });
      }
    }
  }
  return rows;
};

const parsedDocuments = (file: string, text: string) => {
  const parse = (part: string, line: number) => {
    try {
      return { line, value: JSON.parse(part) as unknown };
    } catch {
      throw new ConfigError([{ key: `${file}:${line}`, value: 'no JSON', allowed: 'one document, or one a line' }]);
    }
  };
  const lines = text.split('\n').flatMap((part, at) => (part.trim() === '' ? [] : [{ part, line: at + 1 }]));
  const isOneALine =
    lines.length > 1 && lines.every(({ part }) => part.trim().startsWith('{') && part.trim().endsWith('}'));
  return isOneALine ? lines.map(({ part, line }) => parse(part, line)) : [parse(text, 1)];
};

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {};

const listIn = (value: unknown, field: string): readonly unknown[] => {
  const list = fieldsOf(value)[field];
  return Array.isArray(list) ? list : [];
};

// -------------------------------------------------------------------------- rows

interface ReadRow {
  readonly key: string;
  readonly day: string;
  readonly places: number;
  readonly billed: Billed;
}

type Cells = (name: string | undefined) => string | null;

/** What a row says, or what is wrong with it. */
const readRow = ({ cells }: CsvRow, mapping: Mapping): ReadRow | string => {
  const { columns, models, accounts } = mapping;
  const cell: Cells = (name) => (name === undefined ? null : (cells.get(name) ?? ''));
  const dayText = cell(columns.day) ?? '';
  const day = dayOf(dayText);
  if (day === null) return `no day: ${dayText.slice(0, 40)}`;
  const told = cell(columns.model) ?? '';
  const toldAccount = cell(columns.account);
  const account = toldAccount === null ? null : (accounts.get(toldAccount) ?? toldAccount);
  const figures = figuresOf(cell, mapping);
  if (typeof figures === 'string') return figures;
  const text = (cell(columns.cost_usd) ?? '').replace(/^\$/, '');
  const cost = text === '' ? null : parseScaled(text, COST_DECIMALS);
  if (text !== '' && cost === null) return `${columns.cost_usd} is no amount: ${text.slice(0, 40)}`;
  return {
    key: keyOf(day, models.get(told) ?? told, account),
    day,
    places: text.split('.')[1]?.length ?? 0,
    billed: { ...figures, cost, lines: 1 },
  };
};

const figuresOf = (cell: Cells, mapping: Mapping): Pick<Billed, 'calls' | 'tokens'> | string => {
  const figures = new Map<string, number | null>();
  for (const name of ['calls', ...TOLD_TOKENS] as const) {
    const column = mapping.columns[name];
    const figure = figureOf(cell(column));
    if (figure === undefined) return `${column} is no whole number: ${(cell(column) ?? '').slice(0, 40)}`;
    figures.set(name, figure);
  }
  const tokens = uncached(figures, mapping);
  return tokens === null ? 'more cached input than input' : { calls: figures.get('calls') ?? null, tokens };
};

/** `YYYY-MM-DD`, a moment of ISO 8601, or seconds since 1970; the day in UTC. */
const dayOf = (text: string): string | null => {
  const ms = /^\d{9,11}$/.test(text)
    ? Number(text) * 1000
    : /^\d{4}-\d{2}-\d{2}/.test(text)
      ? Date.parse(text)
      : Number.NaN;
  return Number.isNaN(ms) ? null : new Date(ms).toISOString().slice(0, 10);
};

/** null: not told; undefined: no figure. */
const figureOf = (text: string | null): number | null | undefined => {
  if (text === null || text === '') return null;
  const value = /^\d{1,15}(\.0+)?$/.test(text) ? Number(text) : Number.NaN;
  return value >= 0 && value <= FIGURE_MAX ? value : undefined;
};

const uncached = (
  figures: ReadonlyMap<string, number | null>,
  { input_includes_cache }: Mapping,
): Billed['tokens'] | null => {
  const tokens = Object.fromEntries(TOLD_TOKENS.map((name) => [name, figures.get(name) ?? null])) as Record<
    ToldTokens,
    number | null
  >;
  if (!input_includes_cache || tokens.input_tokens === null) return tokens;
  const cached = CACHE.reduce((sum, name) => sum + (tokens[name] ?? 0), 0);
  return cached > tokens.input_tokens ? null : { ...tokens, input_tokens: tokens.input_tokens - cached };
};

/** Buckets of cached input. */
export const CACHE: readonly ToldTokens[] = ['cache_read_tokens', 'cache_write_tokens', 'cache_write_1h_tokens'];

const sumOf = (a: Billed | undefined, b: Billed): Billed => {
  if (a === undefined) return b;
  const add = <T extends number | bigint>(x: T | null, y: T | null, sum: (x: T, y: T) => T): T | null =>
    x === null ? y : y === null ? x : sum(x, y);
  const plus = (x: number, y: number): number => x + y;
  const tokens = TOLD_TOKENS.map((name) => [name, add(a.tokens[name], b.tokens[name], plus)] as const);
  return {
    calls: add(a.calls, b.calls, plus),
    tokens: Object.fromEntries(tokens) as Billed['tokens'],
    cost: add(a.cost, b.cost, (x, y) => x + y),
    lines: a.lines + b.lines,
  };
};
