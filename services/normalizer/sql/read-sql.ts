import { rememberTexts } from '../text-memory.ts';
import { type Dialect, GENERIC_SQL } from './dialect.ts';
import { parseSql } from './parser.ts';
import { type PlainSql, plainSql } from './plain-sql.ts';
import { type TableTouch, tablesOfStatement } from './statement-tables.ts';
import { tablesByWords } from './word-tables.ts';

/** What a text of SQL touches. */
export interface SqlTouches {
  /** By statement, in order; each table once in each way. */
  readonly statements: readonly (readonly TableTouch[])[];
  /** Nothing parsed it: the tables are those that stand where tables stand, by their words alone. */
  readonly isUnparsed: boolean;
}

/**
 * Reads SQL of a dialect. Agents send the same statements again with other values: texts are remembered without their
 * literals. Never fails; what no grammar takes is read by its words and says so.
 */
export const readSql = (sql: string, dialect: Dialect): SqlTouches => {
  const plain = plainSql(sql, {
    hasBackslash: dialect.hasBackslash,
    doubleQuotesLiteral: dialect.parser === 'bigquery',
  });
  return plain.isTooMuch ? ofWords(plain) : memoryOf(dialect.parser)(plain.text);
};

/** One memory a dialect: a few hundred statements are what an application has. */
const memories = new Map<string, (text: string) => SqlTouches>();

const memoryOf = (parser: string): ((text: string) => SqlTouches) => {
  const known = memories.get(parser);
  if (known !== undefined) return known;
  const made = rememberTexts((text) => parsed(text, parser), {
    charsMin: 0,
    charsMax: 32 * 1024,
    entriesMax: 2_000,
    totalCharsMax: 1024 * 1024,
  });
  memories.set(parser, made);
  return made;
};

const parsed = (text: string, parser: string): SqlTouches => {
  const tree = tryOut(text, parser);
  if (tree === null || isTooNested(tree))
    return ofWords(plainSql(text, { hasBackslash: false, doubleQuotesLiteral: false }));
  return { statements: tree.map((statement) => once(tablesOfStatement(statement))), isUnparsed: false };
};

/** Levels of a tree that may be walked by recursion; an ordinary statement has some thirty. */
const LEVELS_MAX = 1_000;

/** Whether a tree is deeper than a stack may be asked to follow: decided by the tree alone, not by what is left of the stack. */
const isTooNested = (tree: readonly unknown[]): boolean => {
  let level: readonly unknown[] = tree;
  for (let depth = 0; depth < LEVELS_MAX && level.length > 0; depth += 1)
    level = level.flatMap((node) => (typeof node === 'object' && node !== null ? Object.values(node) : []));
  return level.length > 0;
};

/** As it stands, then with Python's placeholders as values, then by the widest grammar. */
const tryOut = (text: string, parser: string): readonly unknown[] | null => {
  const withValues = text.replace(/% ?(?:\( ?\w+ ?\) ?)?s\b/g, 'NULL');
  return (
    parseSql(parser, text) ??
    (withValues === text ? null : parseSql(parser, withValues)) ??
    (parser === GENERIC_SQL.parser ? null : parseSql(GENERIC_SQL.parser, withValues))
  );
};

/** A table that is named twice is one; its columns are those of both. */
const once = (touches: readonly TableTouch[]): readonly TableTouch[] => {
  const byName = Map.groupBy(touches, ({ way, parts }) => JSON.stringify([way, parts]));
  return [...byName.values()].flatMap((same) =>
    same.slice(0, 1).map((first) => ({
      ...first,
      columns: [...new Set(same.flatMap(({ columns }) => columns))].sort(),
    })),
  );
};

const ofWords = ({ tokens }: PlainSql): SqlTouches => {
  const found = tablesByWords(tokens);
  return { statements: found.length === 0 ? [] : [once(found)], isUnparsed: true };
};
