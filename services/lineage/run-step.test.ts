import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { callOf, stepOf } from '../ledger/step-fixture.ts';
import { edgeText, netEdges, runBatches } from './run-fixture.ts';
import { serialiseState } from './state.ts';

const agent = (id: string, name: string | null, parent = '', more: Partial<AgentStep> = {}): AgentStep =>
  stepOf(id, { step_kind: 'agent', agent_name: name, name: 'invoke_agent', parent_span_id: parent, ...more });
const tool = (id: string, name: string, parent = '', more: Partial<AgentStep> = {}): AgentStep =>
  stepOf(id, { step_kind: 'tool', tool_name: name, parent_span_id: parent, ...more });
const llm = (id: string, model: string | null, parent = '', more: Partial<AgentStep> = {}): AgentStep =>
  stepOf(id, { step_kind: 'llm', request_model: model, parent_span_id: parent, call: callOf(), ...more });
const handOff = (id: string, parent: string, more: Partial<AgentStep>): AgentStep =>
  stepOf(id, { step_kind: 'delegation', parent_span_id: parent, ...more });
const action = (id: string, span: string, more: Partial<AgentStep>): AgentStep =>
  stepOf(id, { signal: 'action', span_id: span, ...more });

const told = (...steps: readonly AgentStep[]): readonly string[] => netEdges(runBatches([steps]).rows).map(edgeText);

describe('agents', () => {
  test('a nested agent was delegated to by the nearest agent above, through any plumbing and the tool that called it', () => {
    const steps = [
      agent('a', 'triage'),
      tool('b', 'ask_refunds', 'a'),
      stepOf('c', { parent_span_id: 'b' }),
      agent('d', 'refunds', 'c', { agent_id: 'ag-2' }),
      tool('e', 'issue_refund', 'd'),
    ];
    expect(told(...steps)).toEqual([
      'agent:refunds invokes tool:issue_refund',
      'agent:triage delegates agent:refunds [agent_id=ag-2]',
      'agent:triage invokes tool:ask_refunds',
      'run invokes agent:triage',
    ]);
  });

  test('an agent that wraps itself does not delegate to itself', () => {
    expect(told(agent('a', 'triage'), agent('b', 'triage', 'a'), tool('c', 'search', 'b'))).toEqual([
      'agent:triage invokes tool:search',
      'run invokes agent:triage',
    ]);
  });

  test('an agent without a name is no node: what it does is told of the one above', () => {
    const steps = [agent('a', null), tool('b', 'task', 'a'), agent('c', null, 'b', { name: 'invoke_agent explorer' })];
    expect(told(...steps)).toEqual(['run invokes agent:explorer [named_by=span]', 'run invokes tool:task']);
  });

  test("the model in a span's name is not taken for the agent's", () => {
    expect(told(agent('a', null, '', { name: 'invoke_agent gpt-5', request_model: 'gpt-5' }))).toEqual([]);
  });

  test('an agent that only its steps name is met, and only once it has no step of its own', () => {
    const named = llm('b', 'gpt-5', 'x', { agent_name: 'writer' });
    expect(told(named)).toContain('run invokes agent:writer (parent_missing)');
    const steps = [agent('x', 'lead'), named, agent('c', 'writer', 'x')];
    expect(told(...steps)).toEqual([
      'agent:lead delegates agent:writer',
      'agent:writer uses_model model:gpt-5',
      'run invokes agent:lead',
    ]);
  });
});

describe('hand-offs', () => {
  test.each([
    [
      'its arguments',
      { tool_name: 'transfer_to_agent', tool_arguments: '{"agent_name":"Refund Desk"}' },
      'Refund Desk',
    ],
    ['the form a tool name gives an agent', { tool_name: 'transfer_to_refund_desk' }, 'Refund Desk'],
    ['the name of its span', { name: 'handoff to Refund Desk', tool_name: 'handoff_to_refund_desk' }, 'Refund Desk'],
    ['an agent that never came', { tool_name: 'transfer_to_billing', tool_arguments: '{cut' }, 'billing'],
  ])('go where %s says', (_what, more, target) => {
    const edges = told(agent('a', 'triage'), handOff('b', 'a', more), agent('c', 'Refund Desk'));
    expect(edges).toContain(`agent:triage hands_off agent:${target}`);
  });

  test('without a target stay visible as the tool they are', () => {
    expect(told(agent('a', 'triage'), handOff('b', 'a', { tool_name: 'transfer_to_agent' }))).toContain(
      'agent:triage invokes tool:transfer_to_agent',
    );
  });

  test('come from the agent they name, where they name one', () => {
    const step = handOff('b', '', { name: 'handoff to refunds', tool_arguments: '{"from_agent":"triage"}' });
    expect(told(step)).toEqual(['agent:triage hands_off agent:refunds']);
  });

  test('between runs are told by the link of an agent step', () => {
    const step = agent('a', 'refunds', '', { links: [{ trace_id: 'other-trace', span_id: 'x' }] });
    expect(told(step)).toContain('run:other-trace hands_off run');
  });
});

describe('models', () => {
  test('the one that answered counts, else the one asked for; an enclosing account of the same call adds none', () => {
    const steps = [
      agent('a', 'triage'),
      llm('b', 'gpt-5', 'a'),
      llm('c', 'gpt-5', 'b', { response_model: 'gpt-5-2025-08-07', provider: 'openai' }),
      llm('d', 'claude-x', 'a'),
    ];
    expect(told(...steps).filter((edge) => edge.includes('uses_model'))).toEqual([
      'agent:triage uses_model model:claude-x',
      'agent:triage uses_model model:gpt-5-2025-08-07 [provider=openai]',
    ]);
  });

  test('a sum over calls names a model only where no call itself was told', () => {
    const sum = llm('a', 'gpt-5', '', { call: callOf({ role: 'wrapper' }) });
    expect(told(sum)).toEqual(['run uses_model model:gpt-5 (sums_only)']);
    expect(told(sum, llm('b', 'gpt-5-mini', 'a'))).toEqual(['run uses_model model:gpt-5-mini']);
  });
});

describe('data, hosts and users', () => {
  const data = { 'data.namespace': 'postgres://db:5432', 'data.name': 'shop.orders' };

  test.each([
    ['SELECT', ['reads']],
    ['insert', ['writes']],
    ['read_write', ['reads', 'writes']],
    ['', ['reads']],
  ])('a data access %s', (operation, ways) => {
    const facts = operation === '' ? data : { ...data, 'data.operation': operation };
    const steps = [tool('t', 'query', 'gone'), action('x', 't', { step_kind: 'data_access', facts })];
    const fields = ' [name=shop.orders, namespace=postgres://db:5432]';
    expect(told(...steps).filter((edge) => edge.includes('dataset'))).toEqual(
      ways.map((way) => `tool:query ${way} dataset:postgres://db:5432/shop.orders${fields}`),
    );
  });

  test('a word for an operation that nobody knows is kept, and taken as reading', () => {
    const step = action('x', '', { facts: { 'data.dataset': 'faq', 'data.operation': 'frobnicate' } });
    expect(told(step)).toEqual(['run reads dataset:faq [operation=frobnicate]']);
  });

  test('what leaves is a write to the host, unless its method only asks', () => {
    const egress = (method: string | null) =>
      told(
        action('x', '', {
          step_kind: 'egress',
          agent_name: 'triage',
          facts: { 'egress.host': 'API.Example.com', ...(method === null ? {} : { 'egress.method': method }) },
        }),
      );
    expect(egress(null)).toContain('agent:triage writes host:api.example.com');
    expect(egress('POST')).toContain('agent:triage writes host:api.example.com');
    expect(egress('get')).toContain('agent:triage reads host:api.example.com');
  });

  test('files are files', () => {
    const local = action('x', '', { facts: { 'data.namespace': 'file', 'data.name': '/etc/passwd' } });
    const mcp = tool('y', 'read', '', {
      facts: { 'mcp.method': 'resources/read', 'mcp.resource': 'file:///srv/a%20b.md' },
    });
    expect(told(local, mcp)).toEqual([
      'run invokes tool:read',
      'run reads file:/etc/passwd',
      'tool:read reads file:/srv/a%20b.md',
    ]);
  });

  test('whom an agent acts for outranks who called it', () => {
    expect(told(agent('a', 'triage', '', { user_id: 'svc', on_behalf_of: 'alice' }))).toContain(
      'agent:triage acts_for user:alice',
    );
  });
});

describe('what comes late, never, or wrong', () => {
  test('a late parent moves the edge: the old one is taken back, the new one set', () => {
    const { rows } = runBatches([[tool('t', 'search', 'a')], [agent('a', 'triage')]]);
    expect(rows.map((row) => `${row.weight} ${edgeText(row)}`)).toEqual([
      '1 run invokes tool:search (parent_missing)',
      '1 agent:triage invokes tool:search',
      '1 run invokes agent:triage',
      '-1 run invokes tool:search (parent_missing)',
    ]);
  });

  test('an edge that is taken back and comes again has another id', () => {
    const first = llm('b', 'gpt-5', 'x', { call: callOf({ role: 'wrapper' }), start_unix_micros: 5 });
    const again = llm('b', 'gpt-5', 'x', { call: callOf({ role: 'wrapper' }), start_unix_micros: 5, user_id: 'u' });
    const { rows } = runBatches([[first], [llm('c', 'mini', '')], [again]]);
    expect(new Set(rows.map((row) => row.edge_id)).size).toBe(rows.length);
  });

  test('parents in a circle end at one of them', () => {
    const steps = [agent('a', 'one', 'c'), agent('b', 'two', 'a'), agent('c', 'three', 'b')];
    expect(told(...steps)).toEqual([
      'agent:one delegates agent:two',
      'agent:two delegates agent:three',
      'run invokes agent:one (parent_missing)',
    ]);
  });

  test('a chain of 50,000 spans is judged without nesting, and a batch more takes no new rows', () => {
    const chain = Array.from({ length: 50_000 }, (_, at) =>
      stepOf(`s${String(at).padStart(5, '0')}`, {
        parent_span_id: at === 0 ? '' : `s${String(at - 1).padStart(5, '0')}`,
        ...(at === 0 ? { step_kind: 'agent' as const, agent_name: 'deep' } : {}),
        ...(at === 49_999 ? { step_kind: 'tool' as const, tool_name: 'last' } : {}),
      }),
    );
    const { rows, state } = runBatches([chain, chain.slice(0, 5)]);
    expect(netEdges(rows).map(edgeText)).toEqual(['agent:deep invokes tool:last', 'run invokes agent:deep']);
    expect(serialiseState(state).length).toBeLessThan(4_000_000);
  });

  test('beyond what is held an edge is told once, marked, and stays', () => {
    const limits = { stepsMax: 2, tellingReserve: 0, edgesMax: 10 };
    const steps = [agent('a', 'triage'), tool('b', 'search', 'a')];
    const late = [tool('c', 'pay', 'b'), tool('d', 'search', 'a')];
    const { rows } = runBatches([steps, late, late], limits);
    expect(netEdges(rows).map(edgeText)).toEqual([
      'agent:triage invokes tool:pay (summarised)',
      'agent:triage invokes tool:search',
      'run invokes agent:triage',
    ]);
  });

  test('more edges than are kept become one that stands for them', () => {
    const tools = Array.from({ length: 30 }, (_, at) =>
      tool(`t${String(at).padStart(2, '0')}`, `tool-${at}`, '', { start_unix_micros: 1_000 + at }),
    );
    const limits = { stepsMax: 100, tellingReserve: 0, edgesMax: 5 };
    const inOrder = netEdges(runBatches([tools], limits).rows);
    expect(inOrder.map(edgeText)).toContain('run invokes tool:* (more)');
    expect(inOrder).toHaveLength(6);
    expect(
      netEdges(
        runBatches(
          [...tools].reverse().map((step) => [step]),
          limits,
        ).rows,
      ),
    ).toEqual(inOrder);
  });

  test('names with colons, quotes, signs of other scripts and half a surrogate are kept apart', () => {
    const names = ['a:b', 'a', '"]', 'ü/日本', 'x\ud800', ' '];
    const edges = netEdges(
      runBatches([names.map((name, at) => tool(`t${at}`, name, '', { name: 'execute_tool' }))]).rows,
    );
    expect(edges.map((edge) => edge.to_id).sort()).toEqual(['"]', 'a', 'a:b', 'x\ufffd', 'ü/日本'].sort());
  });

  test('a hostile run, every name as long and as new as it can be, latest first, leaves a state of bounded size', () => {
    const long = (what: string, at: number): string => `${what}${at} `.repeat(300).slice(0, 512);
    const hostile = (at: number): AgentStep =>
      handOff(`s${String(at).padStart(5, '0')}`, '', {
        start_unix_micros: 1_795_000_000_000_000 - at,
        agent_name: long('agent', at),
        agent_id: long('id', at),
        tool_name: long('tool', at),
        user_id: long('user', at),
        tool_arguments: JSON.stringify({ agent: long('to', at), from_agent: long('from', at) }),
        facts: { 'data.namespace': long('ns', at), 'data.name': long('name', at), 'data.operation': 'read_write' },
      });
    const limits = { stepCharsMax: 200_000, edgeCharsMax: 100_000, takenBackMax: 20 };
    const sizes = [2, 6, 12].map((batches) => {
      const steps = Array.from({ length: batches }, (_, batch) =>
        Array.from({ length: 100 }, (_one, at) => hostile(batch * 100 + at)),
      );
      return serialiseState(runBatches(steps, limits).state).length;
    });
    // What is held, what is set, what is spilled and what is remembered of edges taken back.
    for (const size of sizes) expect(size).toBeLessThan(200_000 + 2 * 150_000 + 100_000);
    expect(sizes[2]).toBeLessThan((sizes[1] ?? 0) * 1.1);
  });
});
