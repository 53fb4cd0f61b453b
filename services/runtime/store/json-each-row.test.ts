import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeRows } from './json-each-row.ts';

describe('JSONEachRow', () => {
  test('any text comes out as well-formed UTF-8 JSON, one line a row', () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })), { minLength: 1 }),
        (rows) => {
          const lines = new TextDecoder('utf-8', { fatal: true }).decode(encodeRows(rows)).split('\n');
          expect(lines.pop()).toBe('');
          expect(lines.map((line) => JSON.parse(line))).toEqual(
            rows.map((row) =>
              Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toWellFormed(), value.toWellFormed()])),
            ),
          );
        },
      ),
    );
  });

  test('lone surrogates are replaced at any depth, text that spells their escape is kept', () => {
    const rows = [{ a: ['\ud800', { '\udfff': ['x\udbff'] }], b: '\\ud800', n: 1n, u: undefined }];
    expect(encodeRows(rows).toString()).toBe('{"a":["\ufffd",{"\ufffd":["x\ufffd"]}],"b":"\\\\ud800","n":"1"}\n');
  });
});
