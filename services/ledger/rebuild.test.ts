import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { ONLY_FOR_HEADER } from '../../schemas/topics.ts';
import { rebuildRun } from './rebuild.ts';
import { recognisedAnew } from './recognition.ts';
import { parseState, serialiseState } from './state.ts';
import { llmOf, netBookings, runBatches, stepOf, TEST_PRICES } from './step-fixture.ts';

const wrong = llmOf('a', 900, 50, { request_model: 'gpt-4.1', family: 'generic' });
const other = llmOf('b', 10, 5, { request_model: 'gpt-4.1', span_id: 'b' });
const call = (step: AgentStep) => step.call ?? expect.fail('no call');
/** Half of the input was cached, as a newer convention knows. */
const right: AgentStep = {
  ...wrong,
  family: 'vendor',
  call: { ...call(wrong), input_tokens: 450, cache_read_tokens: 450 },
};
const noCall: AgentStep = { ...wrong, family: 'vendor', step_kind: 'agent', call: null };
const AT = 1_795_000_900_000;

const stateOf = (...batches: readonly (readonly AgentStep[])[]): string =>
  serialiseState(runBatches(batches, TEST_PRICES).state);
const stepsIn = (records: ReturnType<typeof rebuildRun>['records']): readonly AgentStep[] =>
  records.map(({ value }) => {
    const decoded = decodeAgentStep(value);
    return decoded.kind === 'ok' ? decoded.value : expect.fail(decoded.detail);
  });

describe('steps read anew', () => {
  test('book the difference, and say why', () => {
    const { entries, records } = rebuildRun(stateOf([wrong, other]), [right, other], AT, TEST_PRICES);
    expect(records).toHaveLength(1);
    expect(records[0]?.headers).toEqual({ [ONLY_FOR_HEADER]: 'ledger' });
    expect(
      entries.map(({ reason, calls, input_tokens, cache_read_tokens }) => [
        reason,
        calls,
        input_tokens,
        cache_read_tokens,
      ]),
    ).toEqual([
      ['re_recognised', -1, -900, null],
      ['re_recognised', 1, 450, 450],
    ]);
  });

  test('what is shown is what the ledger books when it reads the records', () => {
    const shown = rebuildRun(stateOf([wrong, other]), [right, other], AT, TEST_PRICES);
    const booked = runBatches([[wrong, other], stepsIn(shown.records)], TEST_PRICES).entries.slice(2);
    const figures = (entries: readonly object[]) =>
      entries.map((entry) => ({ ...entry, booked_at: '', batch_id: '', logged_at: '' }));
    expect(figures(booked)).toEqual(figures(shown.entries));
  });

  test('a call that is none any more is taken back', () => {
    const { entries } = rebuildRun(stateOf([wrong]), [noCall], AT, TEST_PRICES);
    expect(entries.map(({ reason, calls }) => [reason, calls])).toEqual([['re_recognised', -1]]);
  });

  test('nothing is booked where they are read as before, and of steps the run does not hold', () => {
    expect(rebuildRun(stateOf([wrong]), [wrong], AT, TEST_PRICES)).toEqual({ entries: [], records: [] });
    const unknown = stepOf('unknown', { run_id: wrong.run_id, tenant_id: wrong.tenant_id });
    expect(rebuildRun(stateOf([wrong]), [unknown], AT, TEST_PRICES)).toEqual({ entries: [], records: [] });
  });

  test('the newest reading counts: orders, repetitions and redelivered originals change nothing', () => {
    const first = recognisedAnew(noCall, AT);
    const last = recognisedAnew(right, AT + 1);
    const net = netBookings(runBatches([[wrong, other], [first], [last]], TEST_PRICES).entries);
    expect(net.map(({ input_tokens }) => input_tokens).sort()).toEqual([10, 450]);
    fc.assert(
      fc.property(fc.shuffledSubarray([first, last, last, wrong, other], { minLength: 5 }), (order) => {
        const played = runBatches([[wrong, other], ...order.map((step) => [step])], TEST_PRICES);
        expect(netBookings(played.entries)).toEqual(net);
        expect(parseState(serialiseState(played.state))).toEqual(played.state);
      }),
      { seed: 11, numRuns: 40 },
    );
  });
});
