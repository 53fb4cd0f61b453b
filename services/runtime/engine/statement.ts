import { EngineError } from './engine-error.ts';
import { type SqlToken, sqlTokens } from './sql-tokens.ts';

/** What a request asks for, told from its SQL. */
export type Statement =
  | { readonly kind: 'query'; readonly sql: string }
  /** INSERT with data: `head` up to the column list, `settings` the clause as written or '', data from `dataStart` on. */
  | {
      readonly kind: 'insert';
      readonly head: string;
      readonly settings: string;
      readonly format: string | null;
      readonly dataStart: number;
    };

const isWord = (token: SqlToken | undefined, ...words: readonly string[]): boolean =>
  token?.kind === 'word' && words.includes(token.text.toLowerCase());

const isSign = (token: SqlToken | undefined, sign: string): boolean => token?.kind === 'sign' && token.text === sign;

/** Is this an INSERT? Reads no further than the first token, so data behind it costs nothing. */
export const isInsert = (sql: string): boolean => isWord(sqlTokens(sql).next().value ?? undefined, 'insert');

/**
 * Reads a statement. For an INSERT with FORMAT or VALUES nothing behind that word is looked at: it may be any bytes.
 * Throws EngineError SYNTAX_ERROR for several statements in one request.
 */
export const readStatement = (sql: string): Statement => {
  if (!isInsert(sql)) return { kind: 'query', sql: single(sql) };
  const tokens = sqlTokens(sql);
  tokens.next();
  let headEnd: number | null = null;
  let settings: { start: number; end: number } | null = null;
  let depth = 0;
  for (const token of tokens) {
    if (isSign(token, '(')) depth += 1;
    if (isSign(token, ')')) depth -= 1;
    if (depth > 0 || token.kind !== 'word') continue;
    if (isWord(token, 'select', 'with', 'infile', 'watch', 'function')) return { kind: 'query', sql: single(sql) };
    if (isWord(token, 'settings')) {
      headEnd ??= token.start;
      settings = { start: token.start, end: sql.length };
    }
    if (!isWord(token, 'format', 'values')) continue;
    headEnd ??= token.start;
    const clause = settings === null ? '' : sql.slice(settings.start, token.start).trim();
    const head = sql.slice(0, headEnd).trim();
    if (isWord(token, 'values'))
      return { kind: 'insert', head, settings: clause, format: 'Values', dataStart: token.end };
    const name = sqlTokens(sql, token.end).next().value ?? undefined;
    if (name?.kind !== 'word') throw new EngineError(62, 'SYNTAX_ERROR', 'INSERT … FORMAT without a format name');
    return { kind: 'insert', head, settings: clause, format: name.text, dataStart: dataStart(sql, name.end) };
  }
  const clause = settings === null ? '' : sql.slice(settings.start).trim();
  const head = headEnd === null ? sql.trim() : sql.slice(0, headEnd).trim();
  return { kind: 'insert', head: head.replace(/;\s*$/, ''), settings: clause, format: null, dataStart: sql.length };
};

/** Data begins behind the blanks of the line that names the format, or on the next line (as ClickHouse reads it). */
const dataStart = (sql: string, formatEnd: number): number =>
  formatEnd + (/^[ \t\f]*;?[ \t\f]*\r?\n?/.exec(sql.slice(formatEnd, formatEnd + 256))?.[0].length ?? 0);

/** The statement without its closing semicolon. */
const single = (sql: string): string => {
  for (const token of sqlTokens(sql)) {
    if (!isSign(token, ';')) continue;
    if (sqlTokens(sql, token.end).next().done !== true) {
      throw new EngineError(62, 'SYNTAX_ERROR', 'Multi-statements are not allowed');
    }
    return sql.slice(0, token.start);
  }
  return sql;
};

/** The format named by `FORMAT x` at the end of a query, or null; SETTINGS may stand behind it. */
export const formatOf = (sql: string): string | null => {
  const tokens = [...sqlTokens(sql)];
  const at = tokens.findLastIndex((token) => isWord(token, 'format'));
  const name = tokens[at + 1];
  const after = tokens[at + 2];
  if (at < 0 || name?.kind !== 'word') return null;
  return after === undefined || isWord(after, 'settings') ? name.text : null;
};
