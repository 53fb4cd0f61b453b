import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { llmOf, netBookings, runBatches, stepOf } from './step-fixture.ts';

const net = (...batches: readonly (readonly AgentStep[])[]) => netBookings(runBatches(batches).entries);
const figures = (bookings: ReturnType<typeof net>) =>
  bookings.map((one) => [one['input_tokens'], one['output_tokens'], one['calls']]);

describe('a family whose log records are believed', () => {
  const span = llmOf('span', 100, 10, { family: 'codex', parent_span_id: 'turn' });
  const sum = stepOf('turn', {
    family: 'codex',
    step_kind: 'agent',
    span_id: 'turn',
    call: { ...(span.call ?? never()), role: 'wrapper' },
  });
  const silent = stepOf('event', { family: 'codex', signal: 'log', span_id: 'span', step_kind: 'other' });
  const log = llmOf('log', 100, 10, { family: 'codex', signal: 'log', span_id: '' });

  test('has its spans booked in a run where no log record of it is heard', () => {
    expect(figures(net([span]))).toEqual([[100, 10, 1]]);
  });

  test('has none booked where one is heard, even if that tells no call: the call stands in another run', () => {
    expect(net([span, sum, silent])).toEqual([]);
    expect(figures(net([span, sum, silent, log]))).toEqual([[100, 10, 1]]);
  });

  test('takes the booking back when the log record comes late, so that the sum is that of the log alone', () => {
    const { entries, run } = runBatches([[span], [sum], [silent]]);
    expect(entries.map((entry) => [entry.reason, entry.calls])).toEqual([
      ['booked', 1],
      ['superseded', -1],
    ]);
    expect(netBookings(entries)).toEqual([]);
    expect(run['llm_steps']).toBe(0);
  });

  test('says nothing of another family’s spans in the same run', () => {
    const other = llmOf('other', 7, 3, { family: 'otel-gen-ai' });
    expect(figures(net([other, silent, span]))).toEqual([[7, 3, 1]]);
  });

  test('has none booked beyond the steps that are held, either', () => {
    const limits = { stepsMax: 1, callsReserve: 0, duplicatesMax: 10 };
    const { state, entries } = runBatches([[silent], [span]], undefined, limits);
    expect([state.steps.size, entries]).toEqual([1, []]);
    expect(figures(netBookings(runBatches([[silent], [log]], undefined, limits).entries))).toEqual([[100, 10, 1]]);
  });

  test('is judged by its own signal: log records of other families are no such thing', () => {
    expect(figures(net([span, stepOf('x', { family: 'otel-gen-ai', signal: 'log' })]))).toEqual([[100, 10, 1]]);
  });
});

describe('a family whose call tells what ran inside it too', () => {
  const family = 'openai-agents';
  const turn = (id: string, input: number, output: number, parent: string) =>
    llmOf(id, input, output, { family, step_kind: 'workflow', parent_span_id: parent, request_model: null });
  const place = (id: string, kind: AgentStep['step_kind'], parent: string) =>
    stepOf(id, { family, step_kind: kind, parent_span_id: parent });
  const response = (id: string, parent: string) =>
    llmOf(id, null, null, { family, parent_span_id: parent, response_id: `r-${id}`, request_model: null });

  const outer = turn('outer', 1000, 100, 'agent');
  const steps = [
    place('agent', 'agent', ''),
    outer,
    response('own', 'outer'),
    place('tool', 'tool', 'outer'),
    place('inner-agent', 'agent', 'tool'),
    turn('inner-1', 300, 30, 'inner-agent'),
    response('in-1', 'inner-1'),
    place('deep-tool', 'tool', 'inner-1'),
    turn('deepest', 50, 5, 'deep-tool'),
    turn('inner-2', 400, 40, 'inner-agent'),
  ];

  test('is booked without it, at every depth, each call once', () => {
    expect(figures(net(steps)).sort()).toEqual([
      [250, 25, 1],
      [300, 30, 1],
      [400, 40, 1],
      [50, 5, 1],
    ]);
  });

  test('leaves what nobody told unknown: nothing taken out of it is not 0', () => {
    const unknown = { cache_read_tokens: null, cache_write_tokens: null, audio_input_tokens: null };
    for (const booking of net(steps)) expect(booking).toMatchObject({ ...unknown, reasoning_tokens: null });
  });

  test('gives the same when the inner calls come first, last or one at a time', () => {
    const expected = net(steps);
    expect(net([...steps].reverse())).toEqual(expected);
    expect(net(...steps.map((step) => [step]))).toEqual(expected);
    expect(net([outer], steps.slice(5), steps.slice(0, 5))).toEqual(expected);
  });

  test('keeps its figure when it is smaller than what is inside: then it does not contain it', () => {
    const small = turn('outer', 100, 100, 'agent');
    expect(
      figures(net(steps.map((step) => (step === outer ? small : step))))
        .map(([input]) => input)
        .sort(),
    ).toEqual([100, 250, 400, 50]);
  });

  test('that is made of nothing else is no call of its own', () => {
    const bare = [place('tool', 'tool', 'outer'), turn('outer', 300, 30, ''), turn('inner', 300, 30, 'tool')];
    expect(figures(net(bare))).toEqual([[300, 30, 1]]);
  });

  test('and its own model call right below it are one', () => {
    const generation = llmOf('generation', 300, 30, { family, parent_span_id: 'outer', request_model: 'gpt-5' });
    const bookings = net([
      turn('outer', 700, 70, ''),
      generation,
      place('tool', 'tool', 'outer'),
      turn('inner', 400, 40, 'tool'),
    ]);
    expect(bookings.length).toBe(2);
    expect(bookings.find((one) => one['model'] === 'gpt-5')).toMatchObject({ input_tokens: 300, output_tokens: 30 });
  });
});

test('a call without a model takes the one that the work around it names, and none of another agent', () => {
  const request = stepOf('request', { request_model: 'gpt-5' });
  const call = llmOf('call', 10, 1, { request_model: null, parent_span_id: 'request' });
  expect(net([request, call])).toMatchObject([{ model: 'gpt-5', unpriced_reason: null }]);
  const agent = stepOf('agent', { step_kind: 'agent', parent_span_id: 'request' });
  expect(net([request, agent, { ...call, parent_span_id: 'agent' }])).toMatchObject([
    { model: null, unpriced_reason: 'no_model' },
  ]);
});

const never = (): never => {
  throw new Error('the fixture has a call');
};
