import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { callOf, stepOf } from '../ledger/step-fixture.ts';
import { edgeText, netEdges, runBatches } from './run-fixture.ts';

const llm = (id: string, model: string, parent: string, more: Partial<AgentStep>): AgentStep =>
  stepOf(id, { step_kind: 'llm', request_model: model, parent_span_id: parent, call: callOf(), ...more });
const agent = (id: string, name: string, parent = ''): AgentStep =>
  stepOf(id, { step_kind: 'agent', agent_name: name, name: 'invoke_agent', parent_span_id: parent });

describe('an edge that many steps tell', () => {
  const call = (id: string, start: number, provider: string) =>
    llm(id, 'gpt-5', '', { start_unix_micros: start, provider });

  test('carries the ids of the first of them by time, then by id, and the facts of all, sorted', () => {
    const late = call('a', 9_000, 'zeta');
    const first = call('c', 5_000, 'mu');
    const tie = call('d', 5_000, 'alpha');
    for (const batches of [[[late, tie, first]], [[first], [tie], [late]], [[tie], [late], [first]]]) {
      const [edge, ...others] = netEdges(runBatches(batches).rows);
      expect(others).toEqual([]);
      expect([edge?.step_id, edge?.ts]).toEqual([first.step_id, '1970-01-01 00:00:00.005000']);
      expect(edge?.to_fields).toEqual(['provider=alpha', 'provider=mu', 'provider=zeta']);
    }
  });

  test('carries 32 facts at most: the first in order, whatever came first', () => {
    const names = Array.from({ length: 40 }, (_, at) => `p${String(at).padStart(2, '0')}`);
    const steps = [...names].reverse().map((name, at) => call(`s${at}`, 1_000 + at, name));
    const [edge] = netEdges(runBatches(steps.map((step) => [step])).rows);
    expect(edge?.to_fields).toEqual(names.slice(0, 32).map((name) => `provider=${name}`));
  });
});

test('names that hold what parts names elsewhere are kept apart', () => {
  const tool = (id: string, agentName: string, toolName: string) =>
    stepOf(id, { step_kind: 'tool', agent_name: agentName, tool_name: toolName });
  const steps = [tool('a', 'p tool q', 'r'), tool('b', 'p', 'q tool r')];
  expect(netEdges(runBatches([steps]).rows).map(edgeText)).toEqual(
    expect.arrayContaining(['agent:p tool q invokes tool:r', 'agent:p invokes tool:q tool r']),
  );
});

test('an agent with a step of its own is not met a second time where another step only names it', () => {
  const steps = [agent('x', 'lead'), agent('c', 'writer', 'x'), llm('b', 'gpt-5', '', { agent_name: 'writer' })];
  const told = netEdges(runBatches([steps]).rows).map(edgeText);
  expect(told).toContain('agent:lead delegates agent:writer');
  expect(told).not.toContain('run invokes agent:writer');
});

test('of more edges than are kept, the first by time stay, whatever their ids', () => {
  const steps = Array.from({ length: 30 }, (_, at) =>
    stepOf(`t${String(at).padStart(2, '0')}`, {
      step_kind: 'tool',
      tool_name: `tool-${at}`,
      start_unix_micros: 9_000 - at,
    }),
  );
  const told = netEdges(runBatches([steps], { edgesMax: 3 }).rows).map(edgeText);
  expect(told).toEqual(['run invokes tool:* (more)', ...[27, 28, 29].map((at) => `run invokes tool:tool-${at}`)]);
});

test('what an agent reads that a tool called is read by the agent, not by that tool', () => {
  const steps = [
    stepOf('t', { step_kind: 'tool', tool_name: 'ask_refunds' }),
    agent('a', 'refunds', 't'),
    stepOf('x', { signal: 'action', span_id: 'a', step_kind: 'data_access', facts: { 'data.dataset': 'orders' } }),
  ];
  const told = netEdges(runBatches([steps]).rows).map(edgeText);
  expect(told).toContain('agent:refunds reads dataset:orders');
});
