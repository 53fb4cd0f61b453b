import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep, encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { ONLY_FOR_HEADER } from '../../schemas/topics.ts';
import { createLedgerFold } from './fold.ts';
import { bookOf, type PriceBook } from './prices/price.ts';
import { bookAsKnownAt, repriceRecords, repriceRun } from './reprice.ts';
import { isReprice, REPRICED_CALLS_MAX, repriceStep } from './reprice-command.ts';
import { parseState, serialiseState } from './state.ts';
import { llmOf, netBookings, runBatches, sumsBy, TEST_PRICES, tableSource } from './step-fixture.ts';

const DEAR: PriceBook = bookOf([tableSource('dear', { 'gpt-5': { input_mtok: '2.5', output_mtok: '20' } })]);
const NEW_MODEL: PriceBook = bookOf([
  tableSource('new', { 'gpt-5': { input_mtok: '1.25', output_mtok: '10' }, 'gpt-9': { input_mtok: '1' } }),
]);
const AT = 1_795_000_900_000;
const one = llmOf('a', 1000, 100);
const two = llmOf('b', 10, 5, { span_id: 'b' });
const unpriced = llmOf('c', 7, null, { span_id: 'c', request_model: 'gpt-9' });
const every = () => true;

const stateOf = (...batches: readonly (readonly AgentStep[])[]): string =>
  serialiseState(runBatches(batches, TEST_PRICES).state);
const commandsOf = (stateText: string, book: PriceBook, atMs = AT): readonly AgentStep[] =>
  repriceRecords(repriceRun(stateText, book, every), atMs).map(({ value }) => {
    const decoded = decodeAgentStep(value);
    return decoded.kind === 'ok' ? decoded.value : expect.fail(decoded.detail);
  });
const costs = (entries: Parameters<typeof netBookings>[0]) =>
  netBookings(entries).map(({ cost_usd, price_id }) => [price_id, cost_usd]);

describe('calls priced anew', () => {
  test('are taken back and booked again, with every dimension and the reason', () => {
    const before = [one, two];
    const { entries } = runBatches([before, commandsOf(stateOf(before), DEAR)], TEST_PRICES);
    const [reversal, booking] = entries.slice(2);
    expect(entries.slice(2).map(({ reason, calls, cost_usd }) => [reason, calls, cost_usd])).toEqual([
      ['repriced', -1, expect.stringMatching(/^-/)],
      ['repriced', 1, expect.any(String)],
      ['repriced', -1, expect.stringMatching(/^-/)],
      ['repriced', 1, expect.any(String)],
    ]);
    expect(reversal?.reverses_entry_id).toBe(entries.find(({ call_id }) => call_id === reversal?.call_id)?.entry_id);
    expect(booking).toMatchObject({ model: 'gpt-5', provider: 'openai', service: 'shop', price_id: 'dear:gpt-5' });
    expect(
      costs(entries)
        .map(([, cost]) => cost)
        .sort(),
    ).toEqual(['0.000125000000', '0.004500000000']);
    expect([...sumsBy(entries, ['run_id']).values()]).toEqual(['2 0.004625000000 1010 0 0 0 105 0 0 0']);
  });

  test('done twice: no change, and nothing left to ask for', () => {
    const commands = commandsOf(stateOf([one, two]), DEAR);
    const ran = runBatches([[one, two], commands, commands], TEST_PRICES);
    expect(ran.entries).toHaveLength(6);
    expect(repriceRun(serialiseState(ran.state), DEAR, every)).toMatchObject({ looked: 2, changed: [] });
    expect(parseState(serialiseState(ran.state))).toEqual(ran.state);
  });

  test('a call nobody could price gets a price, and loses it again', () => {
    const start = [[unpriced]];
    const priced = runBatches([...start, commandsOf(stateOf(...start), NEW_MODEL)], TEST_PRICES);
    expect(costs(priced.entries)).toEqual([['new:gpt-9', '0.000007000000']]);
    const lost = commandsOf(serialiseState(priced.state), TEST_PRICES, AT + 1);
    const after = runBatches([...start, commandsOf(stateOf(...start), NEW_MODEL), lost], TEST_PRICES);
    expect(netBookings(after.entries)).toMatchObject([{ cost_usd: null, unpriced_reason: 'no_price' }]);
  });

  test('the newest word counts: orders, repetitions and batches change nothing', () => {
    const start = [one, two, unpriced];
    const first = commandsOf(stateOf(start), DEAR);
    const dear = runBatches([start, first], TEST_PRICES);
    const back = commandsOf(serialiseState(dear.state), NEW_MODEL, AT + 1);
    const net = netBookings(runBatches([start, first, back], TEST_PRICES).entries);
    expect(costs(runBatches([start, first, back], TEST_PRICES).entries).map(([id]) => id)).toContain('new:gpt-5');
    const again = [...first, ...first, ...back, ...back, ...start];
    fc.assert(
      fc.property(
        fc.shuffledSubarray(again, { minLength: again.length }),
        fc.array(fc.boolean(), { minLength: again.length, maxLength: again.length }),
        (order, cuts) => {
          const batches: AgentStep[][] = [[...start]];
          for (const [at, step] of order.entries()) {
            if (cuts[at] === true) batches.push([]);
            batches.at(-1)?.push(step);
          }
          expect(netBookings(runBatches(batches, TEST_PRICES).entries)).toEqual(net);
        },
      ),
      { seed: 7, numRuns: 60 },
    );
  });

  test('a word about a call as it was does not touch the call as it is', () => {
    const command = commandsOf(stateOf([one]), DEAR);
    const better = llmOf('a2', 1200, 100, { span_id: 'a', signal: 'log' });
    const ran = runBatches([[one, better], command], TEST_PRICES);
    const plain = runBatches([[one, better]], TEST_PRICES);
    const isOther = netBookings(plain.entries).some(({ input_tokens }) => input_tokens !== 1000);
    expect(isOther ? netBookings(ran.entries) : netBookings(plain.entries)).toEqual(netBookings(plain.entries));
  });

  test('by what was known at a time are asked of the book as of that time', () => {
    const later: PriceBook = {
      hash: 'later',
      find: (query) => ((query.knownAtMicros ?? Number.MAX_VALUE) < AT * 1000 ? TEST_PRICES : DEAR).find(query),
    };
    const state = stateOf([one]);
    expect(repriceRun(state, bookAsKnownAt(later, AT * 1000 - 1), every).changed).toEqual([]);
    expect(repriceRun(state, bookAsKnownAt(later, AT * 1000), every).changed).toHaveLength(1);
    expect(repriceRun(state, later, every).changed).toHaveLength(1);
  });

  test('later evidence that tells no other usage leaves the price asked for', () => {
    const parent = llmOf('p', null, null, { span_id: 'p', step_kind: 'agent', call: null, agent_name: 'planner' });
    const child = { ...one, parent_span_id: 'p' };
    const commands = commandsOf(stateOf([child]), DEAR);
    const { entries } = runBatches([[child], commands, [parent]], TEST_PRICES);
    expect(netBookings(entries)).toMatchObject([{ agent_name: 'planner', price_id: 'dear:gpt-5' }]);
  });
});

describe('the command', () => {
  test('is told to the ledger alone, in records of a bounded size, with an id of what it says', () => {
    const many = Array.from({ length: REPRICED_CALLS_MAX + 1 }, (_, at) =>
      llmOf(`s${at}`, 10 + at, 5, { span_id: `s${at}` }),
    );
    const repriced = repriceRun(stateOf(many), DEAR, every);
    const records = repriceRecords(repriced, AT);
    expect(records.map(({ headers, key }) => [headers, key])).toEqual(
      Array.from({ length: 2 }, () => [{ [ONLY_FOR_HEADER]: 'ledger' }, 'acme|run-1']),
    );
    expect(Math.max(...records.map(({ value }) => value.length))).toBeLessThan(300_000);
    expect(repriceRecords(repriced, AT)).toEqual(records);
  });

  test('that cannot be read is refused, never half followed', () => {
    const price = { cost_usd: '1.000000000000', price_id: 'x', unpriced_reason: null, untold: [] };
    const good = { call_id: 'a'.repeat(32), seen_key: 'b'.repeat(16), pricing_key: 'b'.repeat(16), ...price };
    const fold = createLedgerFold(TEST_PRICES);
    const decode = (step: AgentStep) =>
      fold.decode({ offset: 0, timestampMs: AT, key: null, value: encodeAgentStep(step), headers: {} }).kind;
    expect(decode(repriceStep('acme', 'run-1', AT, [good]))).toBe('ok');
    for (const bad of [
      { ...good, cost_usd: '1e9' },
      { ...good, cost_usd: 'NaN' },
      { ...good, cost_usd: null },
      { ...good, unpriced_reason: 'no_price' as const },
      { ...good, call_id: '../x' },
      { ...good, untold: [''] },
    ])
      expect(decode(repriceStep('acme', 'run-1', AT, [good, bad]))).toBe('refused');
    const step = repriceStep('acme', 'run-1', AT, [good]);
    expect(isReprice(step)).toBe(true);
    for (const facts of [{}, { ...step.facts, 'reprice.at': 'now' }, { ...step.facts, 'reprice.calls': '[' }])
      expect(decode({ ...step, facts })).toBe('refused');
  });
});
