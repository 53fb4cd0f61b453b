import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Dialect, dialectOf, GENERIC_SQL } from './dialect.ts';
import { readSql, type SqlTouches } from './read-sql.ts';
import { STATEMENTS } from './statement-fixture.ts';

const namesOf = (found: SqlTouches, way: 'reads' | 'writes'): readonly string[] =>
  [
    ...new Set(
      found.statements
        .flat()
        .filter((touch) => touch.way === way)
        .map(({ parts }) => parts.map(({ value }) => value).join('.')),
    ),
  ].sort();

const dialect = (name: string): Dialect => dialectOf(name) ?? GENERIC_SQL;

describe('tables of a statement', () => {
  test.each(STATEMENTS)('%s: %s', (name, sql, reads, writes) => {
    const found = readSql(sql, dialect(name));
    expect([namesOf(found, 'reads'), namesOf(found, 'writes')]).toEqual([[...reads].sort(), [...writes].sort()]);
  });

  test('the parser takes all but three of them; those are read by their words and say so', () => {
    expect(STATEMENTS.filter(([name, sql]) => readSql(sql, dialect(name)).isUnparsed).map(([, sql]) => sql)).toEqual([
      "LOAD DATA INFILE '/tmp/x.csv' INTO TABLE t",
      'SELECT * FROM [my table] WHERE a GLOB "x*"',
      'PRAGMA table_info(t)',
    ]);
  });

  test('are told statement by statement, so that what one reads is not taken for what another writes', () => {
    const { statements } = readSql('INSERT INTO a SELECT * FROM b; INSERT INTO c SELECT * FROM d', GENERIC_SQL);
    expect(statements.map((touches) => touches.map(({ parts }) => parts[0]?.value))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  test('come with the columns that are listed plainly, and with what is done', () => {
    const of = (sql: string) => readSql(sql, GENERIC_SQL).statements.flat();
    expect(of('SELECT o.id, total, count(x) AS n FROM orders o')).toEqual([
      { way: 'reads', parts: [{ value: 'orders', isQuoted: false }], operation: null, columns: ['id', 'total'] },
    ]);
    expect(of('INSERT INTO t (b, a) VALUES (1, 2)')[0]).toMatchObject({ operation: 'insert', columns: ['a', 'b'] });
    expect(of('UPDATE t SET z = 1, y = 2')[0]).toMatchObject({ operation: 'update', columns: ['y', 'z'] });
    expect(of('DROP TABLE t')[0]).toMatchObject({ operation: 'drop', way: 'writes' });
  });

  test('an expression that is named like the table it reads hides it only from what comes after', () => {
    const found = readSql('WITH orders AS (SELECT * FROM orders) SELECT * FROM orders', GENERIC_SQL);
    expect(namesOf(found, 'reads')).toEqual(['orders']);
  });

  test('a plan that is only asked for touches nothing', () => {
    expect(namesOf(readSql('EXPLAIN DELETE FROM t', GENERIC_SQL), 'writes')).toEqual([]);
    expect(namesOf(readSql('EXPLAIN ANALYZE DELETE FROM t', GENERIC_SQL), 'writes')).toEqual(['t']);
  });
});

describe('whatever is sent as SQL', () => {
  const many = (text: string, count: number, between = ''): string => Array(count).fill(text).join(between);
  test.each([
    ['a chain of 5,000 conditions', `SELECT 1 FROM t WHERE ${many('a = 1', 5000, ' OR ')}`, ['t']],
    ['5,000 queries in a union', many('SELECT 1 FROM t', 5000, ' UNION ALL '), ['t']],
    ['20,000 open brackets', `SELECT * FROM t WHERE ${many('(', 20_000)}`, ['t']],
    ['text that is no SQL', 'please look into the orders', []],
    ['an expression by name, unparsed', 'WITH x AS (SELECT 1 FROM real) SELECT ??? FROM x', ['real']],
    ['a function in a text that is none', 'SELECT ??? FROM now() JOIN t', ['t']],
    [
      '45 calls in each other, which a parser reads twice each',
      `SELECT ${many('f(', 45)}1${many(')', 45)} FROM t`,
      ['t'],
    ],
    ['45 intervals in a row, likewise', `SELECT ${many('INTERVAL ', 45)}1 FROM t`, ['t']],
    ['2,000 casts', `SELECT a${many('::int', 2000)} FROM t`, ['t']],
    ['a tree deeper than a stack', `SELECT 1 FROM t WHERE a${many(' IS NULL', 3000)}`, ['t']],
    ['a thousand pivots', `SELECT * FROM t${many(' PIVOT(sum(x) FOR y IN (1))', 1000)}`, ['t']],
  ])('%s is read by its words, and says that it was not parsed', (_what, sql, reads) => {
    const found = readSql(sql, GENERIC_SQL);
    expect([found.isUnparsed, namesOf(found, 'reads')]).toEqual([true, reads]);
  });

  test('a list of columns is no call, even where nothing parses', () => {
    expect(namesOf(readSql('INSERT ??? INTO t(a) VALUES (1)', GENERIC_SQL), 'writes')).toEqual(['t']);
  });

  test('no shape of nesting takes the reader down', () => {
    const nest = (open: string, close = '', count = 4000): string =>
      `SELECT ${many(open, count)}1${many(close, count)} FROM t`;
    const shapes = [
      nest('CASE WHEN a THEN ', ' END', 1300),
      nest('f(', ')'),
      nest('{a:', '}'),
      nest('INTERVAL '),
      nest('x -> '),
      nest('', '[1]'),
      nest('', '.b'),
      nest('', ' COLLATE x'),
      nest('', ' AT TIME ZONE x', 2000),
      nest('EXISTS (SELECT ', ')', 1600),
    ];
    for (const name of ['none', 'postgresql', 'mysql', 'bigquery', 'snowflake', 'mssql', 'clickhouse'])
      for (const sql of shapes) expect(namesOf(readSql(sql, dialect(name)), 'writes')).toEqual([]);
  });

  test('a statement with a thousand rows costs one with one row', () => {
    const found = readSql(`INSERT INTO t VALUES ${many("(1, 'it''s', -2)", 1000, ', ')}`, GENERIC_SQL);
    expect([found.isUnparsed, namesOf(found, 'writes')]).toEqual([false, ['t']]);
  });

  test('an answer depends on nothing that was read before, not even on what overflowed the parser', () => {
    const before = readSql('SELECT a FROM one', GENERIC_SQL);
    for (const depth of [40, 60, 90, 99])
      readSql(`SELECT ${many('CASE WHEN a THEN ', depth)}1${many(' END', depth)} FROM t`, GENERIC_SQL);
    expect(readSql('SELECT a FROM two', GENERIC_SQL).isUnparsed).toBe(false);
    expect(readSql('SELECT a FROM one', GENERIC_SQL)).toEqual(before);
  });

  test('never fails, and names no more than it was given', () => {
    const words = ['SELECT', 'FROM', 'INTO', 'UPDATE', 'JOIN', 'a', '"b"', '`c`', '[d]', '.', ',', '(', ')', ';', "'"];
    const sql = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((w) => w.join(' ')),
    );
    fc.assert(
      fc.property(sql, fc.constantFrom('postgresql', 'mysql', 'bigquery', 'mssql', 'none'), (text, name) => {
        for (const touch of readSql(text, dialect(name)).statements.flat())
          for (const { value } of touch.parts) expect(text.toLowerCase()).toContain(value.toLowerCase());
      }),
      { numRuns: 400 },
    );
  });
});
