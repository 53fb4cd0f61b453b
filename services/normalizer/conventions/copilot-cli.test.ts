import { expect, test } from 'vitest';
import { stepOf } from '../batch-fixture.ts';

const SCOPE = 'github.copilot';

test('the first agent of Copilot CLI is the program; a sub-agent keeps its name; other spans are given none', () => {
  const agent = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.conversation.id': 'c-1' };
  expect(stepOf(agent, {}, SCOPE)).toMatchObject({
    family: 'copilot-cli',
    step_kind: 'agent',
    agent_name: 'copilot-cli',
    session_id: 'c-1',
  });
  expect(stepOf({ ...agent, 'gen_ai.agent.name': 'general-purpose' }, {}, SCOPE).agent_name).toBe('general-purpose');
  expect(stepOf({ 'gen_ai.operation.name': 'chat' }, {}, SCOPE).agent_name).toBeNull();
});

test('premium requests are no money', () => {
  const call = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 1,
    'github.copilot.cost': 3,
  };
  expect(stepOf(call, {}, SCOPE).call).toMatchObject({ role: 'leaf', input_tokens: 10, reported_cost_usd: null });
});
