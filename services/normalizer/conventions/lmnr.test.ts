import { describe, expect, test } from 'vitest';
import { stepOf } from '../batch-fixture.ts';

describe('lmnr', () => {
  test('an observed tool, with its arguments, session and workflow', () => {
    const step = stepOf(
      {
        'lmnr.span.type': 'TOOL',
        'lmnr.span.path': '["support","triage","lookup"]',
        'lmnr.span.input': '{"id":1}',
        'lmnr.span.output': '"ok"',
        'lmnr.association.properties.session_id': 's',
        'lmnr.association.properties.user_id': 'u',
      },
      { name: 'lookup' },
    );
    expect(step).toMatchObject({
      family: 'lmnr',
      step_kind: 'tool',
      tool_name: 'lookup',
      tool_arguments: '{"id":1}',
      workflow: 'support',
      session_id: 's',
      user_id: 'u',
    });
  });

  test('a call written by hand is a call, a function is nothing by itself', () => {
    const call = stepOf({
      'lmnr.span.type': 'LLM',
      'gen_ai.request.model': 'gpt-5',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 3,
    });
    expect(call).toMatchObject({ family: 'lmnr', step_kind: 'llm', call: { role: 'leaf', input_tokens: 7 } });
    expect(stepOf({ 'lmnr.span.type': 'DEFAULT', 'lmnr.span.input': '{}' })).toMatchObject({ step_kind: 'other' });
  });

  test('a path of one text, and one that is none', () => {
    const workflow = (path: string) => stepOf({ 'lmnr.span.path': path }, { name: 'step' }).workflow;
    expect(workflow('outer.step')).toBe('outer');
    expect(workflow('step')).toBeNull();
    expect(workflow('[1]')).toBeNull();
  });
});
