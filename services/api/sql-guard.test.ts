import { describe, expect, test } from 'vitest';
import { csvOf } from './routes/sql.ts';
import { refusedSql } from './sql-guard.ts';

describe('SQL from outside', () => {
  test.each([
    'SELECT 1',
    ' select count() from spans;',
    '-- a comment\nSELECT * FROM runs FINAL',
    "WITH x AS (SELECT 1) SELECT * FROM x WHERE name = 'file(1); DROP TABLE spans'",
    'SELECT `file`, "url" FROM spans',
    "SELECT formatDateTime(ts, '%F') AS format FROM spans",
    '(SELECT 1) UNION ALL (SELECT 2)',
    'DESCRIBE TABLE spans',
  ])('takes %j', (sql) => expect(refusedSql(sql)).toBeNull());

  test.each([
    '',
    ';',
    'DROP TABLE spans',
    'INSERT INTO spans SELECT 1',
    'SELECT 1; DROP TABLE spans',
    "SELECT * FROM file('/etc/passwd')",
    "SELECT * FROM FILE ('/etc/passwd')",
    "SELECT * FROM `url`('http://localhost')",
    "SELECT * FROM/**/s3/**/('x')",
    "SELECT 1 INTO OUTFILE 'x'",
    'SELECT 1 SETTINGS max_execution_time = 0',
    'SELECT 1 FORMAT Native',
    'SET readonly = 0',
    '/* SELECT */ ALTER TABLE spans DELETE WHERE 1',
  ])('refuses %j with a sentence', (sql) => expect(refusedSql(sql)).toMatch(/\w+ \w+/));
});

describe('CSV', () => {
  test('quotes what needs it and disarms formulas', () => {
    expect(csvOf([{ a: 'x,"y"', b: '=1+1', c: null, d: -5, e: ['z'] }])).toBe(
      'a,b,c,d,e\r\n"x,""y""",\'=1+1,,-5,"[""z""]"\r\n',
    );
  });
});
