import type { NamePart, TableTouch } from './statement-tables.ts';

/** Words after which a table is named. */
const READ_AFTER = new Set(['FROM', 'JOIN', 'USING']);
const WRITE_AFTER = new Set(['INTO', 'UPDATE', 'TABLE', 'TRUNCATE', 'OVERWRITE']);
/** Words that may stand between. */
const BETWEEN = new Set('IF NOT EXISTS ONLY TABLE LATERAL INTO IGNORE OR LOW_PRIORITY'.split(' '));
const NO_TABLE = new Set('SELECT SET WHERE VALUES UNNEST STDIN STDOUT AS ON OF NOWAIT SKIP'.split(' '));
/** Tables believed of a text nobody can parse. */
const TABLES_MAX = 64;

/**
 * What stands where a table stands, names after WITH left out: of SQL that nothing parses. May miss and may err, so
 * whoever shows it says so.
 */
export const tablesByWords = (tokens: readonly string[]): readonly TableTouch[] => {
  const ctes = namesAfterWith(tokens);
  const found: TableTouch[] = [];
  for (const [at, token] of tokens.entries()) {
    const way = wayAfter(token.toUpperCase(), tokens[at - 1]);
    if (way === null) continue;
    const named = nameAt(tokens, at + 1);
    // `FROM f(1)` calls a function; `INTO t(a)` lists columns.
    const parts = way === 'reads' && named.isCall ? [] : named.parts;
    const [first] = parts;
    if (first === undefined || (parts.length === 1 && ctes.has(first.value.toLowerCase()))) continue;
    found.push({ way, parts, operation: null, columns: [] });
    if (found.length >= TABLES_MAX) break;
  }
  return found;
};

const wayAfter = (word: string, before: string | undefined): TableTouch['way'] | null => {
  if (WRITE_AFTER.has(word) || (word === 'FROM' && before?.toUpperCase() === 'DELETE')) return 'writes';
  return READ_AFTER.has(word) ? 'reads' : null;
};

/** `name AS (`. */
const namesAfterWith = (tokens: readonly string[]): ReadonlySet<string> =>
  new Set(
    tokens
      .filter((_, at) => tokens[at + 1]?.toUpperCase() === 'AS' && tokens[at + 2] === '(')
      .map((name) => name.replace(/^["`[]|["`\]]$/g, '').toLowerCase()),
  );

const PLAIN = /^[\p{L}_#@][\p{L}\p{N}_$#@]*$/u;
const QUOTED = /^["`[].+["`\]]$/s;

const nameAt = (tokens: readonly string[], from: number) => {
  let at = from;
  while (BETWEEN.has(tokens[at]?.toUpperCase() ?? '')) at += 1;
  const parts: NamePart[] = [];
  for (let part = partsIn(tokens[at] ?? ''); part.length > 0; part = partsIn(tokens[at] ?? '')) {
    parts.push(...part);
    if (tokens[at + 1] !== '.') return { parts, isCall: tokens[at + 1] === '(' };
    at += 2;
  }
  return { parts: [], isCall: false };
};

/** None where no name stands. BigQuery quotes whole names: "`project.dataset.table`". */
const partsIn = (token: string): readonly NamePart[] => {
  if (!QUOTED.test(token)) {
    return PLAIN.test(token) && !NO_TABLE.has(token.toUpperCase()) ? [{ value: token, isQuoted: false }] : [];
  }
  const inside = token.slice(1, -1);
  return (token.startsWith('`') ? inside.split('.') : [inside]).map((value) => ({ value, isQuoted: true }));
};
