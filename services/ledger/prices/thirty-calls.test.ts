import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { NO_TOKENS, type TokenBuckets } from '../../../schemas/ledger-entry.ts';
import { COST_DECIMALS, parseScaled } from '../money.ts';
import { timeMicros } from '../utc-time.ts';
import { loadPriceBook } from './book.ts';
import { explainCost } from './cost.ts';
import { isPrice, type PriceBook } from './price.ts';
import { findPrice, priceCall } from './price-call.ts';

interface HandMade {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly at: string;
  readonly service_tier: string | null;
  readonly tokens: Partial<TokenBuckets>;
  readonly quantities: Readonly<Record<string, number>>;
  readonly usd: string;
  readonly by_hand: readonly string[];
  readonly sources: readonly string[];
  /** A price file of its own, by lines: for what is no price of the shipped ones. */
  readonly price_file?: readonly string[];
}

const ROOT = new URL('../../../', import.meta.url);
const DIR = new URL('config/prices/', ROOT);
/** The files as they are shipped. */
const SHIPPED = readdirSync(DIR).map((name) => ({
  path: `config/prices/${name}`,
  text: readFileSync(new URL(name, DIR), 'utf8'),
  problem: null,
}));
const bookWith = (own: readonly string[] = []): PriceBook => {
  const file = { path: 'fixture.yaml', text: own.join('\n'), problem: null };
  const read = loadPriceBook(own.length === 0 ? SHIPPED : [...SHIPPED, file]);
  if (read.kind === 'refused') throw new Error(JSON.stringify(read.problems));
  return read.book;
};
const { calls, sources } = JSON.parse(
  readFileSync(new URL('test/fixtures/prices/thirty-calls.json', ROOT), 'utf8'),
) as {
  readonly calls: readonly HandMade[];
  readonly sources: Readonly<
    Record<string, { readonly url?: string; readonly commit?: string; readonly date?: string }>
  >;
};

/** `12345 input_tokens x 2.5 x 1.0942 / 1000000` in units of 1e-12: fractions of whole numbers, nothing of the ledger's. */
const handUnits = (line: string): bigint => {
  const [product = '', per = '1'] = line.split(' / ');
  const factors = product.split(' x ').map((factor) => factor.split(' ')[0] ?? '');
  const places = factors.reduce((sum, factor) => sum + (factor.split('.')[1]?.length ?? 0), 0);
  const whole = factors.reduce((all, factor) => all * BigInt(factor.replace('.', '')), 1n) * 10n ** 12n;
  const unit = BigInt(per) * 10n ** BigInt(places);
  if (whole % unit !== 0n) throw new Error(`${line} does not come out even`);
  return whole / unit;
};

const inputOf = (call: HandMade) => ({
  provider: call.provider,
  models: [call.model, null],
  tsMicros: timeMicros(call.at) ?? Number.NaN,
  region: null,
  tier: call.service_tier,
  tenant: 'acme',
  account: null,
  usage: {
    tokens: { ...NO_TOKENS, ...call.tokens },
    quantities: call.quantities,
    calls: 1,
    isAggregate: false,
    hasUsage: true,
    outcome: 'ok' as const,
    untold: [],
  },
});

describe('thirty calls by hand from the public prices of their time', () => {
  test('there are thirty at least, of different providers, tiers, classes and dates, each with where its price is told', () => {
    expect(calls.length).toBeGreaterThanOrEqual(30);
    expect(new Set(calls.map((call) => call.provider)).size).toBeGreaterThanOrEqual(8);
    expect([...new Set(calls.map((call) => call.service_tier))].sort()).toEqual(
      [null, 'batch', 'default', 'flex', 'priority'].sort(),
    );
    const used = new Set(calls.flatMap((call) => [...Object.keys(call.tokens), ...Object.keys(call.quantities)]));
    expect([...used].sort()).toEqual([...Object.keys(NO_TOKENS), 'audio_seconds', 'images', 'web_searches'].sort());
    for (const call of calls) {
      expect([call.name, call.sources.length > 0]).toEqual([call.name, true]);
      for (const key of call.sources) {
        const told = sources[key];
        const isTold = told?.url !== undefined || (told?.commit !== undefined && told.date !== undefined);
        expect([call.name, key, isTold]).toEqual([call.name, key, true]);
      }
    }
  });

  test('the sum by hand is the sum of its lines, by arithmetic of its own', () => {
    for (const call of calls) {
      const sum = call.by_hand.reduce((all, line) => all + handUnits(line), 0n);
      expect([call.name, sum]).toEqual([call.name, BigInt(call.usd.replace('.', ''))]);
    }
  });

  test.each(calls)('$name', (call) => {
    const priced = priceCall(bookWith(call.price_file), inputOf(call));
    expect(priced).toMatchObject({ unpriced_reason: null, untold: [] });
    const difference =
      (parseScaled(priced.cost_usd ?? '', COST_DECIMALS) ?? 0n) - (parseScaled(call.usd, COST_DECIMALS) ?? 0n);
    // 1e-9 USD in units of 1e-12.
    expect([priced.cost_usd, difference <= 1_000n && difference >= -1_000n]).toEqual([priced.cost_usd, true]);
    expect(priced.cost_usd).toBe(call.usd);
  });

  test('each has as many lines as were worked out by hand, and they come to its cost', () => {
    for (const call of calls) {
      const input = inputOf(call);
      const price = findPrice(bookWith(call.price_file), input);
      if (!isPrice(price)) throw new Error(call.name);
      const { lines, cost_usd } = explainCost(price, input.usage);
      expect([call.name, lines.length]).toEqual([call.name, call.by_hand.length]);
      const sum = lines.reduce((all, line) => all + (parseScaled(line.cost_usd, COST_DECIMALS) ?? 0n), 0n);
      expect([call.name, sum]).toEqual([call.name, parseScaled(cost_usd ?? '', COST_DECIMALS)]);
    }
  });
});
