import { describe, expect, test } from 'vitest';
import { callOf, llmOf, netBookings, runBatches, stepOf } from './step-fixture.ts';

const part = (parent: string) =>
  stepOf('part', {
    parent_span_id: parent,
    call: callOf({ role: 'wrapper', operation: 'other', input_tokens: 40, output_tokens: 5 }),
  });
const booked = (...steps: Parameters<typeof runBatches>[0][number]) =>
  netBookings(runBatches([steps]).entries).map((one) => [one['span_id'], one['input_tokens'], one['output_tokens']]);

describe('a wrapper that no call below it explains', () => {
  test('inside a call that tells its figures, it tells a part of them', () => {
    expect(booked(llmOf('call', 100, 10), part('call'))).toEqual([['call', 100, 10]]);
  });

  test('inside a call that tells nothing, it is the only account there is', () => {
    const figures = booked(llmOf('call', null, null), part('call')).filter(([, input]) => input !== null);
    expect(figures).toEqual([['part', 40, 5]]);
  });

  test('behind a tool another piece of work begins', () => {
    const tool = stepOf('tool', { parent_span_id: 'call', step_kind: 'tool' });
    expect(booked(llmOf('call', 100, 10), tool, part('tool')).length).toBe(2);
  });
});

describe('a call around calls whose figures are no sum of theirs', () => {
  const inner = llmOf('inner', 60, 6, { parent_span_id: 'outer' });

  test('is the sum of more than is told when it is larger: what is told stands, the rest is nobody’s guess', () => {
    expect(booked(llmOf('outer', 100, 10), inner)).toEqual([['inner', 60, 6]]);
  });

  test.each([
    ['has a shorter prompt: it goes on inside itself', llmOf('outer', 50, 10)],
    ['asked another model', llmOf('outer', 100, 10, { request_model: 'claude-haiku-4-5', provider: 'anthropic' })],
  ])('is a call of its own when it %s', (_why, outer) => {
    expect(booked(outer, inner).length).toBe(2);
  });

  test('is a call of its own when both name their answer', () => {
    const named = llmOf('inner', 60, 6, { parent_span_id: 'outer', response_id: 'r-2' });
    expect(booked(llmOf('outer', 100, 10, { response_id: 'r-1' }), named).length).toBe(2);
  });
});
