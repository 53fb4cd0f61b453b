import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createDice } from '../../test/support/random.ts';
import { bookOf } from '../ledger/prices/price.ts';
import { llmOf, runBatches, tableSource } from '../ledger/step-fixture.ts';
import type { Row } from '../runtime/ports.ts';
import { reconciledLines, reconcileWith } from './price-reconcile.ts';
import { readCsv } from './price-reconcile-csv.ts';
import { type Mapping, READY_MADE, readMapping } from './price-reconcile-map.ts';
import { readInvoice } from './price-reconcile-read.ts';

const SEED = 97;
const START_MS = Date.parse('2026-05-01T00:00:00Z');
const HOUR_MS = 3_600_000;
const LIST = bookOf([
  tableSource('list', {
    small: { input_mtok: '0.25', cache_read_mtok: '0.025', output_mtok: '2' },
    large: { input_mtok: '2.5', cache_read_mtok: '0.25', output_mtok: '15' },
  }),
]);
const YAML = `
provider: maker
columns:
  day: Date
  model: Model name
  account: Workspace
  calls: Requests
  input_tokens: Input
  cache_read_tokens: Cached
  output_tokens: Output
  cost_usd: Amount
models: { "Large (v1)": large }
`;
const HEAD = 'Date,Model name,Workspace,Requests,Input,Cached,Output,Amount\n';
const MAPPING = readMapping('map.yaml', YAML);

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
  const dice = createDice(SEED);
  const rows: Row[] = [];
  for (let run = 0; run < 40; run += 1) {
    const steps = Array.from({ length: 10 }, (_, at) => {
      const micros = (START_MS + dice.within(0, 72) * HOUR_MS) * 1000 + at;
      return llmOf(
        `${run}-${at}`,
        dice.within(1, 50_000),
        dice.within(1, 3_000),
        {
          ...{ run_id: `run-${run}`, span_id: `s${at}`, trace_id: `t${run}`, provider: 'maker' },
          ...{ request_model: dice.pick(['small', 'large']), account: run % 2 === 0 ? 'wrk-a' : 'wrk-b' },
          ...{ start_unix_micros: micros, end_unix_micros: micros + 5 },
        },
        { cache_read_tokens: dice.within(0, 20_000), reasoning_tokens: dice.within(0, 500) },
      );
    });
    rows.push(
      ...(runBatches([steps], LIST, undefined, `acme|run-${run}`).entries as readonly unknown[] as readonly Row[]),
    );
  }
  await engine.store.insert('ledger_entries', rows, { token: 'seed' });
});
afterAll(() => engine.close());

interface Line {
  readonly Date: string;
  readonly 'Model name': string;
  readonly Workspace: string;
  readonly Requests: number;
  readonly Input: number;
  readonly Cached: number;
  readonly Output: number;
  readonly Amount: number;
}
/** What a provider would bill of just what the ledger has. */
const fairLines = async (): Promise<readonly Line[]> => {
  const rows = await engine.store.query<Record<keyof Line, string>>(
    `SELECT toString(toDate(ts)) AS Date, if(model = 'large', 'Large (v1)', toString(model)) AS "Model name",
       toString(account) AS Workspace, sum(calls) AS Requests, sum(input_tokens) AS Input, sum(cache_read_tokens) AS Cached,
       sum(output_tokens) + sum(reasoning_tokens) AS Output, sum(cost_usd) AS Amount
     FROM ledger_entries GROUP BY Date, "Model name", Workspace ORDER BY Date, "Model name", Workspace`,
  );
  return rows.map((row) => ({
    ...{ Date: row.Date, 'Model name': row['Model name'], Workspace: row.Workspace },
    ...{ Requests: Number(row.Requests), Input: Number(row.Input), Cached: Number(row.Cached) },
    ...{ Output: Number(row.Output), Amount: Number(row.Amount) },
  }));
};
const csvOf = (lines: readonly Line[], places = 4): string =>
  [
    'Date,Model name,Workspace,Requests,Input,Cached,Output,Amount',
    ...lines.map((line) =>
      [
        line.Date,
        `"${line['Model name']}"`,
        line.Workspace,
        line.Requests,
        line.Input,
        line.Cached,
        line.Output,
        line.Amount.toFixed(places),
      ].join(','),
    ),
  ].join('\r\n');
const compared = (text: string, mapping: Mapping = MAPPING) =>
  reconcileWith(engine.store, LIST, readInvoice('invoice.csv', text, mapping), mapping, null);
const usd = (amount: bigint | null): number => Number(amount ?? Number.NaN) / 1e12;

describe(`an invoice against the ledger (seed ${SEED})`, () => {
  test('a fair one differs by its rounding alone', async () => {
    const { gaps, invoice, ledger } = await compared(csvOf(await fairLines()));
    expect(new Set(gaps.map(({ cause }) => cause))).toEqual(new Set(['rounding']));
    expect(gaps.reduce((sum, gap) => sum + (gap.usd ?? 0n), 0n)).toBe((invoice ?? 0n) - ledger);
    expect((await compared(csvOf(await fairLines(), 9))).gaps.filter(({ cause }) => cause !== 'rounding')).toEqual([]);
  });

  test('planted gaps of each cause are found, named, and their amounts add up', async () => {
    const [lacking, extra, dearer, gone, ...fair] = await fairLines();
    if (lacking === undefined || extra === undefined || dearer === undefined || gone === undefined)
      expect.fail('no lines');
    const rate = (line: Line) => (line['Model name'] === 'small' ? [0.25, 2] : [2.5, 15]);
    const costOf = (line: Line, input: number, output: number) => {
      const [inputRate = 0, outputRate = 0] = rate(line);
      return (input * inputRate + output * outputRate) / 1e6;
    };
    const planted: readonly Line[] = [
      // Three calls the ledger never saw.
      {
        ...lacking,
        Requests: lacking.Requests + 3,
        Input: lacking.Input + 90_000,
        Output: lacking.Output + 4_000,
        Amount: lacking.Amount + costOf(lacking, 90_000, 4_000),
      },
      // One the ledger has too many, and the rest at another price.
      {
        ...extra,
        Requests: extra.Requests - 1,
        Input: extra.Input - 40_000,
        Amount: extra.Amount - costOf(extra, 40_000, 0) + 0.5,
      },
      { ...dearer, Amount: dearer.Amount * 1.1 },
      { ...gone, Date: '2026-05-03', 'Model name': 'unheard-of', Amount: 7.25 },
      ...fair,
    ];
    const reconciled = await compared(csvOf(planted));
    const found = reconciled.gaps.filter(({ cause }) => cause !== 'rounding');
    const keyed = (line: Line) =>
      JSON.stringify([line.Date, line['Model name'] === 'small' ? 'small' : 'large', line.Workspace]);
    const at = (key: string) => found.filter((gap) => gap.key === key).map((gap) => [gap.cause, gap.calls, gap.tokens]);
    expect(at(keyed(lacking))).toEqual([['capture', 3, { input_tokens: 90_000, output_tokens: 4_000 }]]);
    expect(at(keyed(extra))).toEqual([
      ['capture', -1, { input_tokens: -40_000 }],
      ['price', null, {}],
    ]);
    expect(at(keyed(dearer))).toEqual([['price', 0, {}]]);
    expect(at(keyed(gone)).map(([cause, calls]) => [cause, calls])).toEqual([['capture', -gone.Requests]]);
    const unheard = found.find((gap) => gap.key.includes('unheard-of'));
    expect([unheard?.cause, unheard?.calls, usd(unheard?.usd ?? null)]).toEqual(['capture', gone.Requests, 7.25]);
    const amount = (key: string, cause: string) =>
      usd(found.find((gap) => gap.key === key && gap.cause === cause)?.usd ?? null);
    expect(amount(keyed(lacking), 'capture')).toBeCloseTo(costOf(lacking, 90_000, 4_000), 9);
    expect(amount(keyed(extra), 'capture')).toBeCloseTo(-costOf(extra, 40_000, 0), 9);
    expect(amount(keyed(extra), 'price')).toBeCloseTo(0.5, 3);
    expect(amount(keyed(dearer), 'price')).toBeCloseTo(dearer.Amount * 0.1, 3);
    expect(amount(keyed(gone), 'capture')).toBeCloseTo(-gone.Amount, 9);
    expect(found).toHaveLength(6);
    const sum = reconciled.gaps.reduce((total, gap) => total + (gap.usd ?? 0n), 0n);
    expect(sum).toBe((reconciled.invoice ?? 0n) - reconciled.ledger);
    const lines = reconciledLines(reconciled);
    expect(lines.find((line) => line.startsWith('price '))).toBeDefined();
    expect(lines.at(-4)).toMatch(/^capture +4 gaps, /);
  });

  test('amounts without usage, and tokens without a price, are not given a cause they may not have', async () => {
    const [first, ...rest] = await fairLines();
    if (first === undefined) expect.fail('no lines');
    const only = readMapping(
      'map.yaml',
      'columns: { day: Date, model: Model name, account: Workspace, cost_usd: Amount }\nmodels: { "Large (v1)": large }',
    );
    const costs = await compared(csvOf([{ ...first, Amount: first.Amount + 1 }, ...rest]), only);
    expect(costs.gaps.filter(({ cause }) => cause !== 'rounding').map(({ cause }) => cause)).toEqual(['undecided']);
    const { gaps } = await reconcileWith(
      engine.store,
      bookOf([tableSource('none', {})]),
      readInvoice('i.csv', csvOf([{ ...first, Input: first.Input + 5 }, ...rest]), MAPPING),
      MAPPING,
      null,
    );
    expect(gaps.filter(({ cause }) => cause !== 'rounding').map(({ cause }) => cause)).toEqual(['undecided']);
  });

  test('the pages of the usage API are read as they come', async () => {
    const lines = await fairLines();
    const page = {
      object: 'page',
      data: [...Map.groupBy(lines, (line) => line.Date)].map(([day, own]) => ({
        ...{ object: 'bucket', start_time: Date.parse(day) / 1000, end_time: Date.parse(day) / 1000 + 86_400 },
        results: own.map((line, at) => ({
          ...{ object: 'organization.usage.completions.result', user_id: null, batch: null },
          ...{ model: line['Model name'] === 'small' ? 'small' : 'large', project_id: line.Workspace },
          ...{ input_tokens: line.Input + line.Cached + (day === '2026-05-02' && at === 0 ? 1_000 : 0) },
          ...{ input_cached_tokens: line.Cached, output_tokens: line.Output, num_model_requests: line.Requests },
        })),
      })),
      has_more: false,
      next_page: null,
    };
    const mapping = { ...(READY_MADE.get('openai-usage') ?? expect.fail('no form')), provider: 'maker' };
    const pages = await compared(JSON.stringify(page), mapping);
    expect(pages.gaps.map(({ cause, tokens }) => [cause, tokens])).toEqual([['capture', { input_tokens: 1_000 }]]);
    expect(pages.invoice).toBeNull();
    const perLine = page.data.map((bucket) => JSON.stringify({ ...page, data: [bucket] })).join('\n');
    expect(await compared(perLine, mapping)).toEqual(pages);
  });
});

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
