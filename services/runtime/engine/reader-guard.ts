import { EngineError } from './engine-error.ts';
import { type SqlToken, sqlTokens } from './sql-tokens.ts';

/**
 * What a caller without the store's password may run. The engine enforces `readonly=1` on the session as well (it
 * refuses writes, DDL, SET, and table functions that reach out); this guard is the second wall, and the only one for
 * what `readonly` lets through: the scalar function `file()`, INTO OUTFILE.
 */

const ALLOWED_FIRST: ReadonlySet<string> = new Set(['select', 'with', 'show', 'describe', 'desc', 'exists', 'explain']);

/** Functions that reach files, networks or other processes, by name or by the beginning of the name (trailing *). */
const FORBIDDEN_FUNCTIONS: readonly string[] = [
  'file',
  'filecluster',
  'url',
  'urlcluster',
  's3*',
  'gcs*',
  'oss*',
  'cosn*',
  'hdfs*',
  'hive',
  'hivecluster',
  'azure*',
  'iceberg*',
  'deltalake*',
  'hudi*',
  'paimon*',
  'remote*',
  'cluster',
  'clusterallreplicas',
  'mysql*',
  'postgresql*',
  'sqlite*',
  'mongodb*',
  'redis*',
  'odbc*',
  'jdbc*',
  'ytsaurus*',
  'arrowflight*',
  'executable*',
  'python*',
  'input',
  'infile',
  'catboostevaluate',
  'rocksdb*',
  'kafka*',
  'nats*',
  'rabbitmq*',
  'filesystem*',
  'backup*',
  'restore*',
  'ai*',
  'eval',
  'arrowstream',
];
const FORBIDDEN_EXACT: ReadonlySet<string> = new Set(FORBIDDEN_FUNCTIONS.filter((name) => !name.endsWith('*')));
const FORBIDDEN_PREFIXES = FORBIDDEN_FUNCTIONS.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
/** Scalar functions, which `readonly` lets through, and not only before a parenthesis: `SELECT * APPLY file` calls it. */
const FORBIDDEN_ANYWHERE = /^(?:file|catboostevaluate|ai(?:classify|embed|extract|generate|translate))$/;
/** Word pairs that write, or leave the session. */
const FORBIDDEN_PAIRS: ReadonlySet<string> = new Set([
  'into outfile',
  'from infile',
  'insert into',
  'execute as',
  'parallel with',
]);

/** Throws EngineError (READONLY, ACCESS_DENIED or SYNTAX_ERROR) unless the SQL is one statement that only reads. */
export const checkReaderSql = (sql: string): void => {
  const tokens = [...sqlTokens(sql)];
  checkShape(sql, tokens);
  for (const [index, token] of tokens.entries()) {
    // `a IS [NOT] DISTINCT FROM 'x'` compares; only there may a text follow FROM.
    const isComparison =
      /^is (not )?distinct from$/.test(wordsBefore(tokens, index, 4)) ||
      /^is distinct from$/.test(wordsBefore(tokens, index, 3));
    checkToken(token, isComparison ? undefined : tokens[index - 1], tokens[index + 1]);
  }
};

/** The `count` words before a token, in lower case; '' where one of them is no word. */
const wordsBefore = (tokens: readonly SqlToken[], index: number, count: number): string => {
  const before = tokens.slice(Math.max(0, index - count), index);
  return before.every((token) => token.kind === 'word')
    ? before.map((token) => token.text.toLowerCase()).join(' ')
    : '';
};

const checkShape = (sql: string, tokens: readonly SqlToken[]): void => {
  // Nested comments and heredocs are where two lexers may differ: no reader needs them.
  if (tokens.some((token) => token.kind === 'broken' || token.kind === 'heredoc') || hasNestedComment(sql)) {
    throw new EngineError(62, 'SYNTAX_ERROR', 'Unclosed quotes, nested comments and heredocs are not accepted here');
  }
  if (tokens.some((token) => token.kind === 'sign' && !/[!-~]/.test(token.text))) {
    throw new EngineError(62, 'SYNTAX_ERROR', 'Characters beyond ASCII are accepted in quotes only');
  }
  const first = tokens.find((token) => !(token.kind === 'sign' && token.text === '('));
  if (first === undefined) throw new EngineError(62, 'SYNTAX_ERROR', 'Empty query');
  if (first.kind !== 'word' || !ALLOWED_FIRST.has(first.text.toLowerCase())) {
    throw new EngineError(
      164,
      'READONLY',
      `Only SELECT, SHOW, DESCRIBE, EXISTS and EXPLAIN are allowed without the store's password, not ${first.text.slice(0, 40)}`,
    );
  }
  const end = tokens.findIndex((token) => token.kind === 'sign' && token.text === ';');
  if (end >= 0 && end < tokens.length - 1) {
    throw new EngineError(62, 'SYNTAX_ERROR', 'Multi-statements are not allowed');
  }
};

const hasNestedComment = (sql: string): boolean => {
  const tokens = [...sqlTokens(sql)];
  let at = 0;
  for (const token of [...tokens, { start: sql.length, end: sql.length }]) {
    if (/\/\*(?:(?!\*\/)[\s\S])*\/\*/.test(sql.slice(at, token.start))) return true;
    at = token.end;
  }
  return false;
};

const checkToken = (token: SqlToken, before: SqlToken | undefined, after: SqlToken | undefined): void => {
  const name = token.text.toLowerCase();
  if (token.kind === 'word' && after?.kind === 'word' && FORBIDDEN_PAIRS.has(`${name} ${after.text.toLowerCase()}`)) {
    throw new EngineError(164, 'READONLY', `${token.text} ${after.text} is not allowed without the store's password`);
  }
  // The default database of the engine reads any file whose path is given as a table name.
  const isTablePath = before?.kind === 'word' && /^(from|join|table)$/i.test(before.text);
  if (isTablePath && (token.kind === 'string' || (token.kind === 'quoted' && /[/\\.]/.test(token.text)))) {
    throw new EngineError(497, 'ACCESS_DENIED', "Files cannot be read without the store's password");
  }
  if (token.kind !== 'word' && token.kind !== 'quoted') return;
  const isCall = after?.kind === 'sign' && after.text === '(';
  if (FORBIDDEN_ANYWHERE.test(name) || (isCall && isForbiddenFunction(name))) {
    throw new EngineError(
      497,
      'ACCESS_DENIED',
      `The function ${token.text} is not allowed without the store's password`,
    );
  }
};

const isForbiddenFunction = (name: string): boolean =>
  FORBIDDEN_EXACT.has(name) || FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix));

/** Limits of a reader's query; a caller may ask for less, never for more. Units: seconds, bytes, rows. */
export const READER_LIMITS: Readonly<Record<string, number>> = {
  max_execution_time: 30,
  max_memory_usage: 1_000_000_000,
  max_result_rows: 1_000_000,
  max_result_bytes: 256_000_000,
  max_threads: 2,
};

/** Settings of a reader's URL that only change how the answer is written. */
const HARMLESS =
  /^(?:output_format_(?:json|csv|tsv|pretty|values|markdown|decimal|parquet|arrow|binary|native)_\w+|date_time_output_format|extremes|join_use_nulls|log_comment|session_timezone|max_block_size|result_overflow_mode|use_query_cache|format_csv_delimiter)$/;

/** The settings a reader's query runs with. Throws READONLY for one that may not be changed. */
export const readerSettings = (asked: ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  const settings = new Map<string, string>(Object.entries(READER_LIMITS).map(([name, value]) => [name, String(value)]));
  settings.set('result_overflow_mode', 'throw');
  for (const [name, value] of asked) {
    const limit = READER_LIMITS[name];
    if (limit !== undefined) settings.set(name, String(lower(limit, value)));
    else if (HARMLESS.test(name)) settings.set(name, value);
    else if (!(name === 'readonly' && /^[12]$/.test(value))) {
      throw new EngineError(164, 'READONLY', `Cannot modify '${name}' setting in readonly mode`);
    }
  }
  return settings;
};

/** 0 means "no limit" to ClickHouse, so it is not lower. */
const lower = (limit: number, value: string): number => {
  const asked = Number(value);
  return Number.isFinite(asked) && asked > 0 ? Math.min(asked, limit) : limit;
};
