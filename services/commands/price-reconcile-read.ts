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
    if ([...mapping.only].some(([column, values]) => !values.includes(row.cells.get(column) ?? ''))) continue;
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

const csvRows = (file: string, text: string, { columns, only }: Mapping): readonly CsvRow[] => {
  const read = readCsv(text);
  if (read.kind === 'wrong')
    throw new ConfigError([{ key: `${file}:${read.line}`, value: read.problem, allowed: 'CSV (RFC 4180)' }]);
  const asked = [...Object.values(columns), ...only.keys()];
  const missing = asked.filter((name) => name !== undefined && !read.columns.includes(name));
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
        rows.push({ line, cells: new Map(cellsOf({ ...fieldsOf(bucket), ...fieldsOf(result) })) });
      }
    }
  }
  return rows;
};

/** Fields with a value; those of an object within are called `outer.inner`. */
const cellsOf = (told: Readonly<Record<string, unknown>>): readonly (readonly [string, string])[] =>
  Object.entries(told).flatMap(([name, cell]) => {
    if (cell === null || Array.isArray(cell)) return [];
    if (typeof cell !== 'object') return [[name, String(cell)] as const];
    return Object.entries(fieldsOf(cell)).flatMap(([inner, value]) =>
      value === null || typeof value === 'object' ? [] : [[`${name}.${inner}`, String(value)] as const],
    );
  });

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
  const told = modelOf(cell(columns.model) ?? '', mapping);
  const toldAccount = cell(columns.account);
  const account = toldAccount === null ? null : (accounts.get(toldAccount) ?? toldAccount);
  const figures = figuresOf(cell, mapping);
  if (typeof figures === 'string') return figures;
  const amount = amountOf(cell, mapping);
  if (typeof amount === 'string') return amount;
  return {
    key: keyOf(day, models.get(told) ?? told, account),
    day,
    places: amount.places,
    billed: { ...figures, cost: amount.cost, lines: 1 },
  };
};

const modelOf = (told: string, { model_ends_at }: Mapping): string =>
  model_ends_at === null ? told : (told.split(model_ends_at)[0] ?? told);

const CENT_PLACES = 2;

/** The amount of a row and how many decimals of a dollar it has, or what is wrong with it. */
const amountOf = (
  cell: Cells,
  { columns, amounts_in }: Mapping,
): { readonly cost: bigint | null; readonly places: number } | string => {
  const text = (cell(columns.cost_usd) ?? '').replace(/^\$/, '');
  if (text === '') return { cost: null, places: 0 };
  const currency = cell(columns.currency) ?? '';
  if (currency !== '' && currency.toUpperCase() !== 'USD')
    return `${columns.currency} is not USD: ${currency.slice(0, 10)}`;
  const shift = amounts_in === 'cents' ? CENT_PLACES : 0;
  const cost = parseScaled(text, COST_DECIMALS - shift);
  if (cost === null) return `${columns.cost_usd} is no amount: ${text.slice(0, 40)}`;
  const [digits = '', exponent = '0'] = text.toLowerCase().split('e');
  const places = (digits.split('.')[1]?.length ?? 0) - Number(exponent) + shift;
  return { cost, places: Math.max(0, Math.min(COST_DECIMALS, places)) };
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

/** Two groups of an export as one. */
export const sumOf = (a: Billed | undefined, b: Billed): Billed => {
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
