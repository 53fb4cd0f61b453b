import { describe, expect, test } from 'vitest';
import { conversationFlow, type FlowPart, type FlowStep, type Moment } from './conversation-flow.ts';

const step = (id: string, kind: string, startMs: number, endMs: number, change: Partial<FlowStep> = {}): FlowStep => ({
  step_id: id,
  span_id: id,
  parent_span_id: '',
  signal: 'span',
  step_kind: kind,
  name: id,
  agent_name: null,
  tool_name: null,
  status: 'unset',
  error_type: null,
  error_message: null,
  attempt: null,
  ts_nanos: String(BigInt(startMs) * 1_000_000n),
  duration_ns: (endMs - startMs) * 1e6,
  ...change,
});
const part = (step_id: string, direction: string, role: string, part_kind: string, content: string): FlowPart => ({
  step_id,
  direction,
  role,
  part_kind,
  content,
  content_hash: content,
  content_bytes: content.length,
  is_cut: false,
  pii_classes: [],
});
const call = (name: string, id: string, args: unknown): string => JSON.stringify({ arguments: args, id, name });

const lineOf = (one: Moment): string => {
  if (one.kind === 'said') return `${one.part.role}: ${one.part.content}`;
  if (one.kind === 'asked') return `asks ${one.tool} ${one.input}`;
  if (one.kind === 'failed') return `failed ${one.step.error_message}`;
  return `${one.tool}(${one.input ?? 'as asked'}) = ${one.results.map((result) => result.content).join()}`;
};

const STEPS = [
  step('root', 'agent', 0, 100, { agent_name: 'triage' }),
  step('ask', 'llm', 1, 10, { parent_span_id: 'root' }),
  step('look', 'tool', 11, 20, { parent_span_id: 'root', tool_name: 'lookup' }),
  step('bad', 'llm', 21, 22, { parent_span_id: 'root', status: 'error', error_message: 'HTTP 429' }),
  step('end', 'llm', 23, 30, { parent_span_id: 'root', attempt: 2 }),
];
const PARTS = [
  part('root', 'input', 'user', 'text', 'where is it?'),
  part('root', 'output', 'assistant', 'text', 'shipped'),
  part('ask', 'input', 'user', 'text', 'where is it?'),
  part('ask', 'input', 'tools', 'other', '[{"name":"lookup"}]'),
  part('ask', 'output', 'assistant', 'tool_call', call('lookup', 'c1', { b: 1, a: 'x' })),
  part('look', 'input', 'assistant', 'tool_call', '{"a":"x","b":1}'),
  part('look', 'output', 'tool', 'tool_result', '{"state":"shipped"}'),
  part('end', 'input', 'user', 'text', 'where is it?'),
  part('end', 'input', 'assistant', 'tool_call', call('lookup', 'c1', { b: 1, a: 'x' })),
  part('end', 'input', 'tool', 'tool_result', '{"state":"shipped"}'),
  part('end', 'input', 'input.value', 'other', '{"messages":[]}'),
  part('end', 'output', 'assistant', 'text', 'shipped'),
];

describe('a run as the agent lived it', () => {
  test('each thing stands once, where it happened', () => {
    const flow = conversationFlow(STEPS, PARTS);
    expect(flow.moments.map(lineOf)).toEqual([
      'user: where is it?',
      'asks lookup {"b":1,"a":"x"}',
      'lookup(as asked) = {"state":"shipped"}',
      'failed HTTP 429',
      'assistant: shipped',
    ]);
    expect(flow.moments.map((one) => one.agent)).toEqual(Array(5).fill('triage'));
    expect(flow).toMatchObject({ repeated: 3, raw: 2 });
  });

  test('the order in which rows come changes nothing', () => {
    const backwards = conversationFlow([...STEPS].reverse(), PARTS);
    expect(backwards.moments.map(lineOf)).toEqual(conversationFlow(STEPS, PARTS).moments.map(lineOf));
  });

  test('a tool nobody was seen asking for shows what it was given', () => {
    const flow = conversationFlow(
      STEPS.slice(2, 3),
      PARTS.filter((one) => one.step_id === 'look'),
    );
    expect(flow.moments.map(lineOf)).toEqual(['lookup({"a":"x","b":1}) = {"state":"shipped"}']);
  });

  test('a tool that is called twice with the same arguments is two runs', () => {
    const again = step('again', 'tool', 12, 21, { tool_name: 'lookup', status: 'error' });
    const flow = conversationFlow(
      [...STEPS, again],
      [...PARTS, part('again', 'input', 'assistant', 'tool_call', '{"a":"x","b":1}')],
    );
    expect(flow.moments.filter((one) => one.kind === 'ran')).toHaveLength(2);
  });

  test('an agent that alone recorded content is read itself', () => {
    const flow = conversationFlow(
      STEPS,
      PARTS.filter((one) => one.step_id === 'root'),
    );
    expect(flow.moments.map(lineOf).filter((line) => line.includes(': '))).toEqual([
      'user: where is it?',
      'assistant: shipped',
    ]);
  });

  test('a tool that answered before its asking was rounded up stands behind it', () => {
    const quick = [step('ask', 'llm', 1, 11), step('look', 'tool', 9, 10, { tool_name: 'lookup' })];
    const flow = conversationFlow(quick, PARTS);
    expect(flow.moments.map(lineOf).slice(-2)).toEqual([
      'asks lookup {"b":1,"a":"x"}',
      'lookup(as asked) = {"state":"shipped"}',
    ]);
    const slow = [step('ask', 'llm', 1, 31), step('look', 'tool', 9, 10, { tool_name: 'lookup' })];
    expect(conversationFlow(slow, PARTS).moments.map(lineOf)).toContain(
      'lookup({"a":"x","b":1}) = {"state":"shipped"}',
    );
  });

  test('raw payloads are shown where a step tells nothing else', () => {
    const flow = conversationFlow(STEPS, [part('end', 'input', 'input.value', 'other', '{"messages":[]}')]);
    expect(flow.moments.map(lineOf)).toContain('input.value: {"messages":[]}');
  });

  test('circles of parents, content of unknown steps and text that is no JSON end well', () => {
    const circle = [
      step('a', 'llm', 0, 1, { parent_span_id: 'b' }),
      step('b', 'llm', 0, 1, { parent_span_id: 'a' }),
      step('c', 'llm', 0, 1, { parent_span_id: 'c' }),
    ];
    const flow = conversationFlow(circle, [
      part('a', 'output', 'assistant', 'tool_call', '{"name": cut'),
      part('nobody', 'input', 'user', 'text', 'lost'),
    ]);
    expect(flow.moments.map(lineOf)).toEqual(['asks null {"name": cut']);
    expect(conversationFlow([], [])).toEqual({ moments: [], repeated: 0, raw: 0 });
  });
});
