import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quoteIdentifier, quoteString, splitStatements, sqlTokens } from './sql-tokens.ts';

const texts = (sql: string) => [...sqlTokens(sql)].map((token) => `${token.kind}:${token.text}`);

describe('SQL tokens', () => {
  test('undo quoting, skip comments, keep words apart', () => {
    expect(texts("SELECT `a\\`b`, \"c\"\"d\", 'it''s', 'a\\x41\\n' -- x\n/* y /* z */ */ FROM t# no comment")).toEqual([
      'word:SELECT',
      'quoted:a`b',
      'sign:,',
      'quoted:c"d',
      'sign:,',
      "string:it's",
      'sign:,',
      'string:aA\n',
      'word:FROM',
      'word:t',
    ]);
    expect(texts('$$a;b$$ $x$ $$ $x$ 1.5e3 0xFF #!c')).toEqual([
      'heredoc:a;b',
      'heredoc: $$ ',
      'number:1.5e3',
      'number:0xFF',
    ]);
  });

  test('what does not close is one broken token', () => {
    for (const sql of ["'a", '"a', '`a', '/* a', '/* /* */', '$$a', "'a\\"])
      expect(texts(sql)).toEqual([`broken:${sql}`]);
  });

  test('cover any text in order, end with it and never throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (sql) => {
        let at = 0;
        for (const token of sqlTokens(sql)) {
          expect(token.start).toBeGreaterThanOrEqual(at);
          expect(token.end).toBeGreaterThan(token.start);
          at = token.end;
        }
        expect(at).toBeLessThanOrEqual(sql.length);
      }),
    );
  });

  test('quoting any text gives one token with that text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
        expect(texts(quoteString(text))).toEqual([`string:${text}`]);
        expect(texts(quoteIdentifier(text))).toEqual([`quoted:${text}`]);
      }),
    );
  });

  test('scripts split at semicolons outside of quotes and comments', () => {
    expect(splitStatements("-- a;b\nSELECT ';' ;; /* ; */ SELECT 2\n;\n-- end")).toEqual([
      "-- a;b\nSELECT ';'",
      '/* ; */ SELECT 2',
    ]);
    expect(splitStatements(' \n-- nothing')).toEqual([]);
  });
});
