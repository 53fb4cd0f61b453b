import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../runtime/config.ts';
import { ConfigError } from '../runtime/errors.ts';
import { openPrices } from './open-prices.ts';
import { priceCheck } from './price-check.ts';
import { listPrices, unpricedLines } from './price-list.ts';
import { createWorld, type World } from './world.ts';

let dir: string;
const printed: string[] = [];
let world: World;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tacho-prices-'));
  const config = loadConfig(null, { TACHO_PRICES_DIR: dir });
  const real = createWorld(config, new AbortController().signal, 'silent');
  world = { ...real, print: (line) => void printed.push(line), progress: () => {} };
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const check = async (text: string): Promise<readonly [code: number, lines: string]> => {
  writeFileSync(join(dir, 'own.yaml'), text);
  printed.length = 0;
  const code = await priceCheck(world, dir, false);
  return [code, printed.join('\n')];
};

describe('tacho price check', () => {
  test('a book that loads: its gaps, what it holds, and how old the list is', async () => {
    const [code, lines] = await check(`prices:
  - {id: a, models: [m], rates: {input_mtok: 1}, effective_from: 2026-01-01, effective_to: 2026-02-01}
  - {id: b, models: [m], rates: {input_mtok: 2}, effective_from: 2026-03-01}`);
    expect(code).toBe(0);
    expect(lines).toContain(`gap   ${join(dir, 'own.yaml')}:3:5 m: no price of a file from 2026-02-01 to 2026-03-01`);
    expect(lines).toContain('2 prices and 0 capacities in 1 files load');
    expect(lines).toMatch(/genai-prices-[\d.]+: \d{4} public prices, published 2026-\d\d-\d\d, \d+ days ago/);
  });

  test('a book that does not: every mistake with its place, and exit 1; nothing starts with it', async () => {
    const [code, lines] = await check('prices:\n  - {id: a, models: [m], rates: {input_mtok: x}, color: red}');
    expect(code).toBe(1);
    expect(lines).toContain(`${join(dir, 'own.yaml')}:2:46 prices.0.rates.input_mtok: is "x"; allowed:`);
    expect(lines).toContain('prices.0.color: is unknown key');
    await expect(openPrices(world.config)).rejects.toBeInstanceOf(ConfigError);
  });
});

describe('tacho price list', () => {
  test('shows own prices, and by name the public ones', async () => {
    await check('prices: [{id: a, models: [house-1], service_tier: batch, percent_off: 12.5, rates: {input_mtok: 1}}]');
    printed.length = 0;
    expect(await listPrices(world, null, false)).toBe(0);
    expect(printed.slice(1)).toEqual([
      expect.stringMatching(/^own:a#\w{8} {2}house-1 {2}batch .*12\.5% off input_mtok=1$/),
    ]);
    printed.length = 0;
    await listPrices(world, 'claude-opus-4-5', true);
    expect(printed[0]).toContain(':anthropic/claude-opus-4-5');
  });

  test('says of what has no price what is near it, and what the totals cover', () => {
    const model = {
      ...{ provider: 'openai', model: 'gpt-5-minni', reason: 'no_price', calls: 3, runs: 1 },
      ...{
        input_tokens: 10,
        output_tokens: null,
        first_ts: '',
        last_ts: '',
        example_tenant_id: '',
        example_run_id: '',
      },
      nearest: [{ provider: 'openai', model: 'gpt-5-mini' }],
    };
    const coverage = { calls: 10, priced_calls: 7, cost_usd: '1.50' };
    expect(unpricedLines({ coverage, models: [model], is_cut: false })).toEqual([
      '70.0 % of 10 calls have a price; 1.5 USD is the cost of these alone',
      '  openai/gpt-5-minni: 3 calls, 10 in, ? out tokens: no_price; known: openai/gpt-5-mini',
    ]);
  });
});
