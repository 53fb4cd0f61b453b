/** What the ClickHouse lexer sees, as far as we need it: comments and white space are gone, quoting is undone. */
export interface SqlToken {
  readonly kind: 'word' | 'number' | 'string' | 'quoted' | 'heredoc' | 'sign' | 'broken';
  /** Quoted identifiers and strings without their quotes, escapes undone; everything else as written. */
  readonly text: string;
  /** UTF-16 offsets into the SQL, [start, end). */
  readonly start: number;
  readonly end: number;
}

/** Bare words are ASCII to ClickHouse. */
const WORD = /[A-Za-z_][A-Za-z0-9_$]*/y;
const NUMBER = /(?:0[xX][0-9a-fA-F]+|\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)[A-Za-z0-9_]*/y;
const SPACE = /[\s\u180e\u200b-\u200d\u2060]+/y;
const HEREDOC = /\$([A-Za-z0-9_]*)\$/y;
const LINE_COMMENT = /--[^\n]*|#[ !][^\n]*/y;
/** Closing quote by opening quote; the lexer takes typographic quotes as well. */
const QUOTES: ReadonlyMap<string, readonly [close: string, kind: 'string' | 'quoted']> = new Map([
  ["'", ["'", 'string']],
  ['"', ['"', 'quoted']],
  ['`', ['`', 'quoted']],
  ['\u2018', ['\u2019', 'string']],
  ['\u201c', ['\u201d', 'quoted']],
]);

/** Lazily reads the tokens of one SQL text from `from`. Never throws: what does not close is one `broken` token. */
export function* sqlTokens(sql: string, from = 0): Generator<SqlToken, void> {
  let at = from;
  while (at < sql.length) {
    const blank = blankEnd(sql, at);
    if (blank === null) {
      yield { kind: 'broken', text: sql.slice(at), start: at, end: sql.length };
      return;
    }
    if (blank > at) {
      at = blank;
      continue;
    }
    const token = readToken(sql, at);
    yield token;
    at = token.end;
  }
}

const match = (pattern: RegExp, sql: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at;
  return pattern.exec(sql);
};

/** End of the white space or comment at `at`; `at` when there is none; null when a comment does not close. */
const blankEnd = (sql: string, at: number): number | null => {
  const plain = match(SPACE, sql, at) ?? match(LINE_COMMENT, sql, at);
  if (plain) return at + plain[0].length;
  return sql.startsWith('/*', at) ? commentEnd(sql, at) : at;
};

/** Multi-line comments nest in ClickHouse. */
const commentEnd = (sql: string, start: number): number | null => {
  let depth = 0;
  for (let at = start; at < sql.length; ) {
    const two = sql.slice(at, at + 2);
    if (two === '/*') depth += 1;
    if (two === '*/') depth -= 1;
    at += two === '/*' || two === '*/' ? 2 : 1;
    if (depth === 0) return at;
  }
  return null;
};

const readToken = (sql: string, start: number): SqlToken => {
  const quote = QUOTES.get(sql.charAt(start));
  if (quote) return quotedToken(sql, start, quote);
  const heredoc = match(HEREDOC, sql, start);
  if (heredoc) {
    const open = heredoc[0];
    const close = sql.indexOf(open, start + open.length);
    if (close < 0) return { kind: 'broken', text: sql.slice(start), start, end: sql.length };
    return { kind: 'heredoc', text: sql.slice(start + open.length, close), start, end: close + open.length };
  }
  const word = match(WORD, sql, start);
  if (word) return { kind: 'word', text: word[0], start, end: start + word[0].length };
  const number = match(NUMBER, sql, start);
  if (number) return { kind: 'number', text: number[0], start, end: start + number[0].length };
  return { kind: 'sign', text: sql.charAt(start), start, end: start + 1 };
};

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', '0': '\0' };

const quotedToken = (sql: string, start: number, [close, kind]: readonly [string, 'string' | 'quoted']): SqlToken => {
  let text = '';
  let at = start + 1;
  while (at < sql.length) {
    const char = sql.charAt(at);
    if (char === close && sql.charAt(at + 1) !== close) return { kind, text, start, end: at + 1 };
    const [value, length] = char === '\\' ? unescaped(sql, at) : [char, char === close ? 2 : 1];
    text += value;
    at += length;
  }
  return { kind: 'broken', text: sql.slice(start), start, end: sql.length };
};

/** What a backslash at `at` and what follows it stand for, and how long they are. */
const unescaped = (sql: string, at: number): readonly [value: string, length: number] => {
  const hex = /^\\x([0-9a-fA-F]{2})/.exec(sql.slice(at, at + 4))?.[1];
  if (hex !== undefined) return [String.fromCharCode(Number.parseInt(hex, 16)), 4];
  const next = sql.charAt(at + 1);
  return [ESCAPES[next] ?? next, 2];
};

/** Splits a script into statements without their semicolons; comments go with the statement they stand before. */
export const splitStatements = (sql: string): readonly string[] => {
  const statements: string[] = [];
  let start = 0;
  let hasTokens = false;
  for (const token of sqlTokens(sql)) {
    if (token.kind === 'sign' && token.text === ';') {
      if (hasTokens) statements.push(sql.slice(start, token.start).trim());
      start = token.end;
      hasTokens = false;
    } else hasTokens = true;
  }
  if (hasTokens) statements.push(sql.slice(start).trim());
  return statements;
};

/** A ClickHouse string literal of any text. */
export const quoteString = (text: string): string => `'${text.replace(/[\\']/g, (char) => `\\${char}`)}'`;

/** A ClickHouse identifier of any text. */
export const quoteIdentifier = (name: string): string => `\`${name.replace(/[\\`]/g, (char) => `\\${char}`)}\``;
