import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCsv } from './price-reconcile-csv.ts';
import { READY_MADE, readMapping } from './price-reconcile-map.ts';
import { readInvoice } from './price-reconcile-read.ts';

const MAPPING = readMapping(
  'map.yaml',
  `columns:
  {day: Date, model: Model name, account: Workspace, calls: Requests, input_tokens: Input, cache_read_tokens: Cached, output_tokens: Output, cost_usd: Amount}
`,
);
const HEAD = 'Date,Model name,Workspace,Requests,Input,Cached,Output,Amount\n';

describe('an export', () => {
  test('in CSV comes back as it was written, whatever its fields hold', () => {
    const cell = fc
      .string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r\n', 'é', '1'), maxLength: 6 })
      .map((text) => text.trim());
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 8 }), fc.constantFrom('\n', '\r\n'), (rows, end) => {
        const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const text = [['x', 'y'], ...rows].map((row) => row.map(quoted).join(',')).join(end);
        const read = readCsv(text);
        expect(read.kind === 'ok' ? read.rows.map(({ cells }) => [...cells.values()]) : read).toEqual(rows);
      }),
      { seed: 5 },
    );
  });

  test.each([
    ['x,y\n1,2,3', '2: 3 fields where the header has 2'],
    ['x,y\n1,"2', '2: a quote that is never closed'],
    ['x,y\n1,2"3"', '2: a quote inside a field'],
    ['x,y\n"1"2,3', '2: text after a closing quote'],
    ['x,x\n1,2', '1: two columns of one name'],
    ['', '1: no header'],
  ])('that is no table is refused with its line: %j', (text, problem) => {
    const read = readCsv(text);
    expect(read.kind === 'wrong' ? `${read.line}: ${read.problem}` : 'ok').toContain(problem);
  });

  test('may name a model like something every object has', () => {
    const { groups } = readInvoice('i.csv', `${HEAD}2026-05-01,constructor,__proto__,1,1,1,1,1`, MAPPING);
    expect([...groups.keys()]).toEqual(['["2026-05-01","constructor","__proto__"]']);
    expect(READY_MADE.get('constructor')).toBeUndefined();
  });

  test('whose figures are none is refused with every line; a mapping with its key', () => {
    const read = () =>
      readInvoice('i.csv', `${HEAD}May,m,w,1,1,1,1,1\n2026-05-01,m,w,-1,1,1,1,1\n2026-05-01,m,w,1,1,1,1,1e`, MAPPING);
    expect(read).toThrow(/i\.csv:2[\s\S]*i\.csv:3[\s\S]*i\.csv:4/);
    expect(() => readInvoice('i.csv', 'Date,Model name\n', MAPPING)).toThrow(/no column/);
    expect(() => readMapping('m.yaml', 'columns: { day: a, model: b, cost: c }')).toThrow(/m\.yaml:1/);
    expect(() => readMapping('m.yaml', 'columns: { day: a, model: b }')).toThrow(/no figure/);
  });
});
