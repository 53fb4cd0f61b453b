import { describe, expect, test } from 'vitest';
import { loadPriceBook } from './book.ts';
import { bookOf, costOf, micros, priceOf, queryOf, read } from './book-fixture.ts';
import type { PriceQuery } from './price.ts';
import { createPriceBook } from './registry.ts';

const problemsOf = (...texts: readonly string[]): readonly string[] => {
  const loaded = read(...texts);
  return loaded.kind === 'loaded' ? [] : loaded.problems.map(({ key, value }) => `${key}: ${value}`);
};
const notesOf = (text: string): readonly string[] => {
  const loaded = read(text);
  return loaded.kind === 'loaded' ? loaded.notes.map((note) => `${note.place} ${note.text}`) : ['refused'];
};

const OWN = (more: string, rates = '{input_mtok: 1, output_mtok: 2}'): string =>
  `  - {id: a, models: [house-model], rates: ${rates}${more}}`;

describe('a price file', () => {
  test('that is empty, or all comments, is a book without own prices', () => {
    for (const text of ['', '# nothing\n', 'prices:\n', 'prices: []\n'])
      expect(bookOf(text).hash).toBe(createPriceBook().hash);
  });

  test('is refused with the place of every mistake, and so are all files beside it', () => {
    const text = `prices:
  - id: a
    models: [m]
    rates: {input_mtok: -1}
    colour: red
  - id: b
    models: ["a*b"]
    percent_off: 101
  - id: c
    models: [m]
    effective_from: 2026-02-30
    rates: {inputs: 1}
`;
    expect(problemsOf('prices: []', text)).toEqual([
      'p1.yaml:4:25 prices.0.rates.input_mtok: -1',
      'p1.yaml:5:13 prices.0.colour: unknown key',
      'p1.yaml:7:14 prices.1.models.0: "a*b"',
      'p1.yaml:8:18 prices.1.percent_off: 101',
      'p1.yaml:11:21 prices.2.effective_from: "2026-02-30"',
    ]);
    expect(problemsOf('prices:\n  - {id: c, models: [m], rates: {inputs: 1}}')).toEqual([
      'p0.yaml:2:42 prices.0.rates.inputs: inputs',
    ]);
    expect(problemsOf('prices:\n  - {id: c, models: [m]}')).toEqual(['p0.yaml:2:5 prices.0: no price']);
    expect(problemsOf('prices: [')).toEqual(['p0.yaml:1:10: BAD_INDENT']);
  });

  test('a file that cannot be read refuses the book', () => {
    const loaded = loadPriceBook([{ path: 'x.yaml', text: null, problem: 'is a folder' }]);
    expect(loaded).toMatchObject({ kind: 'refused', problems: [{ key: 'x.yaml', value: 'is a folder' }] });
  });

  test('two prices for one call at one time are refused, over files too, and both places named', () => {
    const first = `prices:\n${OWN(', effective_from: 2026-01-01, effective_to: 2026-03-01')}`;
    const second = `prices:\n${OWN(', effective_from: 2026-02-28')}`;
    const loaded = read(first, second);
    if (loaded.kind === 'loaded') throw new Error('loaded');
    expect(loaded.problems).toMatchObject([
      {
        key: 'p1.yaml:2:5',
        value: 'a (house-model), from 2026-02-28',
        allowed: expect.stringContaining('p0.yaml:2:5'),
      },
    ]);
    expect(problemsOf(first, `prices:\n${OWN(', effective_from: 2026-03-01')}`)).toEqual([]);
  });

  test('times without a price of a file, and prices that end with nothing after them, are named', () => {
    const text = `prices:\n${OWN(', effective_from: 2026-01-01, effective_to: 2026-02-01')}\n${OWN(', effective_from: 2026-03-01, effective_to: 2026-04-01')}`;
    expect(notesOf(text)).toEqual([
      'p0.yaml:3:5 house-model: no price of a file from 2026-02-01 to 2026-03-01 (after a, before a); the list price counts there',
      'p0.yaml:3:5 house-model: a ends 2026-04-01 and nothing follows; the list price counts from then on',
    ]);
    expect(notesOf(`prices:\n${OWN('')}`)).toEqual([]);
  });

  test('what it says makes the hash, not how it is written', () => {
    const one = bookOf(`prices:\n${OWN('')}`);
    expect(bookOf(`# a comment\nprices:\n\n${OWN('')}\n`).hash).toBe(one.hash);
    expect(bookOf(`prices:\n${OWN('', '{input_mtok: 1, output_mtok: 3}')}`).hash).not.toBe(one.hash);
    expect(bookOf(`prices:\n${OWN(', effective_to: 2030-01-01')}`).hash).not.toBe(one.hash);
  });

  test('hostile names and amounts are refused or harmless', () => {
    expect(problemsOf('prices: [{id: a, models: [m], rates: {__proto__: 1}}]')).not.toEqual([]);
    expect(problemsOf('prices: [{id: a, models: [m], rates: {input_mtok: 1e400}}]')).not.toEqual([]);
    expect(problemsOf('prices: [{id: a, models: [m], rates: {input_mtok: .inf}}]')).not.toEqual([]);
    expect(problemsOf(`a: &a [x, x]\nb: &b [*a, *a]\nprices: [*b]`)).not.toEqual([]);
    const book = bookOf('prices: [{id: a, models: ["*"], rates: {input_mtok: 1, output_mtok: 1}}]');
    for (const name of ['__proto__', 'x'.repeat(100_000), ' ', '\u0000'])
      expect(() => book.find(queryOf(name))).not.toThrow();
  });
});

describe('which price counts', () => {
  test('the one in force at the time of the call, from its first moment on', () => {
    const book = bookOf(
      `prices:\n${OWN(', effective_to: 2026-06-01', '{input_mtok: 1, output_mtok: 1}')}\n${OWN(', effective_from: 2026-06-01', '{input_mtok: 5, output_mtok: 5}')}`,
    );
    const at = (time: string): string | null =>
      costOf(priceOf(book, queryOf('house-model', { tsMicros: micros(time) })), { input_tokens: 1_000_000 }).cost_usd;
    expect([at('2026-05-31T23:59:59Z'), at('2026-06-01T00:00:00Z')]).toEqual(['1.000000000000', '5.000000000000']);
  });

  test('what became known later counts from then on, and did not before', () => {
    const book = bookOf(
      `prices:\n${OWN(', effective_from: 2026-01-01, known_since: 2026-01-01', '{input_mtok: 1, output_mtok: 1}')}\n${OWN(', effective_from: 2026-05-01, known_since: 2026-07-01', '{input_mtok: 3, output_mtok: 3}')}`,
    );
    const cost = (knownAt: string | null): string | null => {
      const known = knownAt === null ? {} : { knownAtMicros: micros(knownAt) };
      return costOf(priceOf(book, queryOf('house-model', known)), { input_tokens: 1_000_000 }).cost_usd;
    };
    expect([cost('2026-06-30'), cost('2026-07-01'), cost(null)]).toEqual([
      '1.000000000000',
      '3.000000000000',
      '3.000000000000',
    ]);
    expect(book.find(queryOf('house-model', { knownAtMicros: micros('2025-12-31') }))).toEqual({ reason: 'no_price' });
  });

  test('the narrowest: tier, tenant, account, region, whole name, longer beginning', () => {
    const rate = (usd: number): string => `rates: {input_mtok: ${usd}, output_mtok: ${usd}}`;
    const book = bookOf(`prices:
  - {id: any, models: ["*"], ${rate(1)}}
  - {id: house, models: ["house-*"], ${rate(2)}}
  - {id: whole, models: [house-model], ${rate(3)}}
  - {id: region, models: ["*"], region: EU-West-1, ${rate(4)}}
  - {id: account, models: ["*"], account: a1, ${rate(5)}}
  - {id: tenant, models: ["*"], tenant: t1, ${rate(6)}}
  - {id: tier, models: ["*"], service_tier: Batch, ${rate(7)}}
  - {id: provider, provider: Acme-Host, models: [other], ${rate(8)}}
  - {id: dated, models: [house-model-2026-01-01], ${rate(9)}}
`);
    const input = (query: PriceQuery): number => Number(priceOf(book, query).rates.get('input_mtok')?.base) / 1e18;
    const all = { region: 'eu-west-1', account: 'a1', tenant: 't1', tier: 'batch' } as const;
    expect(input(queryOf('x'))).toBe(1);
    expect(input(queryOf('House-2'))).toBe(2);
    expect(input(queryOf('house-model'))).toBe(3);
    expect(input(queryOf('house-model-2026-02-02'))).toBe(3);
    expect(input(queryOf('house-model-2026-01-01'))).toBe(9);
    expect(input(queryOf('house-model', { region: 'eu-west-1' }))).toBe(4);
    expect(input(queryOf('house-model', { ...all, tenant: null, tier: null }))).toBe(5);
    expect(input(queryOf('house-model', { ...all, tier: 'standard' }))).toBe(6);
    expect(input(queryOf('house-model', all))).toBe(7);
    expect(input(queryOf('other'))).toBe(8);
    expect(input(queryOf('other', { provider: 'elsewhere' }))).toBe(1);
  });

  test('percent off is off the list, a tier off what the same caller pays otherwise', () => {
    const book = bookOf(`prices:
  - {id: contract, provider: anthropic, models: ["claude-*"], account: a1, percent_off: 20}
  - {id: batch, provider: anthropic, models: ["*"], service_tier: batch, percent_off: 50}
  - {id: dearer, provider: openai, models: [gpt-4.1], region: eu, percent_off: -10}
  - {id: nothing, provider: acme-host, models: ["*"], percent_off: 50}
`);
    const cost = (query: PriceQuery): string | null =>
      costOf(priceOf(book, query), { input_tokens: 1_000_000, cache_read_tokens: 1_000 }).cost_usd;
    const sonnet = { provider: 'anthropic', account: 'a1' } as const;
    expect(cost(queryOf('claude-sonnet-4-5', { provider: 'anthropic' }))).toBe('6.000600000000');
    expect(cost(queryOf('claude-sonnet-4-5', sonnet))).toBe('4.800480000000');
    expect(cost(queryOf('claude-sonnet-4-5', { ...sonnet, tier: 'batch' }))).toBe('2.400240000000');
    expect(cost(queryOf('claude-sonnet-4-5', { ...sonnet, provider: null }))).toBe('4.800480000000');
    expect(cost(queryOf('gpt-4.1', { provider: 'openai', region: 'EU' }))).toBe('2.200550000000');
    expect(book.find(queryOf('nobody-lists-this'))).toEqual({ reason: 'no_price' });
    const id = priceOf(book, queryOf('claude-sonnet-4-5', sonnet)).price_id;
    expect(id).toMatch(/^own:contract#[0-9a-f]{8}\/genai-prices-[\d.]+:anthropic\/claude-sonnet-4-5$/);
  });

  test('a price in another currency has the rate of the day of the call', () => {
    const book = bookOf(`currencies:
  EUR: [{from: 2026-01-01, usd: "1.10"}, {from: 2026-06-15, usd: "1.20", known_since: 2026-06-16}]
prices:
  - {id: eu, models: [house-model], currency: EUR, effective_from: 2026-01-01, rates: {input_mtok: 1, output_mtok: 1}}
`);
    const cost = (time: string, more: Partial<PriceQuery> = {}): string | null =>
      costOf(priceOf(book, queryOf('house-model', { tsMicros: micros(time), ...more })), { input_tokens: 1_000_000 })
        .cost_usd;
    expect([cost('2026-06-14T23:59:59Z'), cost('2026-06-15')]).toEqual(['1.100000000000', '1.200000000000']);
    const unknown = book.find(
      queryOf('house-model', { tsMicros: micros('2026-06-15'), knownAtMicros: micros('2026-06-15') }),
    );
    expect(unknown).toEqual({ reason: 'no_price' });
    expect(problemsOf('prices: [{id: a, models: [m], currency: CHF, rates: {input_mtok: 1}}]')).toEqual([
      'p0.yaml:1:10 currency: CHF',
    ]);
    const early = `currencies: {EUR: [{from: 2026-01-01, usd: 1}]}\nprices: [{id: a, models: [m], currency: EUR, effective_from: 2025-12-31, rates: {input_mtok: 1}}]`;
    expect(problemsOf(early)).toEqual(['p0.yaml:2:10 effective_from: 2025-12-31']);
  });
});
