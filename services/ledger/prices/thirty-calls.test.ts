import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { TokenBuckets } from '../../../schemas/ledger-entry.ts';
import { COST_DECIMALS, parseScaled } from '../money.ts';
import { timeMicros } from '../utc-time.ts';
import { loadPriceBook } from './book.ts';
import { explainCost } from './cost.ts';
import { isPrice } from './price.ts';
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
}

const ROOT = new URL('../../../', import.meta.url);
const DIR = new URL('config/prices/', ROOT);
/** The files as they are shipped. */
const SHIPPED = loadPriceBook(
  readdirSync(DIR).map((name) => ({
    path: `config/prices/${name}`,
    text: readFileSync(new URL(name, DIR), 'utf8'),
    problem: null,
  })),
);
const { calls } = JSON.parse(readFileSync(new URL('test/fixtures/prices/thirty-calls.json', ROOT), 'utf8')) as {
  readonly calls: readonly HandMade[];
};

const NO_TOKENS: TokenBuckets = {
  input_tokens: null,
  cache_read_tokens: null,
  cache_write_tokens: null,
  cache_write_1h_tokens: null,
  output_tokens: null,
  reasoning_tokens: null,
  audio_input_tokens: null,
  audio_output_tokens: null,
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
  if (SHIPPED.kind === 'refused') throw new Error(JSON.stringify(SHIPPED.problems));
  const { book } = SHIPPED;

  test('there are thirty', () => {
    expect(calls).toHaveLength(30);
  });

  test.each(calls)('$name', (call) => {
    const priced = priceCall(book, inputOf(call));
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
      const price = findPrice(book, input);
      if (!isPrice(price)) throw new Error(call.name);
      const { lines, cost_usd } = explainCost(price, input.usage);
      expect([call.name, lines.length]).toEqual([call.name, call.by_hand.length]);
      const sum = lines.reduce((all, line) => all + (parseScaled(line.cost_usd, COST_DECIMALS) ?? 0n), 0n);
      expect([call.name, sum]).toEqual([call.name, parseScaled(cost_usd ?? '', COST_DECIMALS)]);
    }
  });
});
