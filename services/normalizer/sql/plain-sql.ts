import { isTooDeep } from './chain-depth.ts';

/** A statement of more text is data in the wrong place; the parser takes a millisecond for each KiB. */
const SQL_CHARS_MAX = 32 * 1024;
export interface PlainSql {
  /** Without comments, literals empty, of a list of rows the first: what is left says what is touched, and repeats. */
  readonly text: string;
  /** Too long or too deep for the parser. */
  readonly isTooMuch: boolean;
  /** Words and quoted names in order, signs one by one: what is left to read when nothing parses it. */
  readonly tokens: readonly string[];
}

/** At each place: what is skipped, dollar quotes, literals, quoted names, words, numbers, signs. Linear: repeats are bounded or exclusive. */
const tokenPattern = (hasBackslash: boolean, doubleQuotesLiteral: boolean): RegExp => {
  const body = (quote: string): string =>
    hasBackslash ? `(?:[^${quote}\\\\]|\\\\[^]|${quote}${quote})*` : `(?:[^${quote}]|${quote}${quote})*`;
  const literal = `[eEnNbBrRxX]?'${body("'")}'?${doubleQuotesLiteral ? `|"${body('"')}"?` : ''}`;
  return new RegExp(
    `\\s+|--[^\\n]*|#(?=\\s)[^\\n]*|/\\*(?:[^*]|\\*(?!/))*(?:\\*/)?` +
      `|\\$\\$(?:[^$]|\\$(?!\\$))*(?:\\$\\$)?` +
      `|${literal}` +
      `|"(?:[^"]|"")*"|\`[^\`]{0,512}\`|\\[(?![\\d'])[^[\\]]{1,128}\\]` +
      `|[#@:$]{0,2}[\\p{L}_][\\p{L}\\p{N}_$#@]*` +
      `|\\d[\\w.]*` +
      `|[^]`,
    'gu',
  );
};
const PATTERNS = {
  plain: tokenPattern(false, false),
  backslash: tokenPattern(true, false),
  quotes: tokenPattern(true, true),
};

const SKIPPED = /^(?:\s|--|#\s|#$|\/\*)/;
const LITERAL = /^(?:[a-zA-Z]?'|\$\$)/;
/** Numbers are values like any other; those of placeholders and names stay. */
const plainToken = (token: string): string => (/^\d/.test(token) ? '1' : token);

export interface PlainOptions {
  readonly hasBackslash: boolean;
  /** BigQuery: text in double quotes is a literal. */
  readonly doubleQuotesLiteral: boolean;
}

/** Reads SQL word by word, whatever it is. Linear in its length; never fails. */
export const plainSql = (sql: string, { hasBackslash, doubleQuotesLiteral }: PlainOptions): PlainSql => {
  const pattern = doubleQuotesLiteral ? PATTERNS.quotes : hasBackslash ? PATTERNS.backslash : PATTERNS.plain;
  const tokens: string[] = [];
  // Whether something stood before a token that is left out: `a - - 1` and `a -- 1` are not the same.
  const spaced: boolean[] = [];
  let isSpaced = false;
  for (const [token] of sql.slice(0, SQL_CHARS_MAX).matchAll(pattern)) {
    if (SKIPPED.test(token)) {
      isSpaced = true;
      continue;
    }
    spaced.push(isSpaced);
    isSpaced = false;
    tokens.push(LITERAL.test(token) || (doubleQuotesLiteral && token.startsWith('"')) ? "''" : plainToken(token));
  }
  const places = withoutRows(tokens);
  const kept = places.map((at) => tokens[at] ?? '');
  return {
    text: places.map((at) => (spaced[at] === true ? ` ${tokens[at]}` : tokens[at])).join(''),
    isTooMuch: sql.length > SQL_CHARS_MAX || isTooDeep(kept),
    tokens: kept,
  };
};

/** Places of the tokens that stay: `VALUES (…), (…), (…)` keeps its first row, the others are data. */
const withoutRows = (tokens: readonly string[]): readonly number[] => {
  const kept: number[] = [];
  let at = 0;
  while (at < tokens.length) {
    kept.push(at);
    at += 1;
    if (tokens[at - 1]?.toUpperCase() !== 'VALUES' || tokens[at] !== '(') continue;
    for (const end = endOfGroup(tokens, at); at < end; at += 1) kept.push(at);
    while (tokens[at] === ',' && tokens[at + 1] === '(') at = endOfGroup(tokens, at + 1);
  }
  return kept;
};

const endOfGroup = (tokens: readonly string[], open: number): number => {
  let depth = 0;
  for (let at = open; at < tokens.length; at += 1) {
    if (tokens[at] === '(') depth += 1;
    if (tokens[at] === ')') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return tokens.length;
};
