import { describe, expect, test } from 'vitest';
import type { PathSpanRow } from './queries/critical-path.ts';
import { wasteOf } from './run-waste.ts';

const call = (span_id: string, start: number, more: Partial<PathSpanRow> = {}): PathSpanRow => ({
  trace_id: 't',
  span_id,
  parent_span_id: '',
  step_id: `step-${span_id}`,
  start,
  end: start + 10,
  name: 'x',
  step_kind: 'tool',
  agent_name: null,
  tool_name: 'search',
  status: 'ok',
  arguments_hash: 'a',
  result_hash: 'r',
  cost_usd: null,
  ...more,
});
const found = (spans: readonly PathSpanRow[], inputs: readonly { content_hash: string; last: number }[] = []) =>
  wasteOf(spans, inputs).found.map(({ reason, step_ids, cost_usd }) => [reason, ...step_ids, cost_usd]);

describe('waste', () => {
  test('a call that repeats an answered one, with what was booked for it and below', () => {
    const below = call('m', 22, { parent_span_id: 'b', step_kind: 'llm', tool_name: null, cost_usd: '0.25' });
    expect(found([call('b', 20, { cost_usd: '0.5' }), below, call('a', 0)])).toEqual([
      ['repeated_call', 'step-b', '0.75'],
    ]);
  });

  test('is none of: other arguments, another answer, side by side, a retry after an error, arguments not told', () => {
    expect(found([call('a', 0), call('b', 20, { arguments_hash: 'z' })])).toEqual([]);
    expect(found([call('a', 0), call('b', 20, { result_hash: 'q' })])).toEqual([]);
    expect(found([call('a', 0), call('b', 5)])).toEqual([]);
    expect(found([call('a', 0, { status: 'error' }), call('b', 20)])).toEqual([]);
    expect(found([call('a', 0, { arguments_hash: null }), call('b', 20, { arguments_hash: null })])).toEqual([]);
  });

  test('of a cost that is not known says so, never nothing', () => {
    expect(found([call('a', 0), call('b', 20)])).toEqual([['repeated_call', 'step-b', null]]);
  });

  test('a result no model was shown afterwards is unused; where no input tells results, nothing is said', () => {
    const spans = [
      call('a', 0, { result_hash: 'seen' }),
      call('b', 20, { arguments_hash: 'z', result_hash: 'unseen' }),
    ];
    const inputs = [{ content_hash: 'seen', last: 50 }];
    expect(found(spans, inputs)).toEqual([['unused_output', 'step-b', null]]);
    expect(found(spans)).toEqual([]);
    expect(wasteOf(spans, []).inputs_told).toBe(false);
  });
});
