import { describe, expect, test } from 'vitest';
import { callOf, llmOf, netBookings, runBatches, stepOf, sumsBy } from './step-fixture.ts';

const at = (seconds: number, length = 1) => ({
  start_unix_micros: 1_795_000_000_000_000 + seconds * 1_000_000,
  end_unix_micros: 1_795_000_000_000_000 + (seconds + length) * 1_000_000,
});

describe('one model call is counted once', () => {
  test('a log record that repeats its span adds nothing', () => {
    const span = llmOf('a', 100, 10);
    const log = llmOf('b', 100, 10, { signal: 'log', span_id: 'a', scope_name: 'events' });
    const { entries } = runBatches([[log], [span]]);
    expect(netBookings(entries)).toHaveLength(1);
    expect([...sumsBy(entries, []).values()]).toEqual(['1 0.000225000000 100 0 0 0 10 0 0 0']);
  });

  test('equal response ids are one call, and the account with more detail gives the figures', () => {
    const coarse = llmOf('a', 5434, 303, { response_id: 'r1' }, { untold: ['cache_read', 'cache_write'] });
    const fine = llmOf(
      'b',
      4410,
      302,
      { response_id: 'r1', parent_span_id: 'a', scope_name: 'sdk' },
      { cache_read_tokens: 1024, cache_write_tokens: 0 },
    );
    for (const order of [
      [coarse, fine],
      [fine, coarse],
    ]) {
      const [only, ...others] = netBookings(runBatches(order.map((step) => [step])).entries);
      expect(others).toEqual([]);
      expect(only).toMatchObject({
        calls: 1,
        input_tokens: 4410,
        cache_read_tokens: 1024,
        output_tokens: 302,
        untold: [],
      });
    }
  });

  test('twins side by side are one call: equal output, and input equal after adding what was cached', () => {
    const chat = llmOf('a', 3000, 120, { parent_span_id: 'p', ...at(0, 2) });
    const sdk = llmOf(
      'b',
      3000,
      120,
      { parent_span_id: 'p', scope_name: 'sdk', ...at(0.1, 1.8) },
      { cache_read_tokens: 512 },
    );
    expect(netBookings(runBatches([[chat], [sdk]]).entries)).toMatchObject([
      { input_tokens: 3000, cache_read_tokens: 512, output_tokens: 120 },
    ]);
  });

  test('equal calls in parallel from one instrumentation stay apart, each with its own twin', () => {
    const calls = ['a', 'b', 'c'].map((id) => llmOf(id, 50, 5, { parent_span_id: 'p' }));
    const twins = ['x', 'y', 'z'].map((id) => llmOf(id, 50, 5, { parent_span_id: 'p', scope_name: 'sdk' }));
    expect(netBookings(runBatches([calls, twins]).entries)).toHaveLength(3);
  });

  test('an embedding told by an outer and an inner span of one instrumentation is one call', () => {
    const outer = llmOf('a', 22, null, at(0, 3), { operation: 'embeddings' });
    const inner = llmOf('b', 22, null, { parent_span_id: 'a', ...at(1, 1) }, { operation: 'embeddings' });
    expect(netBookings(runBatches([[outer, inner]]).entries)).toMatchObject([{ input_tokens: 22, untold: [] }]);
  });

  test('a call without figures around calls is their wrapper', () => {
    const outer = llmOf('a', null, null, at(0, 9));
    const inner = [1, 2, 3].map((n) => llmOf(`c${n}`, 10 * n, n, { parent_span_id: 'a', ...at(n) }));
    expect(netBookings(runBatches([[outer], inner]).entries)).toHaveLength(3);
  });

  test('a call whose figures are the sum of the calls inside it is their wrapper', () => {
    const outer = llmOf('a', 60, 6, at(0, 9));
    const inner = [1, 2, 3].map((n) => llmOf(`c${n}`, 10 * n, n, { parent_span_id: 'a', ...at(n) }));
    expect(netBookings(runBatches([[outer], inner]).entries)).toHaveLength(3);
  });

  test('a call around an agent that runs below a tool keeps its own figures', () => {
    const outer = llmOf('a', 500, 50, at(0, 9));
    const tool = stepOf('t', { parent_span_id: 'a', step_kind: 'tool', ...at(1, 5) });
    const inner = llmOf('b', null, null, { parent_span_id: 't', ...at(2) });
    expect(netBookings(runBatches([[outer, tool, inner]]).entries)).toHaveLength(2);
  });

  test('failed attempts inside a call that went well are calls of their own', () => {
    const outer = llmOf('a', 100, 10, at(0, 9));
    const failed = llmOf('b', null, null, { parent_span_id: 'a', ...at(1) }, { outcome: 'failed' });
    const good = llmOf('c', 100, 10, { parent_span_id: 'a', ...at(3) });
    const net = netBookings(runBatches([[outer, failed, good]]).entries);
    expect(net.map((booking) => [booking['outcome'], booking['unpriced_reason']]).sort()).toEqual([
      ['failed', 'failed'],
      ['ok', null],
    ]);
  });

  test('one failure told by two instrumentations is one failed call', () => {
    const failed = { outcome: 'failed' } as const;
    const chat = llmOf('a', null, null, { parent_span_id: 'p', status: 'error', ...at(0, 2) }, failed);
    const sdk = llmOf('b', null, null, { parent_span_id: 'p', scope_name: 'sdk', ...at(0.5, 1) }, failed);
    expect(netBookings(runBatches([[chat, sdk]]).entries)).toMatchObject([{ outcome: 'failed', calls: 1 }]);
  });
});

describe('wrappers', () => {
  const wrapper = llmOf('w', 300, 30, { step_kind: 'agent', ...at(0, 9) }, { role: 'wrapper' });

  test('are booked as an aggregate while nothing below them tells usage, and taken back when a leaf comes', () => {
    const leaf = llmOf('a', 300, 30, { parent_span_id: 'w', ...at(1) });
    const first = runBatches([[wrapper]]);
    expect(netBookings(first.entries)).toMatchObject([{ calls: 1, untold: ['calls'], input_tokens: 300 }]);
    const both = runBatches([[wrapper], [leaf]]);
    expect(both.entries.map((entry) => [entry.reason, entry.calls])).toEqual([
      ['booked', 1],
      ['superseded', -1],
      ['booked', 1],
    ]);
    expect(netBookings(both.entries)).toEqual(netBookings(runBatches([[leaf, wrapper]]).entries));
  });

  test('are not booked beside a leaf whose parents have not come', () => {
    const leaf = llmOf('a', 300, 30, { parent_span_id: 'missing', ...at(1) });
    expect(netBookings(runBatches([[wrapper, leaf]]).entries)).toHaveLength(1);
  });

  test('only the innermost of nested ones is booked', () => {
    const inner = llmOf('v', 300, 30, { parent_span_id: 'w', ...at(1, 5) }, { role: 'wrapper' });
    expect(netBookings(runBatches([[wrapper, inner]]).entries)).toMatchObject([{ span_id: 'v' }]);
  });
});

describe('what is not known is never zero', () => {
  test.each([
    ['no usage', llmOf('a', null, null), 'no_usage'],
    ['a failure', llmOf('a', null, null, {}, { outcome: 'failed' }), 'failed'],
    ['an unknown model', llmOf('a', 5, 5, { request_model: 'nobody-knows' }), 'no_price'],
    ['no model', llmOf('a', 5, 5, { request_model: null }), 'no_model'],
  ])('%s is booked with NULL cost and a reason', (_name, step, reason) => {
    expect(netBookings(runBatches([[step]]).entries)).toMatchObject([
      { calls: 1, cost_usd: null, price_id: null, unpriced_reason: reason },
    ]);
  });

  test('the row of the run says what share is unknown', () => {
    const { run } = runBatches([
      [
        llmOf('a', 100, 10),
        llmOf('b', null, null),
        llmOf('c', 5, 5, { request_model: 'nobody-knows' }),
        llmOf('d', null, null, { status: 'error' }, { outcome: 'failed' }),
      ],
    ]);
    expect(run).toMatchObject({
      calls: 4,
      failed_calls: 1,
      unknown_calls: 1,
      unpriced_calls: 1,
      input_tokens: 105,
      output_tokens: 15,
      cost_usd: '0.000225000000',
      errors: 1,
    });
  });

  test('a run without any call has no cost rather than a cost of zero', () => {
    expect(runBatches([[stepOf('a')]]).run).toMatchObject({ calls: 0, cost_usd: null, input_tokens: null });
  });

  test('figures that are no whole number from zero up count as not told', () => {
    const net = netBookings(runBatches([[llmOf('a', -5, Number.NaN, {}, { quantities: { x: Number.NaN } })]]).entries);
    expect(net).toMatchObject([{ input_tokens: null, output_tokens: null, unpriced_reason: 'no_usage' }]);
  });
});

describe('dimensions', () => {
  test('facts that come later correct the booking as enriched', () => {
    const call = llmOf('a', 100, 10, { parent_span_id: 'p' });
    const agent = stepOf('p', {
      step_kind: 'agent',
      agent_name: 'refunds',
      session_id: 'sess-42',
      labels: { team: 'x' },
    });
    const { entries } = runBatches([[call], [agent]]);
    expect(entries.map((entry) => [entry.reason, entry.calls, entry.agent_name])).toEqual([
      ['booked', 1, null],
      ['enriched', -1, null],
      ['enriched', 1, 'refunds'],
    ]);
    expect(netBookings(entries)).toMatchObject([{ session_id: 'sess-42', labels: { team: 'x' } }]);
    expect([...sumsBy(entries, ['agent_name']).keys()]).toEqual(['["refunds"]']);
  });

  test('the nearest agent above counts, and a session of the run goes to all its calls unless there are two', () => {
    const outer = stepOf('o', { agent_name: 'triage' });
    const inner = stepOf('i', { agent_name: 'refunds', parent_span_id: 'o' });
    const call = llmOf('a', 1, 1, { parent_span_id: 'i' });
    const elsewhere = stepOf('e', { session_id: 's1' });
    const other = stepOf('f', { session_id: 's2' });
    expect(netBookings(runBatches([[outer, inner, call, elsewhere]]).entries)).toMatchObject([
      { agent_name: 'refunds', session_id: 's1' },
    ]);
    expect(netBookings(runBatches([[outer, inner, call, elsewhere, other]]).entries)).toMatchObject([
      { session_id: null },
    ]);
  });

  test('parents that form a loop end the search', () => {
    const a = llmOf('a', 1, 1, { parent_span_id: 'b' });
    const b = llmOf('b', 2, 2, { parent_span_id: 'a' });
    expect(netBookings(runBatches([[a, b]]).entries)).toHaveLength(2);
  });
});

describe('copies and redeliveries', () => {
  test('the same log position again changes nothing', () => {
    const step = llmOf('a', 100, 10);
    const { entries, duplicates, run } = runBatches([[step, step], [step]]);
    expect(entries).toHaveLength(1);
    expect(duplicates).toEqual([]);
    expect(run).toMatchObject({ steps: 1 });
  });

  test('a copy from another position is written down once and counts once', () => {
    const step = llmOf('a', 100, 10);
    const copy = { ...step, log_partition: 1 };
    const { entries, duplicates } = runBatches([[step], [copy], [copy, step]]);
    expect(entries).toHaveLength(1);
    expect(duplicates).toMatchObject([{ step_id: 'a', log_partition: 1, batch_id: 'batch-1' }]);
  });

  test('beyond the limit calls are still booked once each, also when redelivered', () => {
    const limits = { stepsMax: 3, callsReserve: 2, duplicatesMax: 1 };
    const steps = Array.from({ length: 12 }, (_, n) =>
      n % 2 === 0 ? stepOf(`s${n}`, { log_offset: n }) : llmOf(`s${n}`, 10, 1, { log_offset: n, ...at(n) }),
    );
    const { entries, run, state } = runBatches([steps, steps, steps.slice(6)], undefined, limits);
    expect(state.steps.size).toBe(5);
    expect(entries).toHaveLength(6);
    expect(new Set(entries.map((entry) => entry.entry_id)).size).toBe(6);
    expect(run).toMatchObject({ steps: 12, calls: 6, input_tokens: 60, llm_steps: 6 });
  });
});

test('the row of a run names its root, its agents and its span of time', () => {
  const root = stepOf('r', { name: 'checkout', agent_name: 'triage', user_id: 'user-7', ...at(0, 10) });
  const call = llmOf('a', 1, 1, { parent_span_id: 'r', agent_name: 'refunds', response_model: 'gpt-5-2025-08-07' });
  const tool = stepOf('t', { parent_span_id: 'r', step_kind: 'tool', tool_name: 'lookup', ...at(2) });
  expect(runBatches([[call], [tool, root]]).run).toMatchObject({
    tenant_id: 'acme',
    run_id: 'run-1',
    version: '2',
    first_ts: '2026-11-18 11:06:40.000000',
    last_ts: '2026-11-18 11:06:50.000000',
    name: 'checkout',
    root_agent: 'triage',
    agents: ['refunds', 'triage'],
    models: ['gpt-5-2025-08-07'],
    tools: ['lookup'],
    families: ['test'],
    user_id: 'user-7',
    steps: 3,
    llm_steps: 1,
    tool_steps: 1,
    logged_at: '2026-11-18 11:06:42.500',
  });
});

test('a call without any detail told falls back to what is known of its twin', () => {
  const span = stepOf('a', { step_kind: 'llm', response_model: 'gpt-5', call: callOf() });
  const log = llmOf('b', 7, 3, { signal: 'log', span_id: 'a', agent_name: 'writer' });
  expect(netBookings(runBatches([[span, log]]).entries)).toMatchObject([
    { model: 'gpt-5', agent_name: 'writer', input_tokens: 7, span_id: 'a' },
  ]);
});
