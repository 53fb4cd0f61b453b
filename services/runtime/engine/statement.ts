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
  if (!isInsert(sql)) return { kind: 'query', sql: withoutSemicolon(sql) };
  const { settings, last } = insertClauses(sql);
  if (isWord(last, ...NO_DATA)) return { kind: 'query', sql: withoutSemicolon(sql) };
  const dataWord = last?.start ?? sql.length;
  const head = sql.slice(0, settings?.start ?? dataWord).trim();
  const clause = settings === undefined ? '' : sql.slice(settings.start, dataWord).trim();
  if (last === undefined) {
    return {
      kind: 'insert',
      head: withoutEnd(head),
      settings: withoutEnd(clause),
      format: null,
      dataStart: sql.length,
    };
  }
  if (isWord(last, 'values')) return { kind: 'insert', head, settings: clause, format: 'Values', dataStart: last.end };
  const name = sqlTokens(sql, last.end).next().value ?? undefined;
  if (name?.kind !== 'word') throw new EngineError(62, 'SYNTAX_ERROR', 'INSERT … FORMAT without a format name');
  return { kind: 'insert', head, settings: clause, format: name.text, dataStart: dataStart(sql, name.end) };
};

/** Words behind which an INSERT takes its rows from elsewhere than the request. */
const NO_DATA = ['select', 'with', 'infile', 'watch', 'function'] as const;

/** The SETTINGS word, and the word that says where the rows come from; outside of parentheses. */
const insertClauses = (sql: string): { settings: SqlToken | undefined; last: SqlToken | undefined } => {
  let settings: SqlToken | undefined;
  let depth = 0;
  let before: SqlToken | undefined;
  for (const token of sqlTokens(sql)) {
    // A table may be called `settings` or `format`.
    const isName = isSign(before, '.') || (isWord(before, 'into', 'table') && !isWord(token, 'function', 'table'));
    before = token;
    if (isSign(token, '(')) depth += 1;
    if (isSign(token, ')')) depth -= 1;
    if (depth > 0 || isName) continue;
    if (isWord(token, 'settings')) settings = token;
    if (isWord(token, 'format', 'values', ...NO_DATA)) return { settings, last: token };
  }
  return { settings, last: undefined };
};

const withoutEnd = (text: string): string => text.replace(/\s*;\s*$/, '');

/** Data begins behind the blanks of the line that names the format, or on the next line (as ClickHouse reads it). */
const dataStart = (sql: string, formatEnd: number): number =>
  formatEnd + (/^[ \t\f]*;?[ \t\f]*\r?\n?/.exec(sql.slice(formatEnd, formatEnd + 256))?.[0].length ?? 0);

/** One statement without its closing semicolon. Throws EngineError SYNTAX_ERROR when another follows. */
export const withoutSemicolon = (sql: string): string => {
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
