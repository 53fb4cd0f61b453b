import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createDice } from '../../test/support/random.ts';
import { bookOf } from '../ledger/prices/price.ts';
import { llmOf, runBatches, tableSource } from '../ledger/step-fixture.ts';
import type { Row } from '../runtime/ports.ts';
import { reconciledLines, reconcileWith } from './price-reconcile.ts';
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

describe('the forms that are known', () => {
  const formOf = (name: string): Mapping => ({
    ...(READY_MADE.get(name) ?? expect.fail(`no form ${name}`)),
    provider: 'maker',
  });
  const buckets = async (results: (line: Line) => readonly object[], start: (day: string) => object) =>
    JSON.stringify({
      data: [...Map.groupBy(await fairLines(), (line) => line.Date)].map(([day, own]) => ({
        ...start(day),
        results: own.flatMap(results),
      })),
    });
  const nameOf = (line: Line): string => (line['Model name'] === 'small' ? 'small' : 'large');
  const startingAt = (day: string) => ({ starting_at: `${day}T00:00:00Z`, ending_at: `${day}T24:00:00Z` });
  const causes = ({ gaps }: { readonly gaps: readonly { readonly cause: string }[] }) => [
    ...new Set(gaps.map(({ cause }) => cause)),
  ];

  test('the usage report of Anthropic: cache classes stand within', async () => {
    const text = await buckets(
      (line) => [
        {
          ...{ model: nameOf(line), workspace_id: line.Workspace, service_tier: 'standard', api_key_id: null },
          ...{ uncached_input_tokens: line.Input, cache_read_input_tokens: line.Cached, output_tokens: line.Output },
          cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 7 },
          server_tool_use: { web_search_requests: 0 },
        },
      ],
      startingAt,
    );
    const { gaps } = await compared(text, formOf('anthropic-usage'));
    expect(gaps.length).toBeGreaterThan(0);
    for (const gap of gaps) expect(gap).toMatchObject({ cause: 'capture', tokens: { cache_write_1h_tokens: 7 } });
  });

  test('the cost report of Anthropic: amounts in cents, searches without a model', async () => {
    const report = (web: readonly object[]) =>
      buckets((line) => {
        const half = { currency: 'USD', model: nameOf(line), workspace_id: line.Workspace, cost_type: 'tokens' };
        return [{ ...half, amount: (line.Amount * 100).toFixed(10) }, ...web];
      }, startingAt);
    expect(
      causes(await compared(await report([]), formOf('anthropic-cost'))).filter((cause) => cause !== 'rounding'),
    ).toEqual([]);
    const search = { currency: 'USD', model: null, workspace_id: 'wrk-a', cost_type: 'web_search', amount: '2.5' };
    const searched = await compared(await report([search]), formOf('anthropic-cost'));
    const [day, model] = JSON.parse(searched.gaps.find(({ cause }) => cause !== 'rounding')?.key ?? '[]');
    expect([typeof day, model]).toEqual(['string', '']);
    const euro = { ...search, currency: 'EUR' };
    await expect(report([euro]).then((text) => compared(text, formOf('anthropic-cost')))).rejects.toThrow(
      /is not USD: EUR/,
    );
  });

  test('the costs of OpenAI: a line item begins with the model, amounts are binary fractions', async () => {
    const text = await buckets(
      (line) => [
        {
          line_item: `${nameOf(line)}, input`,
          project_id: line.Workspace,
          amount: { value: line.Amount / 3, currency: 'usd' },
        },
        {
          line_item: `${nameOf(line)}, output`,
          project_id: line.Workspace,
          amount: { value: (line.Amount * 2) / 3, currency: 'usd' },
        },
      ],
      (day) => ({ object: 'bucket', start_time: Date.parse(day) / 1000 }),
    );
    const { invoice, ledger, gaps } = await compared(text, formOf('openai-costs'));
    expect(Math.abs(Number((invoice ?? 0n) - ledger))).toBeLessThan(1_000);
    expect(causes({ gaps }).filter((cause) => cause !== 'rounding')).toEqual([]);
  });

  test('lines of another service are left out, and accounts the ledger was not told of do not count', async () => {
    const micros = Date.parse('2026-06-01T00:00:00Z') * 1000;
    const times = { start_unix_micros: micros, end_unix_micros: micros + 5 };
    const step = llmOf('bare', 1_000_000, 0, { ...times, request_model: 'small', provider: 'bare' });
    const { entries } = runBatches([[step]], LIST, undefined, 'acme|bare');
    await engine.store.insert('ledger_entries', entries as readonly unknown[] as readonly Row[], { token: 'bare' });
    const focus = `ChargePeriodStart,ServiceName,SkuMeter,SubAccountId,BilledCost,BillingCurrency
2026-06-01T00:00:00Z,Models,Small tokens,111,0.10,USD
2026-06-01T00:00:00Z,Models,Small tokens,222,0.15,USD
2026-06-01T00:00:00Z,Storage,Bytes,111,9.00,EUR
`;
    const mapping = readMapping(
      'focus.yaml',
      `provider: bare
columns: {day: ChargePeriodStart, model: SkuMeter, account: SubAccountId, cost_usd: BilledCost, currency: BillingCurrency}
only: {ServiceName: Models}
models: {Small tokens: small}
`,
    );
    const { invoice, ledger, gaps } = await compared(focus, mapping);
    expect([usd(invoice), usd(ledger), gaps.filter(({ cause }) => cause !== 'rounding')]).toEqual([0.25, 0.25, []]);
  });
});
