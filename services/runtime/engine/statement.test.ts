import { describe, expect, test } from 'vitest';
import { formatOf, readStatement, withoutSemicolon } from './statement.ts';

const insert = (sql: string) => {
  const statement = readStatement(sql);
  if (statement.kind !== 'insert') return statement;
  const { kind: _kind, dataStart, ...rest } = statement;
  return { ...rest, data: sql.slice(dataStart) };
};

describe('statements', () => {
  test.each([
    ['INSERT INTO t FORMAT CSV 1,2', { head: 'INSERT INTO t', settings: '', format: 'CSV', data: '1,2' }],
    ['INSERT INTO t FORMAT Native\n\n\x01', { head: 'INSERT INTO t', settings: '', format: 'Native', data: '\n\x01' }],
    ['INSERT INTO t FORMAT Native\r\n\x00', { head: 'INSERT INTO t', settings: '', format: 'Native', data: '\x00' }],
    [
      'insert into `a b`.`t` (`x y`, z) values (1)',
      { head: 'insert into `a b`.`t` (`x y`, z)', settings: '', format: 'Values', data: ' (1)' },
    ],
    [
      "INSERT INTO t SETTINGS a = 'format', b = 1 FORMAT TSV\nx",
      { head: 'INSERT INTO t', settings: "SETTINGS a = 'format', b = 1", format: 'TSV', data: 'x' },
    ],
    ['INSERT INTO t', { head: 'INSERT INTO t', settings: '', format: null, data: '' }],
    ['INSERT INTO t (a) ;', { head: 'INSERT INTO t (a)', settings: '', format: null, data: '' }],
    [
      'INSERT INTO d.settings FORMAT CSV\n1',
      { head: 'INSERT INTO d.settings', settings: '', format: 'CSV', data: '1' },
    ],
    ['INSERT INTO format FORMAT CSV\n1', { head: 'INSERT INTO format', settings: '', format: 'CSV', data: '1' }],
    [
      'INSERT INTO TABLE values (format) FORMAT CSV\n1',
      { head: 'INSERT INTO TABLE values (format)', settings: '', format: 'CSV', data: '1' },
    ],
  ])('%s: data begins where it should', (sql, expected) => {
    expect(insert(sql)).toEqual(expected);
  });

  test('an INSERT that takes its rows from a query is a query', () => {
    for (const sql of [
      'INSERT INTO t SELECT 1',
      'INSERT INTO t WITH 1 AS x SELECT x',
      "INSERT INTO FUNCTION file('x') SELECT 1",
    ]) {
      expect(readStatement(sql)).toEqual({ kind: 'query', sql });
    }
  });

  test('one statement only; its semicolon goes', () => {
    expect(withoutSemicolon("SELECT ';' ; -- end")).toBe("SELECT ';' ");
    expect(() => withoutSemicolon('SELECT 1; SELECT 2')).toThrow('Multi-statements');
    expect(() => readStatement('INSERT INTO t SELECT 1; DROP TABLE t')).toThrow('Multi-statements');
    expect(() => readStatement('INSERT INTO t FORMAT')).toThrow('without a format name');
  });

  test('the format is the last word after FORMAT, if it is one', () => {
    expect(formatOf('SELECT format FROM t')).toBeNull();
    expect(formatOf('SELECT 1 FORMAT JSON')).toBe('JSON');
    expect(formatOf('SELECT 1 FORMAT JSON SETTINGS a = 1')).toBe('JSON');
    expect(formatOf("SELECT 'FORMAT JSON'")).toBeNull();
    expect(formatOf("SELECT * FROM format(JSONEachRow, '{}')")).toBeNull();
  });
});
